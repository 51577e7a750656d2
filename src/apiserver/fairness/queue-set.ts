/**
 * Fair queues of one priority level (KEP-1040): each flow is dealt a hand of queues by its hash and waits in the
 * shortest of them, so that a flood fills few queues and others find free ones. Virtual time decides which queue
 * is served next: a queue that has used much waits until the others have used as much.
 * Pure but for `nowMs`, which callers pass.
 */
import { hash32 } from './configuration.ts';

/** A request counts as this long until it has ended (upstream: 3 ms). */
export const ASSUMED_SECONDS = 0.003;

export interface Waiting {
  flow: string;
  /** When it came, ms. */
  sinceMs: number;
  dispatch: (done: (nowMs: number) => void) => void;
}

interface Queue {
  waiting: Waiting[];
  executing: number;
  /** Virtual time at which its next request begins, in seat-seconds. */
  nextStart: number;
}

export class QueueSet {
  readonly #queues: Queue[];
  readonly #handSize: number;
  readonly #lengthLimit: number;
  #virtual = 0;
  #lastMs = 0;
  #executing = 0;
  #length = 0;
  /** Where the search begins, so that equal queues take turns. */
  #turn = 0;

  constructor(settings: { queues: number; handSize: number; queueLengthLimit: number }) {
    this.#queues = Array.from({ length: Math.max(1, settings.queues) }, () => ({
      waiting: [],
      executing: 0,
      nextStart: 0,
    }));
    this.#handSize = Math.min(Math.max(1, settings.handSize), this.#queues.length);
    this.#lengthLimit = settings.queueLengthLimit;
  }

  /** Requests that wait. */
  get length(): number {
    return this.#length;
  }

  /** False: the queue of this flow is full. */
  enqueue(request: Waiting, nowMs: number): boolean {
    this.#advance(nowMs);
    const queue = this.#shortestOf(hand(request.flow, this.#queues.length, this.#handSize));
    if (queue.waiting.length >= this.#lengthLimit) return false;
    // What was idle has saved nothing up.
    if (isIdle(queue)) queue.nextStart = this.#virtual;
    queue.waiting.push(request);
    this.#length += 1;
    return true;
  }

  /** False when it is not waiting any more. */
  remove(request: Waiting, nowMs: number): boolean {
    this.#advance(nowMs);
    for (const queue of this.#queues) {
      const at = queue.waiting.indexOf(request);
      if (at === -1) continue;
      queue.waiting.splice(at, 1);
      this.#length -= 1;
      return true;
    }
    return false;
  }

  /** Begins the request whose turn it is; false when none waits. */
  dispatchNext(nowMs: number): boolean {
    this.#advance(nowMs);
    const queue = this.#next();
    const request = queue?.waiting.shift();
    if (queue === undefined || request === undefined) return false;
    this.#length -= 1;
    queue.executing += 1;
    this.#executing += 1;
    queue.nextStart += ASSUMED_SECONDS;
    let over = false;
    request.dispatch((endMs) => {
      if (over) return;
      over = true;
      this.#advance(endMs);
      queue.executing -= 1;
      this.#executing -= 1;
      // It has cost what it really took.
      queue.nextStart += (endMs - nowMs) / 1000 - ASSUMED_SECONDS;
    });
    return true;
  }

  #next(): Queue | undefined {
    let best: Queue | undefined;
    let bestAt = 0;
    for (let i = 0; i < this.#queues.length; i += 1) {
      const at = (this.#turn + i) % this.#queues.length;
      const queue = this.#queues[at];
      if (queue === undefined || queue.waiting.length === 0) continue;
      if (best !== undefined && queue.nextStart >= best.nextStart) continue;
      best = queue;
      bestAt = at;
    }
    if (best !== undefined) this.#turn = (bestAt + 1) % this.#queues.length;
    return best;
  }

  #shortestOf(places: number[]): Queue {
    let best = this.#queues[0] as Queue;
    let least = Number.POSITIVE_INFINITY;
    for (const place of places) {
      const queue = this.#queues[place];
      if (queue === undefined) continue;
      const load = queue.waiting.length + queue.executing;
      if (load < least) {
        best = queue;
        least = load;
      }
    }
    return best;
  }

  /** Virtual time runs at seats in use per active queue. */
  #advance(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#lastMs) / 1000;
    this.#lastMs = Math.max(this.#lastMs, nowMs);
    if (seconds === 0 || this.#executing === 0) return;
    const active = this.#queues.reduce((sum, queue) => sum + (isIdle(queue) ? 0 : 1), 0);
    if (active > 0) this.#virtual += (seconds * this.#executing) / active;
  }
}

function isIdle(queue: Queue): boolean {
  return queue.waiting.length === 0 && queue.executing === 0;
}

/** Different places of a deck, the same for equal flows (shuffle sharding). */
export function hand(flow: string, deck: number, size: number): number[] {
  const cards: number[] = [];
  for (let i = 0; i < size; i += 1) {
    let card = hash32(flow, i + 1) % (deck - i);
    // The card is counted among those not dealt yet.
    for (const dealt of cards.toSorted((a, b) => a - b)) if (card >= dealt) card += 1;
    cards.push(card);
  }
  return cards;
}
