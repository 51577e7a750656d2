/** Calls to webhooks: by URL or through a Service, over TLS that is verified, bounded in time and size. */
import type { EndpointSlice, Service } from '#src/api/objects.ts';
import { findKind, type Kind } from '#src/api/kinds.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';
import { decodeValue, utf8 } from './bytes.ts';
import type { RegistryCore } from './core.ts';
import { objectKey, objectRange } from './keys.ts';

export interface WebhookTarget {
  url?: string;
  service?: { namespace: string; name: string; path?: string; port?: number };
  /** PEM in base64; without it the system's authorities are trusted. */
  caBundle?: string;
}

/** Bytes of one answer. */
export const WEBHOOK_ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const SERVICE_NAME = 'kubernetes.io/service-name';

/** POSTs JSON and reads JSON. @throws Fault WEBHOOK_FAILED that says which webhook and why. */
export async function callWebhook(
  core: RegistryCore,
  target: WebhookTarget,
  body: unknown,
  timeoutMs: number,
): Promise<unknown> {
  const { http } = core;
  const shown = target.url ?? serviceUrl(target);
  if (http === undefined) throw failed(shown, 'this server makes no calls');
  try {
    const answer = await http.fetch({
      method: 'POST',
      ...addressOf(core, target),
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: utf8(JSON.stringify(body)),
      timeoutMs,
      bodyBytesMax: WEBHOOK_ANSWER_BYTES_MAX,
      ...(target.caBundle === undefined ? { systemAuthorities: true } : { authorityPem: atob(target.caBundle) }),
    });
    if (answer.status < 200 || answer.status > 299) throw failed(shown, `it answered with status ${answer.status}`);
    return parseStrictJson(answer.body).value;
  } catch (error) {
    if (isFault(error, 'WEBHOOK_FAILED')) throw error;
    throw failed(shown, messageOf(error), error);
  }
}

function failed(url: string, why: string, cause?: unknown): Fault {
  return new Fault('WEBHOOK_FAILED', `Post "${url}": ${why}`, 'later', cause);
}

function serviceUrl({ service }: WebhookTarget): string {
  const { namespace = '', name = '', path = '/', port = 443 } = service ?? {};
  return `https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? path : `/${path}`}`;
}

function addressOf(core: RegistryCore, target: WebhookTarget): { url: string; serverName?: string } {
  if (target.service === undefined) return { url: target.url ?? '' };
  const { namespace, name, path = '/', port = 443 } = target.service;
  const { host, port: at } = endpointOf(core, { namespace, name, port });
  const shown = host.includes(':') ? `[${host}]` : host;
  // The certificate is for the Service, whichever Pod answers.
  return {
    url: `https://${shown}:${at}${path.startsWith('/') ? path : `/${path}`}`,
    serverName: `${name}.${namespace}.svc`,
  };
}

const kindOf = (group: string, resource: string): Kind => findKind({ group, version: 'v1', resource }) as Kind;

/** A ready endpoint of a Service, by the local state. @throws Fault WEBHOOK_FAILED when there is none. */
export function endpointOf(
  core: RegistryCore,
  { namespace, name, port }: { namespace: string; name: string; port: number },
): { host: string; port: number } {
  const view = core.reader.local();
  const shown = `${name}.${namespace}.svc:${port}`;
  const stored = view.get(objectKey(kindOf('', 'services'), namespace, name));
  if (stored === undefined) throw failed(shown, `service "${name}" not found`);
  const service = decodeValue(stored) as unknown as Service;
  const wanted = service.spec?.ports?.find((one) => one.port === port);
  if (wanted === undefined) throw failed(shown, `no service port ${port} found for service "${name}"`);
  const range = objectRange(kindOf('discovery.k8s.io', 'endpointslices'), namespace);
  const found = view.range({ ...range, limit: 0 }).items.flatMap(({ value }) => {
    const slice = decodeValue(value) as unknown as EndpointSlice;
    if (slice.metadata.labels?.[SERVICE_NAME] !== name) return [];
    const at = slice.ports?.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port;
    if (at === undefined) return [];
    const ready = (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false);
    return ready.flatMap(({ addresses }) => addresses.map((host) => ({ host, port: at })));
  });
  if (found.length === 0) throw failed(shown, `no endpoints available for service "${name}"`);
  return found[core.random.below(found.length)] as { host: string; port: number };
}
