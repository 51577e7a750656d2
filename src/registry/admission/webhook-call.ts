/** One call of a webhook: AdmissionReview v1 over verified HTTPS, bounded in time and size. */
import { findKind, type Kind } from '#src/api/kinds.ts';
import type { Service } from '#src/api/objects.ts';
import type { WebhookClientConfig } from '#src/api/objects/admission.ts';
import { messageOf } from '#src/std/fault.ts';
import type { StoreView } from '#src/store/view.ts';
import { decodeValue, utf8 } from '../bytes.ts';
import { objectKey, objectRange } from '../keys.ts';
import type { NamedObject } from '../raw.ts';
import type { Attributes } from './attributes.ts';
import { converted } from './match.ts';

/** An answer is at most an object and a patch that makes it anew. */
export const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
export const TIMEOUT_SECONDS_DEFAULT = 10;
export const TIMEOUT_SECONDS_MAX = 30;
const SLICES_MAX = 1000;

export interface ReviewResponse {
  uid?: string;
  allowed?: boolean;
  status?: { message?: string; reason?: string; code?: number };
  /** Base64 of a JSON patch. */
  patch?: string;
  patchType?: string;
  auditAnnotations?: Record<string, string>;
  warnings?: string[];
}

export interface Call {
  attributes: Attributes;
  /** The version that the webhook asked for. */
  shown: Kind;
  clientConfig: WebhookClientConfig;
  timeoutSeconds: number | undefined;
}

/** Throws plain errors: why the call failed, in the words that follow `failed calling webhook`. */
export async function callWebhook(call: Call): Promise<ReviewResponse> {
  const { attributes, clientConfig } = call;
  const { http, random } = attributes.core;
  if (http === undefined) throw new Error('failed to call webhook: this server has no HTTP client');
  const uid = random.uuid();
  const seconds = Math.min(Math.max(call.timeoutSeconds ?? TIMEOUT_SECONDS_DEFAULT, 1), TIMEOUT_SECONDS_MAX);
  const target = targetOf(attributes.view, clientConfig);
  const timeout = `${target.shown.includes('?') ? '&' : '?'}timeout=${seconds}s`;
  const review = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request: requestOf(call, uid) };
  const answer = await http
    .fetch({
      method: 'POST',
      url: target.url + timeout,
      headers: { 'content-type': 'application/json', accept: 'application/json, */*', host: target.host },
      body: utf8(JSON.stringify(review)),
      ...(target.serverName === undefined ? {} : { serverName: target.serverName }),
      ...(clientConfig.caBundle === undefined
        ? { systemAuthorities: true }
        : { authorityPem: decodeBase64(clientConfig.caBundle) }),
      timeoutMs: seconds * 1000,
      bodyBytesMax: ANSWER_BYTES_MAX,
    })
    .catch((error: unknown) => {
      throw new Error(`failed to call webhook: Post ${JSON.stringify(target.shown + timeout)}: ${messageOf(error)}`);
    });
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(`failed to call webhook: the server answered with status ${answer.status}`);
  }
  return responseOf(answer.body, uid);
}

function decodeBase64(text: string): string {
  return new TextDecoder().decode(Uint8Array.fromBase64(text));
}

function requestOf({ attributes, shown }: Call, uid: string): Record<string, unknown> {
  const { kind, object, old } = attributes;
  const as = (one: NamedObject | undefined): NamedObject | null =>
    one === undefined ? null : converted(kind, shown, one);
  return { ...describeRequest({ attributes, shown }, uid), object: as(object), oldObject: as(old) };
}

