/**
 * Whether a history of operations could be that of one object that does one thing at a time (Herlihy and Wing 1990),
 * by the search of Wing and Gong with Lowe's memory of what was tried ("Testing for linearizability", 2017). Pure.
 * Histories of different keys are independent: check each key for itself.
 */

/** One operation. Times are places in one total order of all beginnings and ends; no two are equal. */
export interface Operation<I> {
  input: I;
  invokedAt: number;
  /** Undefined: no answer; it may take effect at any later time, or never. */
  completedAt: number | undefined;
}

export interface Model<S, I> {
  initial: S;
  /** The state after it; undefined: in this state it could not have ended as it did. */
  step(state: S, input: I): S | undefined;
  /** Equal for equal states. */
  keyOf(state: S): string;
}

export type Verdict<I> =
  | { linearizable: true }
  /** `after`: the longest order found; `stuck`: the operation whose answer fits nowhere behind it. */
  | { linearizable: false; stuck: Operation<I>; after: Operation<I>[] }
  /** Given up after so many steps: nothing is known. */
  | { linearizable: undefined };

/** Steps of the search, so that a hopeless history ends. */
const stepsMax = 2_000_000;

/** An end of an operation in a list that shrinks and grows again as the search goes. */
interface Entry<I> {
  operation: Operation<I>;
  /** Its place among the operations. */
  id: number;
  /** Of a beginning: its end, if it has one. */
  end: Entry<I> | undefined;
  isEnd: boolean;
  previous: Entry<I> | undefined;
  next: Entry<I> | undefined;
}

export function checkLinearizable<S, I>(model: Model<S, I>, operations: readonly Operation<I>[]): Verdict<I> {
  const head = listOf(operations);
  const tried = new Set<string>();
  const done = new Uint32Array(Math.ceil(operations.length / 32) || 1);
  const chosen: { entry: Entry<I>; state: S }[] = [];
  let state = model.initial;
  let entry = head.next;
  let longest: Operation<I>[] = [];
  let stuck: Operation<I> | undefined;
  for (let steps = 0; steps < stepsMax; steps += 1) {
    if (entry === undefined) return { linearizable: true };
    if (!entry.isEnd) {
      const next = model.step(state, entry.operation.input);
      if (next !== undefined && isNew(tried, done, entry.id, model.keyOf(next))) {
        chosen.push({ entry, state });
        state = next;
        flip(done, entry.id);
        lift(entry);
        entry = head.next;
      } else entry = entry.next;
      continue;
    }
    // An answer came before its operation was given a place: some choice before was wrong.
    if (stuck === undefined || chosen.length > longest.length) {
      stuck = entry.operation;
      longest = chosen.map((one) => one.entry.operation);
    }
    const last = chosen.pop();
    if (last === undefined) return { linearizable: false, stuck, after: longest };
    state = last.state;
    flip(done, last.entry.id);
    unlift(last.entry);
    entry = last.entry.next;
  }
  return { linearizable: undefined };
}

function listOf<I>(operations: readonly Operation<I>[]): Entry<I> {
  const entries: { at: number; entry: Entry<I> }[] = [];
  for (const [id, operation] of operations.entries()) {
    const blank = { operation, id, end: undefined, previous: undefined, next: undefined };
    const end: Entry<I> | undefined = operation.completedAt === undefined ? undefined : { ...blank, isEnd: true };
    entries.push({ at: operation.invokedAt, entry: { ...blank, end, isEnd: false } });
    if (end !== undefined && operation.completedAt !== undefined)
      entries.push({ at: operation.completedAt, entry: end });
  }
  entries.sort((a, b) => a.at - b.at);
  const head = { isEnd: false, next: undefined } as unknown as Entry<I>;
  let last = head;
  for (const { entry } of entries) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

/** Whether this set of operations with this state is met for the first time. */
function isNew(tried: Set<string>, done: Uint32Array, id: number, state: string): boolean {
  flip(done, id);
  const key = `${done.join()}|${state}`;
  flip(done, id);
  if (tried.has(key)) return false;
  tried.add(key);
  return true;
}

function flip(bits: Uint32Array, at: number): void {
  bits[at >>> 5]! ^= 1 << (at & 31);
}

function lift<I>(entry: Entry<I>): void {
  unlink(entry);
  if (entry.end) unlink(entry.end);
}

/** The exact reverse, so what was taken out last comes back first. */
function unlift<I>(entry: Entry<I>): void {
  if (entry.end) relink(entry.end);
  relink(entry);
}

function unlink<I>(entry: Entry<I>): void {
  if (entry.previous) entry.previous.next = entry.next;
  if (entry.next) entry.next.previous = entry.previous;
}

function relink<I>(entry: Entry<I>): void {
  if (entry.previous) entry.previous.next = entry;
  if (entry.next) entry.next.previous = entry;
}

// ── a register: put, create, compare-and-set, delete, read ──────────────────────────────────────

/** What a client asked of one key, and what it was told. Every written token is another one. */
export type RegisterInput =
  | { type: 'read'; token: string | undefined }
  | { type: 'put'; token: string; outcome: RegisterOutcome }
  /** Only when the key is absent. */
  | { type: 'create'; token: string; outcome: RegisterOutcome }
  /** Only over the token that was read before. */
  | { type: 'swap'; expected: string; token: string; outcome: RegisterOutcome }
  /** Only when the key is there. */
  | { type: 'delete'; outcome: RegisterOutcome };
export type RegisterOutcome = 'ok' | 'refused' | 'unknown';

/** The token; undefined: absent. */
type Register = { token: string | undefined };

export const registerModel: Model<Register, RegisterInput> = {
  initial: { token: undefined },
  keyOf: ({ token }) => token ?? '',
  step(state, input) {
    if (input.type === 'read') return input.token === state.token ? state : undefined;
    const may =
      input.type === 'put' ||
      (input.type === 'create' && state.token === undefined) ||
      (input.type === 'swap' && state.token === input.expected) ||
      (input.type === 'delete' && state.token !== undefined);
    const effect = { token: input.type === 'delete' ? undefined : input.token };
    if (input.outcome === 'ok') return may ? effect : undefined;
    if (input.outcome === 'refused') return may ? undefined : state;
    // Without an answer it need not have a place; one without an effect would only widen the search.
    return may ? effect : undefined;
  },
};
