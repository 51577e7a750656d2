/**
 * The retained events in revision order. Every revision is one event, so an event is found by
 * subtraction. Compaction takes them from the front, by and by.
 */
import { assert } from '#src/std/assert.ts';
import type { VersionEvent } from './version.ts';

/** The array is moved down when this many places at its front are empty, and they are most of it. */
const EMPTY_PLACES_MAX = 4096;

export class History {
  #events: (VersionEvent | undefined)[] = [];
  /** Empty places at the front. */
  #head = 0;
  #first: number;

  constructor(first = 1) {
    this.#first = first;
  }

  /** The revision of the oldest event held, or of the next one when none is. */
  get first(): number {
    return this.#first;
  }

  /** The revision the next event will have. */
  get next(): number {
    return this.#first + this.#events.length - this.#head;
  }

  push(event: VersionEvent): void {
    assert(event.revision === this.next, `event has revision ${event.revision}, the next is ${this.next}`);
    this.#events.push(event);
  }

  /** Undo the last push. */
  pop(): VersionEvent {
    const event = this.#events.length > this.#head ? this.#events.pop() : undefined;
    assert(event !== undefined, 'pop from an empty history');
    return event;
  }

  at(revision: number): VersionEvent | undefined {
    return revision < this.#first ? undefined : this.#events[this.#head + revision - this.#first];
  }

  shift(): VersionEvent {
    const event = this.#events[this.#head];
    assert(event !== undefined, 'shift from an empty history');
    this.#events[this.#head++] = undefined;
    this.#first++;
    if (this.#head > EMPTY_PLACES_MAX && this.#head * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#head = 0;
    }
    return event;
  }
}