/** The request of a review, without the objects. */
export function describeRequest(
  { attributes, shown }: Pick<Call, 'attributes' | 'shown'>,
  uid: string,
): Record<string, unknown> {
  const { kind, subresource, identity, operation } = attributes;
  const gvk = (one: Kind) => ({ group: one.group, version: one.version, kind: one.kind });
  const gvr = (one: Kind) => ({ group: one.group, version: one.version, resource: one.resource });
  return {
    uid,
    kind: gvk(shown),
    resource: gvr(shown),
    ...(subresource === '' ? {} : { subResource: subresource }),
    requestKind: gvk(kind),
    requestResource: gvr(kind),
    ...(subresource === '' ? {} : { requestSubResource: subresource }),
    name: attributes.name,
    ...(attributes.namespace === undefined ? {} : { namespace: attributes.namespace }),
    operation,
    userInfo: {
      username: identity.user,
      ...(identity.uid === undefined ? {} : { uid: identity.uid }),
      groups: identity.groups,
    },
    dryRun: attributes.dryRun,
    options: attributes.options,
  };
}

function responseOf(body: Uint8Array, uid: string): ReviewResponse {
  let review: { kind?: string; apiVersion?: string; response?: ReviewResponse } | null;
  try {
    review = JSON.parse(new TextDecoder().decode(body)) as typeof review;
  } catch (error) {
    throw new Error(`received invalid webhook response: ${messageOf(error)}`, { cause: error });
  }
  const { apiVersion, kind, response } = typeof review === 'object' && review !== null ? review : {};
  if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview') {
    const given = `${JSON.stringify(apiVersion ?? '')}, Kind=${JSON.stringify(kind ?? '')}`;
    throw new Error(`received invalid webhook response: expected admission.k8s.io/v1 AdmissionReview, got ${given}`);
  }
  if (typeof response !== 'object' || response === null)
    throw new Error('received invalid webhook response: webhook response was absent');
  if (response.uid !== uid) {
    throw new Error(
      `received invalid webhook response: expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`,
    );
  }
  return response;
}

interface Target {
  /** What is connected to. */
  url: string;
  /** What is written about it. */
  shown: string;
  host: string;
  /** The name in the certificate. */
  serverName?: string;
}

function targetOf(view: StoreView, { url, service }: WebhookClientConfig): Target {
  if (service === undefined) {
    const given = url ?? '';
    return { url: given, shown: given, host: new URL(given).host };
  }
  const { namespace, name, path = '', port = 443 } = service;
  const serverName = `${name}.${namespace}.svc`;
  const rest = path === '' || path.startsWith('/') ? path : `/${path}`;
  const address = addressOf(view, service, port);
  const shown = `https://${serverName}:${port}${rest}`;
  return { url: `https://${address}${rest}`, shown, host: `${serverName}:${port}`, serverName };
}

interface Slice {
  ports?: { name?: string; port?: number }[];
  endpoints?: { addresses?: string[]; conditions?: { ready?: boolean } }[];
}

/** A ready endpoint of the Service: that works on nodes that see Pods, whether or not they proxy Services. */
function addressOf(view: StoreView, reference: { namespace: string; name: string }, port: number): string {
  const services = findKind({ group: '', version: 'v1', resource: 'services' });
  const slices = findKind({ group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' });
  const { namespace, name } = reference;
  const value = services && view.get(objectKey(services, namespace, name));
  if (value === undefined || slices === undefined)
    throw new Error(`failed to call webhook: service "${name}" not found`);
  const { spec } = decodeValue(value) as Service;
  const wanted = spec?.ports?.find((one) => one.port === port);
  if (wanted === undefined)
    throw new Error(`failed to call webhook: no service port ${port} found for service "${name}"`);
  if (spec?.type === 'ExternalName') return `${spec.externalName ?? ''}:${port}`;
  for (const { value: sliceValue } of view.range({ ...objectRange(slices, namespace), limit: SLICES_MAX }).items) {
    const slice = decodeValue(sliceValue) as NamedObject & Slice;
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== name) continue;
    const target = slice.ports?.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port;
    const address = slice.endpoints?.find((one) => one.conditions?.ready !== false)?.addresses?.[0];
    if (target !== undefined && address !== undefined)
      return `${address.includes(':') ? `[${address}]` : address}:${target}`;
  }
  throw new Error(`failed to call webhook: no endpoints available for service "${name}"`);
}
