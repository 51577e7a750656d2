/**
 * What simulated clients send and understand: bytes of the Kubernetes API through the Http port.
 * Owns: the choice of a server, and what an answer says about the outcome of a write.
 */
import type { HttpFetchResult } from '#src/ports/http.ts';
import { messageOf } from '#src/std/fault.ts';
import { apiPort, type AdminClient, type SimCluster } from './cluster.ts';
import type { Outcome } from './history.ts';
import type { HttpStream } from './http.ts';
import type { Prng } from './prng.ts';

export const configMapsPath = '/api/v1/namespaces/default/configmaps';

const requestTimeoutMs = 3000;
const answerBytesMax = 64 * 1024 * 1024;

/** The parts of a ConfigMap that the workload uses. */
export interface TokenObject {
  metadata: { name: string; resourceVersion?: string };
  data?: { token?: string };
}

export interface ApiAnswer {
  outcome: Outcome;
  /** 0: there was no answer. */
  status: number;
  body: unknown;
}

export interface WatchHandlers {
  onEvent(type: string, object: TokenObject & { code?: number }): void;
  /** Over, for whatever reason; `gone`: 410, the revision is too old. */
  onEnd(gone: boolean): void;
}

export class ApiClient {
  readonly name: string;
  readonly #cluster: SimCluster;
  readonly #admin: AdminClient;
  readonly #prng: Prng;
  #server: number;
  #stays = false;
  #timeoutMs = requestTimeoutMs;

  constructor(cluster: SimCluster, name: string) {
    this.name = name;
    this.#cluster = cluster;
    this.#prng = cluster.prng.fork(`client/${name}`);
    this.#admin = cluster.client(name);
    this.#server = this.#prng.below(cluster.nodes.length);
  }

  get prng(): Prng {
    return this.#prng;
  }

  /** Ask this node and no other; `timeoutMs` for those who have more patience than the workload. */
  stayWith(node: string, timeoutMs = requestTimeoutMs): void {
    this.#server = this.#cluster.nodes.findIndex(({ name }) => name === node);
    this.#stays = true;
    this.#timeoutMs = timeoutMs;
  }

  /** Which node is asked; another one after a failure. */
  moveOn(): void {
    if (!this.#stays) this.#server = this.#prng.below(this.#cluster.nodes.length);
  }

  /** One request; never rejects. */
  async send(method: string, path: string, body?: unknown, type = 'application/json'): Promise<ApiAnswer> {
    const { http } = this.#admin;
    try {
      const result = await http.fetch({
        ...this.#target(path),
        method,
        headers: { 'content-type': type, accept: 'application/json' },
        ...(body === undefined ? {} : { body: new TextEncoder().encode(JSON.stringify(body)) }),
        timeoutMs: this.#timeoutMs,
        bodyBytesMax: answerBytesMax,
      });
      const answer = this.#judge(result);
      if (answer.outcome === 'unknown') this.moveOn();
      this.#cluster.trace.text(`${this.name} ${method} ${path} ${answer.status}`);
      return answer;
    } catch (error) {
      this.#cluster.trace.text(`${this.name} ${method} ${path} ${messageOf(error)}`);
      this.moveOn();
      return { outcome: 'unknown', status: 0, body: undefined };
    }
  }

  /** A watch from a revision on; the caller resumes it. */
  watch(path: string, fromRevision: number, handlers: WatchHandlers): HttpStream {
    const decoder = new TextDecoder();
    let text = '';
    let gone = false;
    let status = 0;
    const query = `?watch=true&allowWatchBookmarks=true&resourceVersion=${fromRevision}`;
    return this.#admin.http.stream(
      {
        ...this.#target(path + query),
        method: 'GET',
        headers: { accept: 'application/json' },
        timeoutMs: requestTimeoutMs,
      },
      {
        onHead: (head) => (status = head),
        onChunk: (chunk) => {
          text += decoder.decode(chunk, { stream: true });
          const lines = text.split('\n');
          text = lines.pop() ?? '';
          if (status !== 200) return;
          for (const line of lines) {
            const { type, object } = JSON.parse(line) as { type: string; object: TokenObject & { code?: number } };
            if (type === 'ERROR') gone ||= object.code === 410;
            else handlers.onEvent(type, object);
          }
        },
        onEnd: () => {
          this.moveOn();
          handlers.onEnd(gone || status === 410);
        },
      },
    );
  }

  #target(path: string): { url: string; authorityPem: string; certificatePem: string; privateKeyPem: string } {
    const { authorityPem, certificatePem, privateKeyPem } = this.#admin;
    const host = this.#cluster.nodes[this.#server]?.host ?? '';
    return { url: `https://${host}:${apiPort}${path}`, authorityPem, certificatePem, privateKeyPem };
  }

  /** A 5xx may have taken effect; a 4xx has not. */
  #judge({ status, body }: HttpFetchResult): ApiAnswer {
    const outcome: Outcome =
      status >= 200 && status < 300 ? 'ok' : status >= 400 && status < 500 ? 'refused' : 'unknown';
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    // 500 is never the cluster's state: it is a mistake of ours.
    const unexpected = status === 500 || (outcome === 'refused' && ![404, 409, 410, 429].includes(status));
    if (unexpected) {
      const { message = '' } = parsed as { message?: string };
      this.#cluster.report({
        kind: 'answer',
        message: `${this.name} got an answer nobody expects: ${status} ${message}`,
      });
    }
    return { outcome, status, body: parsed };
  }
}

export function revisionOf(object: unknown): number {
  return Number((object as TokenObject).metadata.resourceVersion ?? 0);
}
