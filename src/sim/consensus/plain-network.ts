/**
 * Messages between replicas without TLS, frames and links: the Peers of many nodes over one world. It may do what a
 * byte stream cannot: reorder, duplicate, and bring a message of long ago; the consensus core must stand it all.
 * Owns: what is on its way, who can reach whom. Imports: std, wire's interfaces.
 * Read next: plain-stream.ts (snapshots travel in order), group.ts (the nodes), network-faults.ts.
 */
import type { NodeId } from '#src/raft/types.ts';
import { Fault } from '#src/std/fault.ts';
import type { Peers, PeerState } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import type { NodeClock, World } from '../clock.ts';
import type { Prng } from '../prng.ts';
import type { Trace } from '../trace.ts';
import { createStreamPair } from './plain-stream.ts';

/** What the network does to messages; all chances in [0, 1). */
export interface PlainQuality {
  minMs: number;
  jitterMs: number;
  /** Of a heavy tail: each time again with this chance the delay is four times as long, at most `tailMax` times. */
  tailChance: number;
  tailMax: number;
  dropChance: number;
  duplicateChance: number;
  /** A message of long ago comes again. */
  replayChance: number;
  /** Each message for itself; else in the order sent, as on a link. */
  reorder: boolean;
  /** Each chunk of a snapshot takes so long. */
  chunkMs: number;
}

export const calmQuality: PlainQuality = {
  minMs: 0.1,
  jitterMs: 0.3,
  tailChance: 0,
  tailMax: 1,
  dropChance: 0,
  duplicateChance: 0,
  replayChance: 0,
  reorder: false,
  chunkMs: 0.05,
};

/** Places there can ever be in one run. */
const placesMax = 64;
/** Messages remembered for replays, and the longest time they come late. */
const rememberedMax = 256;
const replayAfterMs = 5000;
/** The other side of a power cut or a cut way notices after this, at most. */
export const silenceMs = 1000;

/** What is known of a message that is about to be delivered. */
export interface Delivery {
  from: NodeId;
  to: NodeId;
  channel: string;
  message: unknown;
}

export interface PlainNetwork {
  quality: PlainQuality;
  /** Messages, requests, answers and chunks that reached a node. */
  delivered: number;
  readonly lost: Record<'cut' | 'drop' | 'filter' | 'gone', number>;
  readonly extra: Record<'duplicate' | 'replay', number>;
  /** A message for which it is true never arrives. */
  filter: ((delivery: Delivery) => boolean) | undefined;
  /** Sees each message as it is sent, by a node that is alive. */
  observe: ((delivery: Delivery) => void) | undefined;
  /** Sees each message in the moment before the node takes it. */
  arriving: ((delivery: Delivery) => void) | undefined;
  /** A new process of this node. */
  enter(id: NodeId, clock: NodeClock): Peers;
  /** Its process is gone. `power`: nobody is told. */
  leave(id: NodeId, kind: 'power' | 'process'): void;
  /** One more reason why nothing passes from one to the other; `heal` takes one away. */
  cut(from: NodeId, to: NodeId): void;
  heal(from: NodeId, to: NodeId): void;
  healAll(): void;
  isCut(from: NodeId, to: NodeId): boolean;
  /** The link between two breaks and both notice; what was on its way goes on. */
  breakLink(a: NodeId, b: NodeId): void;
  /** Streams to this node are refused and broken off. */
  refuseStreams(id: NodeId, refused: boolean): void;
}

export function createPlainNetwork(options: { world: World; prng: Prng; trace: Trace }): PlainNetwork {
  return new MemoryNetwork(options);
}

