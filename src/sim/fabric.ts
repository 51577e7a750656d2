/**
 * Connections between places of the simulated world: what TCP gives, no more. Bytes arrive in
 * order or the connection breaks; a cut way holds them back until it heals or patience ends.
 * Owns: places, listeners, latency, partitions. Imports: ports, std.
 * Read next: network.ts and http.ts, which speak over it.
 */
import type { Timer } from '#src/ports/clock.ts';
import { Fault } from '#src/std/fault.ts';
import type { NodeClock, World } from './clock.ts';
import type { Prng } from './prng.ts';

/** How long one way takes: `minMs`, some jitter, and now and then much more. */
export interface Quality {
  minMs: number;
  jitterMs: number;
  /** Probability that one item takes up to `slowMs` longer. */
  slowChance: number;
  slowMs: number;
}

export const lanQuality: Quality = { minMs: 0.1, jitterMs: 0.3, slowChance: 0, slowMs: 0 };

/** How long a sender waits for a way that is cut, or a place that is gone, before its connection breaks. */
const patienceMs = 20_000;
/** 1 Gbit/s. */
const bytesPerMs = 125_000;
/** Bytes the kernel takes off the sender's hands. */
const kernelBytes = 256 * 1024;
const firstEphemeralPort = 32_768;

/** One incarnation of a node, or of a client outside, on the network. */
export interface Place {
  readonly name: string;
  readonly clock: NodeClock;
  /** `silent`: its power is gone and nobody is told. `gone`: its kernel answers that nobody is there. */
  state: 'up' | 'gone' | 'silent';
  readonly ends: Set<End>;
}

/** What the listening process says to a caller: an answer, or the fault the caller gets. */
export type Verdict = { answer: unknown } | { refused: Fault };

export interface Listener {
  readonly place: Place;
  readonly port: number;
  /** Judges a caller by its hello; on an answer the end is open, on a refusal it is closed. */
  accept: (end: End, hello: unknown) => Verdict;
  close(): void;
}

/** One end of a connection. Items are delivered in the turn of the other place. */
export interface End {
  readonly place: Place;
  readonly remote: Place;
  send(item: unknown, bytes: number): void;
  /** Sent and not yet taken by the kernel. */
  bufferedBytes(): number;
  /** One handler each; items before it wait. */
  onItem(handle: (item: unknown) => void): void;
  onClose(handle: (reason: string) => void): void;
  /** After some item has left, so that less is buffered. */
  onTaken(handle: () => void): void;
  /** What was sent before still arrives; then the other side is told. */
  close(reason: string): void;
}

export class Fabric {
  readonly world: World;
  readonly #prng: Prng;
  readonly #cut = new Set<string>();
  readonly #qualities = new Map<string, Quality>();
  readonly #places = new Map<string, Place>();
  readonly #listeners = new Map<string, Listener[]>();
  readonly #stalled = new Set<Pipe>();
  /** Which place has a host address: a place without a listener refuses, one without power is silent. */
  readonly #homes = new Map<string, Place>();
  #nextPort = firstEphemeralPort;
  quality: Quality = lanQuality;
  /** Told of every item that is sent. */
  observe: (sent: { from: string; to: string; bytes: number }) => void = () => undefined;

  constructor(world: World, prng: Prng) {
    this.world = world;
    this.#prng = prng;
  }

