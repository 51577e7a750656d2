/**
 * Clients of a group: they propose raw transactions at some node, read and watch, move on when a node fails, and note
 * what they saw for the judges. A request without an answer stays open: it may take effect at any later time.
 * Read next: register-client.ts, list-client.ts, bank-client.ts, watch-client.ts, judge.ts.
 */
import type { Replica } from '#src/replica/replica.ts';
import { isFault, type Fault } from '#src/std/fault.ts';
import type { Transaction, TransactionResult } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import type { Prng } from '../prng.ts';
import type { GroupProcess, SimGroup } from './group.ts';

const deadlineMs = 1500;
/** A client that hears nothing gives up so long after the node should have given up. */
const graceMs = 1000;
const retryMs = 40;

/** Faults with which a node says that nothing was proposed. */
const refusals = [
  'REPLICA_NO_LEADER',
  'REPLICA_OVERLOADED',
  'REPLICA_TOO_LARGE',
  'REPLICA_NOT_READY',
  'REPLICA_VERSION',
];

export type Answer<T> = { type: 'ok'; value: T } | { type: 'refused' } | { type: 'unknown' };

/** What all clients of a run share. */
export interface ClientWorld {
  readonly group: SimGroup;
  /** The next place in the order of all beginnings and ends. */
  readonly tick: () => number;
  readonly counts: { acknowledged: number; refused: number; unknown: number; reads: number; events: number };
  /** Requests under way, with the process that was asked. */
  readonly open: Map<number, { process: GroupProcess; sinceMs: number; what: string }>;
}

export class Client {
  readonly name: string;
  readonly prng: Prng;
  readonly world: ClientWorld;
  #process: (GroupProcess & { replica: Replica }) | undefined;

  constructor(world: ClientWorld, name: string) {
    this.world = world;
    this.name = name;
    this.prng = world.group.prng.fork(`client/${name}`);
  }

  /** Once more after a while that the seed chooses. */
  later(next: () => void): void {
    const { thinkMs } = this.world.group.knobs.clients;
    this.world.group.world.after(1 + this.prng.below(thinkMs * 2), next);
  }

  /** Propose; the answer comes once, at the latest when the client gives up. */
  propose(transaction: Transaction, answer: (answer: Answer<TransactionResult>) => void): void {
    const { counts } = this.world;
    this.#ask(
      'proposal',
      async (replica) => {
        const [result] = await replica.propose([transaction], { deadlineMs });
        return result!;
      },
      (got) => {
        if (got.type === 'unknown') counts.unknown += 1;
        else if (got.type === 'refused') counts.refused += 1;
        else counts.acknowledged += 1;
        answer(got);
      },
    );
  }

  /** Look at the newest state; `look` runs in the turn in which it was confirmed. */
  read<T>(look: (view: StoreView) => T, answer: (answer: Answer<T>) => void): void {
    this.#ask(
      'read',
      async (replica) => look(await replica.confirm({ type: 'linearizable' }, { deadlineMs })),
      (got) => {
        if (got.type === 'ok') this.world.counts.reads += 1;
        answer(got);
      },
    );
  }

  /** The node that this client talks to; another one when it is gone, and now and then. */
  process(): (GroupProcess & { replica: Replica }) | undefined {
    if (this.#process !== undefined && !this.#process.dead && !this.prng.chance(0.05)) return this.#process;
    const running = [...this.world.group.running()];
    this.#process = running[this.prng.below(Math.max(1, running.length))]?.process;
    return this.#process;
  }

  leave(): void {
    this.#process = undefined;
  }

  #ask<T>(what: string, ask: (replica: Replica) => Promise<T>, answer: (answer: Answer<T>) => void): void {
    const { group, open } = this.world;
    const process = this.process();
    if (process === undefined) {
      group.world.after(retryMs, () => answer({ type: 'refused' }));
      return;
    }
    const id = this.world.tick();
    let answered = false;
    const end = (got: Answer<T>): void => {
      if (answered) return;
      answered = true;
      timer.cancel();
      if (got.type !== 'ok') this.leave();
      answer(got);
    };
    const timer = group.world.after(deadlineMs + graceMs, () => end({ type: 'unknown' }));
    open.set(id, { process, sinceMs: group.world.nowMs(), what: `${what} of ${this.name}` });
    process.clock.run(() => {
      ask(process.replica).then(
        (value) => {
          open.delete(id);
          end({ type: 'ok', value });
        },
        (error: Fault) => {
          open.delete(id);
          if (!isFault(error)) group.report({ kind: 'answer', message: `${this.name} got ${String(error)}` });
          end({ type: what === 'read' || refusals.includes(error.code) ? 'refused' : 'unknown' });
        },
      );
    });
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const nothing = new Uint8Array(0);

/** A put of a text that the store ends with its revision; `pad` bytes make it big. */
export function textOf(text: string, padBytes = 0): { head: Uint8Array; tail: Uint8Array } {
  return { head: encoder.encode(`${text}|`), tail: padBytes > 0 ? new Uint8Array(padBytes).fill(120) : nothing };
}

export function readText(value: { bytes: Uint8Array; revisionAt: number } | undefined): string | undefined {
  return value === undefined ? undefined : decoder.decode(value.bytes.subarray(0, value.revisionAt - 1));
}