class MemoryNetwork implements PlainNetwork {
  quality = calmQuality;
  delivered = 0;
  readonly lost = { cut: 0, drop: 0, filter: 0, gone: 0 };
  readonly extra = { duplicate: 0, replay: 0 };
  filter: ((delivery: Delivery) => boolean) | undefined;
  observe: ((delivery: Delivery) => void) | undefined;
  arriving: ((delivery: Delivery) => void) | undefined;
  readonly world: World;
  readonly prng: Prng;
  readonly #trace: Trace;
  /** By name, of those that ever were. */
  readonly #places = new Map<NodeId, Place>();
  /** Reasons against each way, and when the last ordered message on it arrives; at from * placesMax + to. */
  readonly #cuts = new Int32Array(placesMax * placesMax);
  readonly #lastDueMs = new Float64Array(placesMax * placesMax);
  readonly #remembered: { delivery: Delivery; from: Place; to: Place }[] = [];
  readonly #noStreams = new Set<NodeId>();

  constructor({ world, prng, trace }: { world: World; prng: Prng; trace: Trace }) {
    this.world = world;
    this.prng = prng;
    this.#trace = trace;
  }

  enter(id: NodeId, clock: NodeClock): Peers {
    const place = this.place(id);
    const peers = new PlainPeers(this, place, clock);
    place.peers = peers;
    // Its new kernel knows none of the old links.
    for (const other of this.#places.values()) if (other !== place) this.#tell(other, id, 'the connection broke');
    return peers;
  }

  leave(id: NodeId, kind: 'power' | 'process'): void {
    const place = this.place(id);
    const { peers } = place;
    place.peers = undefined;
    if (peers) peers.alive = false;
    peers?.breakStreams();
    if (kind === 'power') return;
    for (const other of this.#places.values()) if (other !== place) this.#tell(other, id, 'the connection was reset');
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts[this.way(this.place(from), this.place(to))]! += 1;
  }

  heal(from: NodeId, to: NodeId): void {
    const way = this.way(this.place(from), this.place(to));
    this.#cuts[way] = Math.max(0, this.#cuts[way]! - 1);
  }

  healAll(): void {
    this.#cuts.fill(0);
    this.#noStreams.clear();
    this.filter = undefined;
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts[this.way(this.place(from), this.place(to))] !== 0;
  }

  breakLink(a: NodeId, b: NodeId): void {
    this.#tell(this.place(a), b, 'the connection broke');
    this.#tell(this.place(b), a, 'the connection broke');
  }

  refuseStreams(id: NodeId, refused: boolean): void {
    if (refused) this.#noStreams.add(id);
    else this.#noStreams.delete(id);
    if (refused) this.place(id).peers?.breakStreams();
  }

  takesStreams(id: NodeId): boolean {
    return !this.#noStreams.has(id);
  }

  place(id: NodeId): Place {
    let place = this.#places.get(id);
    if (place === undefined) {
      if (this.#places.size >= placesMax)
        throw new Fault('SIM_PLACES', `more than ${placesMax} nodes in one run`, 'never');
      place = { id, at: this.#places.size, peers: undefined };
      this.#places.set(id, place);
    }
    return place;
  }

  way(from: Place, to: Place): number {
    return from.at * placesMax + to.at;
  }

  isOpen(from: Place, to: Place): boolean {
    return this.#cuts[from.at * placesMax + to.at] === 0;
  }

  /** A consensus message: it may be lost, late, doubled, or come again much later. */
  send(from: Place, to: Place, delivery: Delivery): void {
    this.observe?.(delivery);
    const { quality, prng } = this;
    if (quality.dropChance > 0 && prng.chance(quality.dropChance)) {
      this.lost.drop += 1;
      return;
    }
    this.#carry(from, to, delivery, this.delayMs(from, to));
    if (quality.duplicateChance > 0 && prng.chance(quality.duplicateChance)) {
      this.extra.duplicate += 1;
      this.#carry(from, to, delivery, this.delayMs(from, to));
    }
    if (quality.replayChance > 0) this.#remember(from, to, delivery);
  }

  /** When it arrives, from now. */
  delayMs(from: Place, to: Place): number {
    const { minMs, jitterMs, tailChance, tailMax, reorder } = this.quality;
    let delay = minMs + (this.prng.below(1000) / 1000) * jitterMs;
    if (tailChance > 0) for (let times = 4; times <= tailMax && this.prng.chance(tailChance); times *= 4) delay *= 4;
    if (reorder) return delay;
    const way = this.way(from, to);
    const now = this.world.nowMs();
    const due = Math.max(now + delay, this.#lastDueMs[way]!);
    this.#lastDueMs[way] = due;
    return due - now;
  }

  /** Bring it there unless the way is cut then; `act` runs as the node that it reaches. */
  pass(from: Place, to: Place, delayMs: number, act: (peers: PlainPeers) => void): void {
    this.world.after(delayMs, () => {
      const { peers } = to;
      if (peers === undefined) this.lost.gone += 1;
      else if (from !== to && !this.isOpen(from, to)) this.lost.cut += 1;
      else {
        this.delivered += 1;
        this.#trace.number(from.at * placesMax + to.at);
        peers.clock.run(() => act(peers));
      }
    });
  }

  #carry(from: Place, to: Place, delivery: Delivery, delayMs: number): void {
    if (this.filter?.(delivery) === true) {
      this.lost.filter += 1;
      return;
    }
    this.pass(from, to, delayMs, (peers) => {
      this.arriving?.(delivery);
      peers.receive(delivery);
    });
  }

  #remember(from: Place, to: Place, delivery: Delivery): void {
    const { prng } = this;
    if (this.#remembered.length < rememberedMax) this.#remembered.push({ delivery, from, to });
    else if (prng.chance(0.1)) this.#remembered[prng.below(rememberedMax)] = { delivery, from, to };
    if (!prng.chance(this.quality.replayChance)) return;
    const old = this.#remembered[prng.below(this.#remembered.length)]!;
    this.extra.replay += 1;
    this.#carry(old.from, old.to, old.delivery, prng.below(replayAfterMs));
  }

  #tell(place: Place, about: NodeId, reason: string): void {
    const { peers } = place;
    if (peers === undefined) return;
    this.world.after(this.quality.minMs, () => {
      if (peers.alive) peers.clock.run(() => peers.disconnected(about, reason));
    });
  }
}

export interface Place {
  readonly id: NodeId;
  readonly at: number;
  /** Of the process that runs there. */
  peers: PlainPeers | undefined;
}

type MessageHandler = (from: NodeId, message: unknown) => void;
type RequestHandler = (from: NodeId, payload: unknown) => Promise<unknown>;
type StreamHandler = (from: NodeId, header: unknown, stream: ByteStream) => Promise<void>;

/** The Peers of one process. */
export class PlainPeers implements Peers {
  readonly self: NodeId;
  readonly clock: NodeClock;
  alive = true;
  readonly #network: MemoryNetwork;
  readonly #place: Place;
  readonly #messages = new Map<string, MessageHandler>();
  readonly #requests = new Map<string, RequestHandler>();
  readonly #streams = new Map<string, StreamHandler>();
  readonly #disconnects: ((name: NodeId, reason: string) => void)[] = [];
  readonly #addresses = new Map<NodeId, string>();
  /** What ends the streams of this process when it dies. */
  readonly #open = new Set<() => void>();

  constructor(network: MemoryNetwork, place: Place, clock: NodeClock) {
    this.#network = network;
    this.#place = place;
    this.self = place.id;
    this.clock = clock;
  }

  send(to: NodeId, channel: string, message: unknown): void {
    if (!this.alive) return;
    const network = this.#network;
    network.send(this.#place, network.place(to), { from: this.self, to, channel, message });
  }

  receive({ from, channel, message }: Delivery): void {
    this.#messages.get(channel)?.(from, message);
  }

  disconnected(name: NodeId, reason: string): void {
    for (const handle of this.#disconnects) handle(name, reason);
  }

  onMessage(channel: string, handle: MessageHandler): void {
    this.#messages.set(channel, handle);
  }

  request(to: NodeId, method: string, payload: unknown, { timeoutMs }: { timeoutMs: number }): Promise<unknown> {
    const network = this.#network;
    const [from, there] = [this.#place, network.place(to)];
    if (!this.alive || there.peers === undefined || !network.isOpen(from, there))
      return Promise.reject(unreachable(to));
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(timeoutMs, () =>
        reject(new Fault('WIRE_TIMEOUT', `${to} did not answer`, 'later')),
      );
      const settle = (end: () => void): void => {
        timer.cancel();
        end();
      };
      const ask = (peers: PlainPeers): void => {
        const answered = (end: () => void): void => {
          if (peers.alive)
            network.pass(there, from, network.delayMs(there, from), (asker) => asker === this && settle(end));
        };
        const handler = peers.#requests.get(method);
        if (handler === undefined) return answered(() => reject(unreachable(to)));
        handler(this.self, payload).then(
          (value) => {
            answered(() => resolve(value));
            again(handler);
          },
          (error: Error) => answered(() => reject(error)),
        );
      };
      network.pass(from, there, network.delayMs(from, there), ask);
      // What was taken may come once more, and must do no harm. Not what was refused: that refusal is certain, because a
      // link brings a request once.
      const again = (handler: RequestHandler): void => {
        const { duplicateChance } = network.quality;
        if (duplicateChance > 0 && network.prng.chance(duplicateChance))
          network.pass(
            from,
            there,
            network.delayMs(from, there),
            () => void handler(this.self, payload).catch(() => undefined),
          );
      };
    });
  }

  onRequest(method: string, handle: RequestHandler): void {
    this.#requests.set(method, handle);
  }

  openStream(to: NodeId, method: string, header: unknown): Promise<ByteStream> {
    const network = this.#network;
    const [here, there] = [this.#place, network.place(to)];
    const far = there.peers;
    // One for all its chunks, so that they keep their order.
    const { chunkMs } = network.quality;
    if (!this.alive || far === undefined || !network.isOpen(here, there) || !network.takesStreams(to))
      return Promise.reject(unreachable(to));
    const carry = (from: Place, target: Place, receiver: PlainPeers, act: () => void, lost: () => void): void => {
      network.world.after(calmQuality.minMs + chunkMs, () => {
        if (target.peers !== receiver || !network.isOpen(from, target) || !network.isOpen(target, from)) lost();
        else {
          network.delivered += 1;
          receiver.clock.run(act);
        }
      });
    };
    const pair = createStreamPair({
      toFar: (act, lost) => carry(here, there, far, act, lost),
      toNear: (act, lost) => carry(there, here, this, act, lost),
      notice: (side, act) => {
        const peers = side === 'near' ? this : far;
        network.world.after(network.prng.below(silenceMs), () => peers.clock.run(act));
      },
    });
    for (const peers of [this, far]) peers.#hold(pair.breakOff, pair.onOver);
    carry(
      here,
      there,
      far,
      () => {
        const handler = far.#streams.get(method);
        if (handler === undefined) pair.far.cancel(`${to} knows no ${method}`);
        else
          handler(this.self, header, pair.far).catch((error: unknown) =>
            pair.far.cancel(error instanceof Error ? error.message : String(error)),
          );
      },
      pair.breakOff,
    );
    return Promise.resolve(pair.near);
  }

  onStream(method: string, handle: StreamHandler): void {
    this.#streams.set(method, handle);
  }

  setAddress(name: NodeId, address: string | undefined): void {
    // Everyone is reached by name here; what is told is kept for `states`.
    if (address === undefined) this.#addresses.delete(name);
    else this.#addresses.set(name, address);
  }

  states(): PeerState[] {
    const connected = (name: NodeId): boolean => this.#network.place(name).peers !== undefined;
    return [...this.#addresses].map(([name, address]) => ({ name, address, connected: connected(name) }));
  }

  onDisconnect(handle: (name: NodeId, reason: string) => void): void {
    this.#disconnects.push(handle);
  }

  breakStreams(): void {
    for (const end of [...this.#open]) end();
    this.#open.clear();
  }

  #hold(breakOff: () => void, onOver: (forget: () => void) => void): void {
    this.#open.add(breakOff);
    onOver(() => this.#open.delete(breakOff));
  }
}

function unreachable(to: NodeId): Fault {
  return new Fault('WIRE_UNREACHABLE', `there is no link to ${to}`, 'later');
}
