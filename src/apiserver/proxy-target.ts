/** Who is meant by `pods|services|nodes/[SCHEME:]NAME[:PORT]/proxy`, and a connection to it. */
import { ApiError } from '#src/api/api-error.ts';
import { findKind, type Kind } from '#src/api/kinds.ts';
import type { EndpointSlice, Pod, Service } from '#src/api/objects.ts';
import type { Clock } from '#src/ports/clock.ts';
import { badRequest } from '#src/registry/refusals.ts';
import type { Verbs } from '#src/registry/verbs.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { dialPod } from './port-forward.ts';
import type { ResourceRoute } from './route.ts';

interface Named {
  scheme: string;
  name: string;
  port: string;
}

export interface PodTarget {
  /** For the Host header. */
  host: string;
  open: () => Promise<ByteStream>;
}

/** @throws ApiError 400. */
export function splitSchemeNamePort(id: string, what: string): Named {
  const parts = id.split(':');
  const [scheme, name, port] =
    parts.length === 1 ? ['', id, ''] : parts.length === 2 ? ['', parts[0], parts[1]] : parts;
  const valid = parts.length <= 3 && ['', 'http', 'https'].includes(scheme ?? '') && name !== '';
  if (!valid) throw badRequest(`invalid ${what} request ${JSON.stringify(id)}`);
  return { scheme: scheme ?? '', name: name ?? '', port: port ?? '' };
}

export function unavailable(message: string): ApiError {
  return new ApiError(503, 'ServiceUnavailable', message, { details: {} });
}

interface Resolving {
  kind: Kind;
  route: ResourceRoute;
  own: Verbs;
  streams: Peers;
  clock: Clock;
}

/** @throws ApiError 400, 404, 503. */
export async function podTargetOf(at: Resolving): Promise<PodTarget> {
  const id = at.route.name ?? '';
  const isService = at.kind.resource === 'services';
  const named = splitSchemeNamePort(id, isService ? 'service' : 'pod');
  if (named.scheme === 'https')
    throw unavailable(`error trying to reach service: https is not spoken to pods here; use http`);
  return isService ? await serviceTarget(at, named) : await podTarget(at, named);
}

async function podTarget({ kind, route, own, streams }: Resolving, { name, port }: Named): Promise<PodTarget> {
  const pod = (await own.get(kind, { namespace: route.namespace, name })).object() as Pod;
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const known = port === '' ? ports[0]?.containerPort : ports.find((one) => one.name === port)?.containerPort;
  const number = known ?? (port === '' ? 80 : Number(port));
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw badRequest(`invalid pod request ${JSON.stringify(route.name)}: no port ${JSON.stringify(port)}`);
  return reach(streams, pod, number);
}

function reach(streams: Peers, pod: Pod, port: number): PodTarget {
  const ip = pod.status?.podIP ?? '';
  if (ip === '') throw badRequest(`address not allowed: pod ${pod.metadata.name ?? ''} has no address yet`);
  const host = `${ip}:${port}`;
  return {
    host: port === 80 ? ip : host,
    async open() {
      try {
        return await dialPod({ streams, pod }, port);
      } catch (error) {
        throw unavailable(`error trying to reach service: ${messageOf(error)}`);
      }
    },
  };
}

async function serviceTarget(
  { kind, route, own, streams, clock }: Resolving,
  { name, port }: Named,
): Promise<PodTarget> {
  const { namespace } = route;
  const service = (await own.get(kind, { namespace, name })).object() as Service;
  const ports = service.spec?.ports ?? [];
  const wanted =
    port === '' && ports.length === 1 ? ports[0] : ports.find((one) => one.name === port || String(one.port) === port);
  if (wanted === undefined)
    throw unavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  const sliceKind = findKind({ group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' });
  const podKind = findKind({ group: '', version: 'v1', resource: 'pods' });
  if (sliceKind === undefined || podKind === undefined) throw unavailable('no endpoints are served');
  const list = await own.list(sliceKind, { namespace, labelSelector: `kubernetes.io/service-name=${name}` });
  const slices = list.items.map((item) => item.object() as EndpointSlice);
  const ready = slices.flatMap((slice) => {
    const number = slice.ports?.find((one) => (one.name ?? '') === (wanted.name ?? ''))?.port;
    if (number === undefined) return [];
    return (slice.endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .map((endpoint) => ({ endpoint, number }));
  });
  // Any of them will do; the time spreads requests without a memory.
  const first = Math.floor(clock.monotonicMs()) % Math.max(1, ready.length);
  for (const { endpoint, number } of [...ready.slice(first), ...ready.slice(0, first)]) {
    if (endpoint.targetRef?.kind !== 'Pod') continue;
    try {
      const place = { namespace, name: endpoint.targetRef.name ?? '' };
      return reach(streams, (await own.get(podKind, place)).object() as Pod, number);
    } catch (error) {
      if (!(error instanceof ApiError && error.reason === 'NotFound') && !isFault(error)) throw error;
      // Deleted since its slice was written: the next one.
    }
  }
  throw unavailable(`no endpoints available for service ${JSON.stringify(name)}`);
}
