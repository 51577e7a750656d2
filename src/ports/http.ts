/**
 * HTTP server and client. TLS ends in the driver, which hands on the verified client
 * certificate. One request is one HttpExchange, whatever the HTTP version.
 */
export type HttpHeaders = Record<string, string>;

export interface HttpClientIdentity {
  commonName: string;
  organizations: string[];
}

export interface HttpRequest {
  method: string;
  /** Path and query as sent, percent-encoded. */
  url: string;
  /** Lower-case names; repeated ones joined by ', '. */
  headers: HttpHeaders;
  /** '1.1' or '2'. */
  httpVersion: string;
  remoteAddress: string;
  /** Present when a client certificate was verified against `clientAuthorityPem`. */
  client?: HttpClientIdentity;
  /** Whole body. Faults: HTTP_BODY_TOO_LARGE (413), HTTP_BODY_TIMEOUT (408), HTTP_ABORTED. */
  body(limits: { bytesMax: number; timeoutMs: number }): Promise<Uint8Array>;
}

export interface HttpResponse {
  /**
   * Once, before `write`. A header value may be repeated through an array. `compress`: the driver may send the body
   * as gzip when the client accepts it; `content-length` is then left out.
   */
  head(status: number, headers: Record<string, string | string[]>, options?: { compress?: boolean }): void;
  /** False when the client is slow: await `drained` before more. */
  write(chunk: Uint8Array): boolean;
  drained(): Promise<void>;
  /** Bytes accepted and not yet sent; a stuck watch is cut when this grows. */
  bufferedBytes(): number;
  end(chunk?: Uint8Array): void;
  /** Cut the connection (HTTP/2: reset the stream). */
  abort(reason: string): void;
  readonly closed: boolean;
  /** The client went away or the response ended. */
  onClose(handle: () => void): void;
}

/** The raw connection after `Upgrade:`; the handler writes its own 101 response. */
export interface HttpUpgrade {
  request: HttpRequest;
  /** Complete a WebSocket handshake (RFC 6455). `protocol` is the chosen subprotocol. */
  acceptWebSocket(protocol: string | undefined): Promise<HttpWebSocket>;
  /** Answer 101 with these headers and hand over the byte stream (SPDY). */
  acceptRaw(headers: HttpHeaders): RawStream;
  refuse(status: number, headers: HttpHeaders, body: Uint8Array): void;
}

export interface HttpWebSocket {
  send(message: Uint8Array, options?: { text?: boolean }): void;
  bufferedBytes(): number;
  onMessage(handle: (message: Uint8Array, isText: boolean) => void): void;
  onClose(handle: (code: number, reason: string) => void): void;
  /** Take no more messages for now: the client is slowed down by its own connection. */
  pause(): void;
  resume(): void;
  close(code: number, reason: string): void;
}

export interface RawStream {
  write(chunk: Uint8Array): boolean;
  drained(): Promise<void>;
  onData(handle: (chunk: Uint8Array) => void): void;
  onEnd(handle: () => void): void;
  onClose(handle: () => void): void;
  /** Read no more for now. */
  pause(): void;
  resume(): void;
  end(): void;
}

export interface HttpServer {
  /** The ports really bound, in the order of `listen`. */
  readonly ports: number[];
  /** Stop accepting, let running requests finish for `graceMs`, then cut them. */
  close(graceMs: number): Promise<void>;
}

export interface HttpServeOptions {
  listen: { host: string; port: number; /** Several processes may share the port. */ shared?: boolean }[];
  certificatePem: string;
  privateKeyPem: string;
  /** Client certificates are asked for, verified against this, and optional. */
  clientAuthorityPem: string;
  handle: (request: HttpRequest, response: HttpResponse) => void;
  upgrade?: (upgrade: HttpUpgrade) => void;
}

export interface HttpFetchOptions {
  method: string;
  /** http:// or https:// */
  url: string;
  headers?: HttpHeaders;
  body?: Uint8Array;
  /** Trust only this authority; without it the certificate is not verified (probes), unless by the system's. */
  authorityPem?: string;
  /** Trust the authorities of the operating system or of the runtime. */
  systemAuthorities?: boolean;
  /** The name that the certificate must have, where the URL holds an address. */
  serverName?: string;
  certificatePem?: string;
  privateKeyPem?: string;
  timeoutMs: number;
  bodyBytesMax: number;
}

export interface HttpFetchResult {
  status: number;
  headers: HttpHeaders;
  body: Uint8Array;
}

export interface Http {
  /** Faults: HTTP_ADDRESS_IN_USE names the address and what to change. */
  serve(options: HttpServeOptions): Promise<HttpServer>;
  /** Faults: HTTP_UNREACHABLE, HTTP_TIMEOUT, HTTP_CERTIFICATE, HTTP_BODY_TOO_LARGE. */
  fetch(options: HttpFetchOptions): Promise<HttpFetchResult>;
}