  /** A new incarnation; connections and listeners of the one before it are answered with a reset. */
  enter(name: string, clock: NodeClock, host?: string): Place {
    const before = this.#places.get(name);
    const place: Place = { name, clock, state: 'up', ends: new Set() };
    this.#places.set(name, place);
    if (host !== undefined) this.#homes.set(host, place);
    if (before) {
      before.state = 'gone';
      for (const pipe of this.#stalled) if (pipe.to === before) pipe.resume();
    }
    return place;
  }

  place(name: string): Place | undefined {
    return this.#places.get(name);
  }

  /** `process`: the kernel closes what the process had. `power`: silence. */
  crash(name: string, kind: 'power' | 'process'): void {
    const place = this.#places.get(name);
    if (!place || place.state !== 'up') return;
    place.state = kind === 'power' ? 'silent' : 'gone';
    for (const [key, all] of this.#listeners) {
      const left = all.filter((listener) => listener.place !== place);
      if (left.length === 0) this.#listeners.delete(key);
      else this.#listeners.set(key, left);
    }
    if (kind === 'process') for (const end of place.ends) end.close('the connection broke');
    place.ends.clear();
    // What a cut way held back was in this machine's memory.
    if (kind === 'power') for (const pipe of this.#stalled) if (pipe.from === place) pipe.drop();
  }

  /** One way. What is on it is held until `heal`, or until a sender's patience ends. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(from: string, to: string): void {
    if (!this.#cut.delete(`${from}>${to}`)) return;
    for (const pipe of this.#stalled) if (pipe.from.name === from && pipe.to.name === to) pipe.resume();
  }

  healAll(): void {
    for (const way of this.#cut) {
      const [from = '', to = ''] = way.split('>');
      this.heal(from, to);
    }
  }

  names(): string[] {
    return [...this.#places.keys()];
  }

  isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  /** Both ways between two places; undefined: as everywhere. */
  setQuality(a: string, b: string, quality: Quality | undefined): void {
    for (const way of [`${a}>${b}`, `${b}>${a}`]) {
      if (quality) this.#qualities.set(way, quality);
      else this.#qualities.delete(way);
    }
  }

  latencyMs(from: string, to: string): number {
    const { minMs, jitterMs, slowChance, slowMs } = this.#qualities.get(`${from}>${to}`) ?? this.quality;
    const draw = this.#prng.uint32() / 2 ** 32;
    const slow = slowChance > 0 && this.#prng.chance(slowChance) ? (this.#prng.uint32() / 2 ** 32) * slowMs : 0;
    return minMs + draw * jitterMs + slow;
  }

  /** Undefined: the address is taken. Loopback hosts are the place's own. */
  listen(
    place: Place,
    options: { host: string; port: number; shared?: boolean; accept: Listener['accept'] },
  ): Listener | undefined {
    const port = options.port === 0 ? this.#nextPort++ : options.port;
    const key = addressKey(place, options.host, port);
    const present = this.#listeners.get(key) ?? [];
    if (present.length > 0 && options.shared !== true) return undefined;
    const listener: Listener = {
      place,
      port,
      accept: options.accept,
      close: () => {
        const left = (this.#listeners.get(key) ?? []).filter((one) => one !== listener);
        if (left.length === 0) this.#listeners.delete(key);
        else this.#listeners.set(key, left);
      },
    };
    this.#listeners.set(key, [...present, listener]);
    return listener;
  }

  /**
   * `hello` is handed to the listener, its answer comes back.
   * Faults: FABRIC_REFUSED, FABRIC_TIMEOUT, and what the listener refuses with.
   */
  connect(from: Place, call: Call): Promise<{ end: End; answer: unknown }> {
    const { host, port, timeoutMs } = call;
    const key = addressKey(from, host, port);
    const candidates = this.#listeners.get(key) ?? [];
    const listener = candidates[candidates.length > 1 ? this.#prng.below(candidates.length) : 0];
    const to = listener?.place ?? (isLoopback(host) ? from : this.#homes.get(host));
    return new Promise((resolve, reject) => {
      let over = false;
      const finish = (act: () => void): void => {
        if (over) return;
        over = true;
        timer.cancel();
        act();
      };
      const timer = this.world.after(timeoutMs, () =>
        from.clock.run(() =>
          finish(() =>
            reject(new Fault('FABRIC_TIMEOUT', `${host}:${port} did not answer within ${timeoutMs} ms`, 'later')),
          ),
        ),
      );
      const answer = (act: () => void): void => {
        const name = to?.name ?? from.name;
        if (this.isCut(name, from.name)) return;
        this.world.after(this.latencyMs(name, from.name), () => from.clock.run(act));
      };
      const refuse = (fault: Fault): void => answer(() => finish(() => reject(fault)));
      if (to && (this.isCut(from.name, to.name) || to.state === 'silent')) return;
      this.world.after(to ? this.latencyMs(from.name, to.name) : 0, () => {
        if (to?.state === 'silent') return;
        if (!listener || !(this.#listeners.get(key) ?? []).includes(listener)) {
          refuse(new Fault('FABRIC_REFUSED', `connection refused by ${host}:${port}`, 'later'));
          return;
        }
        listener.place.clock.run(() => {
          const near = this.#join(from, listener.place);
          const verdict = listener.accept(near.other, call.hello);
          if ('refused' in verdict) {
            near.other.close(verdict.refused.message);
            refuse(verdict.refused);
            return;
          }
          answer(() => {
            if (over) near.close('given up');
            else finish(() => resolve({ end: near, answer: verdict.answer }));
          });
        });
      });
    });
  }

  #join(from: Place, to: Place): ConnectionEnd {
    const there = new Pipe(this, from, to, this.#stalled);
    const back = new Pipe(this, to, from, this.#stalled);
    const near = new ConnectionEnd(from, to, there);
    const far = new ConnectionEnd(to, from, back);
    near.other = far;
    far.other = near;
    there.target = far;
    back.target = near;
    from.ends.add(near);
    to.ends.add(far);
    return near;
  }
}

export interface Call {
  host: string;
  port: number;
  hello: unknown;
  timeoutMs: number;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '0.0.0.0' || host === '::' || host === '::1' || host.startsWith('127.0.0.');
}

function addressKey(place: Place, host: string, port: number): string {
  return isLoopback(host) ? `${place.name}/${port}` : `${host}:${port}`;
}

interface Item {
  item: unknown;
  /** Set on the last item: the reason for the end. */
  end: string | undefined;
  bytes: number;
  dueMs: number;
}

/** One direction of one connection. */
class Pipe {
  readonly from: Place;
  readonly to: Place;
  readonly #fabric: Fabric;
  readonly #stalled: Set<Pipe>;
  target: ConnectionEnd | undefined;
  readonly #items: Item[] = [];
  #lastDueMs = 0;
  #wireFreeMs = 0;
  buffered = 0;
  #moving = false;
  #patience: Timer | undefined;
  taken: () => void = () => undefined;

  constructor(fabric: Fabric, from: Place, to: Place, stalled: Set<Pipe>) {
    this.#fabric = fabric;
    this.from = from;
    this.to = to;
    this.#stalled = stalled;
  }

  push(item: unknown, bytes: number, end?: string): void {
    const { world } = this.#fabric;
    this.#fabric.observe({ from: this.from.name, to: this.to.name, bytes });
    this.#wireFreeMs = Math.max(world.nowMs(), this.#wireFreeMs) + bytes / bytesPerMs;
    const dueMs = Math.max(this.#lastDueMs, this.#wireFreeMs + this.#fabric.latencyMs(this.from.name, this.to.name));
    this.#lastDueMs = dueMs;
    this.buffered += bytes;
    this.#items.push({ item, end, bytes, dueMs });
    if (!this.#moving) this.#move();
  }

  /** The way is free again: what waited goes on its way anew, in order. */
  resume(): void {
    this.#stalled.delete(this);
    this.#patience?.cancel();
    this.#patience = undefined;
    const { world } = this.#fabric;
    let dueMs = world.nowMs() + this.#fabric.latencyMs(this.from.name, this.to.name);
    for (const item of this.#items) {
      dueMs = Math.max(dueMs, item.dueMs);
      item.dueMs = dueMs;
    }
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#move();
  }

  drop(): void {
    this.#items.length = 0;
    this.buffered = 0;
    this.#stalled.delete(this);
    this.#patience?.cancel();
    this.#patience = undefined;
  }

  #move(): void {
    const next = this.#items[0];
    this.#moving = next !== undefined;
    if (!next) return;
    const { world } = this.#fabric;
    world.after(next.dueMs - world.nowMs(), () => this.#arrive());
  }

  #arrive(): void {
    const next = this.#items[0];
    if (!next) {
      this.#moving = false;
      return;
    }
    if (this.#fabric.isCut(this.from.name, this.to.name) || this.to.state === 'silent') {
      this.#stall();
      return;
    }
    this.#items.shift();
    this.buffered -= next.bytes;
    const target = this.target;
    if (this.to.state === 'gone') this.#reset();
    else if (next.end !== undefined) this.to.clock.run(() => target?.ended(next.end ?? ''));
    else this.to.clock.run(() => target?.receive(next.item));
    this.from.clock.run(this.taken);
    this.#move();
  }

  #stall(): void {
    this.#stalled.add(this);
    const { world } = this.#fabric;
    this.#patience ??= world.after(patienceMs, () => {
      // A place that lost its power and came back knows nothing of this connection; else the sender gives up.
      this.drop();
      this.#reset();
    });
  }

  #reset(): void {
    const sender = this.target?.other;
    this.drop();
    this.#moving = false;
    this.from.clock.run(() => sender?.ended('the connection broke'));
  }
}

class ConnectionEnd implements End {
  readonly place: Place;
  readonly remote: Place;
  readonly #out: Pipe;
  other!: ConnectionEnd;
  #handleItem: ((item: unknown) => void) | undefined;
  #handleClose: ((reason: string) => void) | undefined;
  #early: unknown[] = [];
  #closing = false;
  #closedWith: string | undefined;

  constructor(place: Place, remote: Place, out: Pipe) {
    this.place = place;
    this.remote = remote;
    this.#out = out;
  }

  send(item: unknown, bytes: number): void {
    if (this.#closing || this.place.state !== 'up') return;
    this.#out.push(item, bytes);
  }

  bufferedBytes(): number {
    return Math.max(0, this.#out.buffered - kernelBytes);
  }

  onItem(handle: (item: unknown) => void): void {
    this.#handleItem = handle;
    for (const item of this.#early.splice(0)) handle(item);
  }

  onClose(handle: (reason: string) => void): void {
    this.#handleClose = handle;
    if (this.#closedWith !== undefined) handle(this.#closedWith);
  }

  onTaken(handle: () => void): void {
    this.#out.taken = handle;
  }

  close(reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#out.push(undefined, 0, reason);
    this.place.clock.soon(() => this.ended(reason));
  }

  receive(item: unknown): void {
    if (this.#closing) return;
    if (this.#handleItem) this.#handleItem(item);
    else this.#early.push(item);
  }

  ended(reason: string): void {
    if (this.#closedWith !== undefined) return;
    this.#closing = true;
    this.#closedWith = reason;
    this.place.ends.delete(this);
    this.#handleClose?.(reason);
  }
}
