/** Two ends of a byte stream between simulated processes: in order, whole, or broken off for both. */
import { Fault } from '#src/std/fault.ts';
import type { ByteStream } from '#src/wire/streams.ts';

/** Written and not yet taken by the other side; as streams.ts says. */
const windowBytes = 256 * 1024;

/** Carries to the other side, or tells that the way there is broken. */
type Carry = (act: () => void, lost: () => void) => void;

export interface StreamPair {
  readonly near: ByteStream;
  readonly far: ByteStream;
  /** The connection is dead: each side notices after a while. */
  readonly breakOff: () => void;
  /** Told once, when it is over. */
  readonly onOver: (forget: () => void) => void;
}

export function createStreamPair(ways: {
  toFar: Carry;
  toNear: Carry;
  notice: (side: 'near' | 'far', act: () => void) => void;
}): StreamPair {
  const over: (() => void)[] = [];
  let broken = false;
  const breakOff = (): void => {
    if (broken) return;
    broken = true;
    for (const forget of over.splice(0)) forget();
    ways.notice('near', () => near.die('WIRE_LOST', 'the connection broke'));
    ways.notice('far', () => far.die('WIRE_LOST', 'the connection broke'));
  };
  const carried =
    (carry: Carry): Pass =>
    (act) =>
      broken ? undefined : carry(() => (broken ? undefined : act()), breakOff);
  const near = new PlainStream(carried(ways.toFar));
  const far = new PlainStream(carried(ways.toNear));
  near.other = far;
  far.other = near;
  const ended = (): void => {
    if (near.isOver && far.isOver) for (const forget of over.splice(0)) forget();
  };
  near.onClose(ended);
  far.onClose(ended);
  return { near, far, breakOff, onOver: (forget) => void over.push(forget) };
}

type Pass = (act: () => void) => void;

class PlainStream implements ByteStream {
  other!: PlainStream;
  readonly #pass: Pass;
  readonly #chunks: Uint8Array[] = [];
  #endedHere = false;
  #endedThere = false;
  #dead: Fault | undefined;
  #wake: (() => void) | undefined;
  #unread = 0;
  #blocked: { resolve: () => void; reject: (fault: Fault) => void }[] = [];
  readonly #onClose: (() => void)[] = [];

  constructor(pass: Pass) {
    this.#pass = pass;
  }

  get isOver(): boolean {
    return this.#dead !== undefined || (this.#endedHere && this.#endedThere);
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const copy = chunk.slice();
    this.#unread += copy.length;
    this.#pass(() => this.other.#take(copy));
    if (this.#unread <= windowBytes) return Promise.resolve();
    return new Promise((resolve, reject) => this.#blocked.push({ resolve, reject }));
  }

  end(): void {
    this.#endedHere = true;
    this.#pass(() => {
      this.other.#endedThere = true;
      this.other.#changed();
    });
    this.#changed();
  }

  cancel(reason: string): void {
    this.#pass(() => this.other.die('WIRE_CANCELLED', reason));
    this.die('WIRE_CANCELLED', reason);
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#pass(() => this.other.#taken(chunk.length));
        return chunk;
      }
      if (this.#dead !== undefined) throw this.#dead;
      if (this.#endedThere) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  onClose(handle: () => void): void {
    this.#onClose.push(handle);
    if (this.isOver) handle();
  }

  die(code: string, reason: string): void {
    if (this.#dead !== undefined) return;
    this.#dead = new Fault(code, `the stream is over: ${reason}`, 'later');
    for (const { reject } of this.#blocked.splice(0)) reject(this.#dead);
    this.#changed();
  }

  #take(chunk: Uint8Array): void {
    if (this.#dead !== undefined) return;
    this.#chunks.push(chunk);
    this.#changed();
  }

  #taken(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread > windowBytes) return;
    for (const { resolve } of this.#blocked.splice(0)) resolve();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
    if (this.isOver) for (const handle of this.#onClose.splice(0)) handle();
  }
}
