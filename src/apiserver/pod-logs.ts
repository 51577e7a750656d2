/** GET pods/NAME/log: bytes from the Pod's kubelet to the client, past Raft, with back-pressure. */
import type { Kind } from '#src/api/kinds.ts';
import type { Pod } from '#src/api/objects.ts';
import { invalid } from '#src/api/validation.ts';
import { Causes } from '#src/api/validation/causes.ts';
import type { Clock } from '#src/ports/clock.ts';
import { nodeNameOf } from '#src/registry/authorize.ts';
import { badRequest, forbidden } from '#src/registry/refusals.ts';
import type { Verbs } from '#src/registry/verbs.ts';
import { isFault } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { openKubeletStream } from './kubelet-stream.ts';
import type { Exchange } from './exchange.ts';
import { writeAndYield } from './list-answer.ts';
import { booleanOf } from './query.ts';
import type { ResourceRoute } from './route.ts';

/** The header of a `kubelet.logs` stream. */
export interface LogRequest {
  namespace: string;
  pod: string;
  uid: string;
  container: string;
  previous: boolean;
  follow: boolean;
  timestamps: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  /** RFC 3339. */
  sinceTime?: string;
  limitBytes?: number;
  stream?: 'stdout' | 'stderr';
}

export async function sendPodLogs(
  exchange: Exchange,
  at: { verbs: Verbs; own: Verbs; kind: Kind; route: ResourceRoute; streams: Peers; clock: Clock },
): Promise<void> {
  const { verbs, kind, route, streams } = at;
  const name = route.name ?? '';
  verbs.require(kind, 'get', { namespace: route.namespace, name, subresource: 'log' });
  const pod = (await at.own.get(kind, { namespace: route.namespace, name })).object() as Pod;
  const request = logRequestOf(exchange.query, pod);
  const node = pod.spec?.nodeName ?? '';
  const asking = nodeNameOf(exchange.identity);
  if (asking !== undefined && asking !== node)
    throw forbidden(kind, name, `node "${asking}" can only read logs of its own pods`);
  if (node === '') throw badRequest(`pod ${name} does not have a host assigned`);
  refuseUnstarted(pod, request);
  const stream = await openKubeletStream(streams, pod, { method: 'kubelet.logs', header: request });
  await copyOut(exchange, at.clock, stream);
}

async function copyOut(exchange: Exchange, clock: Clock, stream: ByteStream): Promise<void> {
  exchange.response.onClose(() => {
    stream.cancel('the reader of the log went away');
  });
  let started = false;
  try {
    for (;;) {
      const chunk = await stream.read();
      if (!started && !exchange.head(200, { 'content-type': 'text/plain' })) break;
      started = true;
      if (chunk === undefined) {
        exchange.response.end();
        return;
      }
      if (!(await writeAndYield(exchange, clock, chunk))) break;
    }
    stream.cancel('the reader of the log went away');
  } catch (error) {
    if (!started) throw isFault(error) ? badRequest(error.message) : error;
    exchange.response.abort('the log stream broke');
  }
}

type Named = readonly { name: string }[] | undefined;
const namesOf = (containers: Named): string[] => (containers ?? []).map(({ name }) => name);

/** The container asked for, or the only or preferred one. @throws ApiError 400. */
export function chosenContainer(query: URLSearchParams, pod: Pod): string {
  const main = namesOf(pod.spec?.containers);
  const init = namesOf(pod.spec?.initContainers);
  const ephemeral = namesOf(pod.spec?.ephemeralContainers);
  const name = pod.metadata.name ?? '';
  const asked = query.get('container') ?? '';
  const all = [...main, ...init, ...ephemeral];
  if (asked !== '') {
    if (!all.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const [first] = main;
  if (first !== undefined && main.length === 1) return first;
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] ?? '';
  if (all.includes(preferred)) return preferred;
  const others = [
    init.length === 0 ? '' : ` or one of the init containers: [${init.join(' ')}]`,
    ephemeral.length === 0 ? '' : ` or one of the ephemeral containers: [${ephemeral.join(' ')}]`,
  ];
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${main.join(' ')}]${others.join('')}`,
  );
}

/** @throws ApiError 400 for options that cannot be read or a container that is not there, 422 for what they say. */
export function logRequestOf(query: URLSearchParams, pod: Pod): LogRequest {
  const name = pod.metadata.name ?? '';
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null && (!/^\d{4}-\d\d-\d\dT/.test(sinceTime) || Number.isNaN(Date.parse(sinceTime))))
    throw badRequest(`sinceTime: ${JSON.stringify(sinceTime)} is not an RFC 3339 time`);
  const [sinceSeconds, tailLines, limitBytes] = (['sinceSeconds', 'tailLines', 'limitBytes'] as const).map((option) =>
    integerOf(query, option),
  );
  const asked = query.get('stream');
  const causes = new Causes();
  if (sinceTime !== null && sinceSeconds !== undefined)
    causes.forbidden('', 'at most one of `sinceTime` or `sinceSeconds` may be specified');
  if (sinceSeconds !== undefined && sinceSeconds < 1)
    causes.invalid('sinceSeconds', sinceSeconds, 'must be greater than 0');
  causes.nonNegative('tailLines', tailLines);
  if (limitBytes !== undefined && limitBytes < 1) causes.invalid('limitBytes', limitBytes, 'must be greater than 0');
  if (asked !== null) causes.oneOf('stream', asked, ['All', 'Stderr', 'Stdout']);
  const stream = asked === 'Stdout' ? 'stdout' : asked === 'Stderr' ? 'stderr' : undefined;
  if (stream !== undefined && tailLines !== undefined)
    causes.forbidden('', '`tailLines` and specific `stream` are mutually exclusive for now');
  if (causes.list.length > 0) throw invalid({ group: '', kind: 'PodLogOptions' }, name, causes.list);
  return {
    namespace: pod.metadata.namespace ?? '',
    pod: name,
    uid: pod.metadata.uid ?? '',
    container: chosenContainer(query, pod),
    previous: booleanOf(query, 'previous') ?? false,
    follow: booleanOf(query, 'follow') ?? false,
    timestamps: booleanOf(query, 'timestamps') ?? false,
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(sinceTime === null ? {} : { sinceTime }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(stream === undefined ? {} : { stream }),
  };
}

function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text))
    throw badRequest(`${name}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

interface ContainerState {
  name: string;
  state?: { waiting?: { reason?: string } };
  lastState?: { terminated?: object };
}

/** What the kubelet has not started has no log yet; said in Kubernetes' words, which people search for. */
function refuseUnstarted(pod: Pod, request: LogRequest): void {
  const status = pod.status as
    | {
        containerStatuses?: ContainerState[];
        initContainerStatuses?: ContainerState[];
        ephemeralContainerStatuses?: ContainerState[];
      }
    | undefined;
  const states = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  const found = states.find((one) => one.name === request.container);
  const shown = `container ${JSON.stringify(request.container)} in pod ${JSON.stringify(request.pod)}`;
  if (request.previous) {
    if (found !== undefined && found.lastState?.terminated === undefined) {
      throw badRequest(`previous terminated ${shown} not found`);
    }
    return;
  }
  const waiting = found?.state?.waiting;
  const ranBefore = found?.lastState?.terminated !== undefined;
  if (waiting !== undefined && !ranBefore) {
    throw badRequest(`${shown} is waiting to start: ${waiting.reason ?? 'ContainerCreating'}`);
  }
}
