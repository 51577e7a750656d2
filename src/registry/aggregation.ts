/**
 * Requests for groups that another API server has (APIService with a Service): passed on over TLS with the identity
 * of the asker in headers, which that server believes because of our front-proxy certificate.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { HttpFetchOptions, HttpFetchResult, HttpHeaders } from '#src/ports/http.ts';
import { messageOf } from '#src/std/fault.ts';
import { remoteApiService, remoteApiServices, type ApiService } from './api-services.ts';
import type { Identity } from './client.ts';
import type { RegistryCore } from './core.ts';
import { endpointOf, WEBHOOK_ANSWER_BYTES_MAX } from './webhook-client.ts';

export interface ProxiedRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: HttpHeaders;
  body: Uint8Array;
  identity: Identity;
}

export interface Aggregation {
  /** The APIService of a group and version that another server has. */
  find(group: string, version: string): ApiService | undefined;
  all(): ApiService[];
  /** @throws ApiError 503 when the server cannot be reached. */
  send(service: ApiService, request: ProxiedRequest): Promise<HttpFetchResult>;
}

export const AGGREGATED_TIMEOUT_MS = 30_000;

/** What concerns one connection, and names that only we may give. */
const KEPT_BACK =
  /^(?:connection|upgrade|host|content-length|transfer-encoding|te|trailer|keep-alive|proxy-.*|authorization|impersonate-.*|x-remote-.*|:.*)$/;

export function createAggregation(core: RegistryCore): Aggregation {
  return {
    find: (group, version) => remoteApiService(core, group, version),
    all: () => remoteApiServices(core),
    async send(service, request) {
      const { namespace = '', name = '', port = 443 } = service.spec?.service ?? {};
      const { http } = core;
      if (http === undefined) throw unavailable('this server makes no calls');
      try {
        const { host, port: at } = endpointOf(core, { namespace, name, port });
        const own = await core.frontProxy?.();
        return await http.fetch({
          method: request.method,
          url: `https://${host.includes(':') ? `[${host}]` : host}:${at}${request.url}`,
          serverName: `${name}.${namespace}.svc`,
          headers: headersFor(request),
          ...(request.body.length === 0 ? {} : { body: request.body }),
          timeoutMs: AGGREGATED_TIMEOUT_MS,
          bodyBytesMax: WEBHOOK_ANSWER_BYTES_MAX,
          ...trustOf(service),
          ...own,
        });
      } catch (error) {
        throw unavailable(messageOf(error), error);
      }
    },
  };
}

function trustOf({ spec }: ApiService): { authorityPem?: string; systemAuthorities?: boolean } {
  if ((spec?.caBundle ?? '') !== '') return { authorityPem: atob(spec?.caBundle ?? '') };
  return spec?.insecureSkipTLSVerify === true ? {} : { systemAuthorities: true };
}

function unavailable(why: string, cause?: unknown): ApiError {
  return new ApiError(503, 'ServiceUnavailable', `error trying to reach service: ${why}`, { cause });
}

function headersFor({ headers, identity }: ProxiedRequest): NonNullable<HttpFetchOptions['headers']> {
  const sent: NonNullable<HttpFetchOptions['headers']> = {};
  for (const [name, value] of Object.entries(headers)) if (!KEPT_BACK.test(name)) sent[name] = value;
  sent['x-remote-user'] = identity.user;
  sent['x-remote-group'] = identity.groups;
  if (identity.uid !== undefined) sent['x-remote-uid'] = identity.uid;
  return sent;
}
