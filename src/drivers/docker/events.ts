/** The engine's event stream: starts and ends of this node's containers; reconnects by itself. */
import type { Log } from '#src/ports/log.ts';
import type { RuntimeEvent } from '#src/ports/runtime.ts';
import { messageOf } from '#src/std/fault.ts';
import { opened, type Engine } from './engine.ts';
import { LABEL } from './specs.ts';
import { jsonLines } from './streams.ts';

const RECONNECT_MS = 1000;

interface EngineEvent {
  Action?: string;
  timeNano?: number;
  Actor?: { ID?: string; Attributes?: Record<string, string> };
}

export interface EventSource {
  subscribe(handle: (event: RuntimeEvent) => void): () => void;
}

/** `onChange` is told the container's id before the listeners are. */
export function createEvents(options: {
  engine: Engine;
  directory: string;
  log: Log;
  onChange: (id: string) => void;
}): EventSource {
  const { engine, log } = options;
  const listeners = new Set<(event: RuntimeEvent) => void>();
  /** Where to go on after a break, by the engine's own clock: seconds with a fraction. */
  let since: string | undefined;
  /** The connection in use; replaced by each reconnect and gone without listeners. */
  let session: { stream?: NodeJS.ReadableStream; timer?: NodeJS.Timeout } | undefined;

  function tell(raw: EngineEvent): void {
    if (raw.timeNano !== undefined) since = (raw.timeNano / 1e9).toFixed(3);
    const id = raw.Actor?.ID;
    const attributes = raw.Actor?.Attributes ?? {};
    if (id === undefined || (raw.Action !== 'start' && raw.Action !== 'die')) return;
    options.onChange(id);
    const podUid = attributes[LABEL.podUid] ?? '';
    const event = eventOf({ id, podUid, action: raw.Action, attributes });
    if (event) for (const listener of listeners) listener(event);
  }

  async function read(own: NonNullable<typeof session>): Promise<void> {
    const { directory } = options;
    const filters = { label: [`${LABEL.directory}=${directory}`], type: ['container'], event: ['start', 'die'] };
    const begun = engine.streams.getEvents({
      filters: JSON.stringify(filters),
      ...(since === undefined ? {} : { since: Number(since) }),
    });
    const stream = await opened(engine, 'events', begun);
    own.stream = stream;
    // Listening alone is no reason for the node to stay alive.
    (stream as { socket?: { unref(): void } }).socket?.unref();
    if (session !== own) return close(own);
    for await (const line of jsonLines(stream as unknown as AsyncIterable<Buffer>)) tell(line as EngineEvent);
  }

  function start(): void {
    const own: NonNullable<typeof session> = {};
    session = own;
    read(own)
      .catch((error: unknown) => {
        if (session === own) log.debug('the event stream of the engine broke', { error: messageOf(error) });
      })
      .finally(() => {
        if (session !== own) return;
        // What was missed meanwhile comes by `since`; and the kubelet lists too.
        own.timer = setTimeout(start, RECONNECT_MS);
        own.timer.unref();
      });
  }

  function close(own: NonNullable<typeof session>): void {
    clearTimeout(own.timer);
    (own.stream as { destroy?: () => void } | undefined)?.destroy?.();
  }

  return {
    subscribe(handle) {
      listeners.add(handle);
      if (!session) start();
      return () => {
        listeners.delete(handle);
        if (listeners.size > 0 || !session) return;
        const last = session;
        session = undefined;
        close(last);
      };
    },
  };
}

function eventOf(found: {
  id: string;
  podUid: string;
  action: 'start' | 'die';
  attributes: Record<string, string>;
}): RuntimeEvent | undefined {
  const { id, podUid, action, attributes } = found;
  if (attributes[LABEL.kind] === 'sandbox')
    return action === 'die' ? { type: 'sandboxExited', podUid, sandboxId: id } : undefined;
  return {
    type: action === 'start' ? 'containerStarted' : 'containerExited',
    podUid,
    sandboxId: attributes[LABEL.sandbox] ?? '',
    containerId: id,
  };
}
