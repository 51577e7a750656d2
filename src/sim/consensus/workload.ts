/** The clients of a run: registers, lists, a bank and watches over them; and what they saw, judged. */
import type { Transaction, TransactionResult } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { Client, readText, textOf, type Answer, type ClientWorld } from './clients.ts';
import type { SimGroup } from './group.ts';
import { checkLinearizable, registerModel, type Operation, type RegisterInput } from '../linearizability.ts';
import { checkListAppend, type ListTransaction } from '../list-append.ts';
import { Locks } from './locks.ts';
import { Truth, WatchClient } from './watches.ts';

/** Keys of one kind that are in use at once; after so many operations they make way for new ones. */
const registersAtOnce = 3;
const operationsOfRegister = 120;
const listsAtOnce = 3;
const transactionsOfLists = 150;
const accounts = 4;
const openingBalance = 1000;
const balanceMax = accounts * openingBalance;
export const dataRange = { from: 'd/', to: 'd0' };

export interface GroupWorkload {
  readonly counts: ClientWorld['counts'];
  start(): void;
  /** No new requests. */
  stop(): void;
  /** Every request has its answer. */
  isIdle(): boolean;
  /** A request to a process that lives has waited for longer than it may. */
  overdue(): string | undefined;
  /** What the clients saw is reported to the group when no correct store could have shown it. */
  judge(): void;
  /** Write something new and see it at every node named and every watch: `done` says when. */
  probe(): { done: () => boolean };
  /** Locks taken, kept, and lost to time. */
  readonly locks: Pick<Locks, 'counts'>;
  /** Histories judged: registers, transactions of lists, watches. */
  readonly judged: { registers: number; lists: number; watches: number; events: number };
}

export function createGroupWorkload(group: SimGroup): GroupWorkload {
  return new Workload(group);
}

class Workload implements GroupWorkload {
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0, reads: 0, events: 0 };
  readonly judged = { registers: 0, lists: 0, watches: 0, events: 0 };
  readonly #group: SimGroup;
  readonly #world: ClientWorld;
  readonly #registers = new Map<string, Operation<RegisterInput>[]>();
  readonly #lists: ListTransaction[] = [];
  readonly #watchers: WatchClient[] = [];
  readonly #truth: Truth;
  readonly locks: Locks;
  #tick = 0;
  #busy = 0;
  #running = false;
  #tokens = 0;

  constructor(group: SimGroup) {
    this.#group = group;
    this.#world = { group, counts: this.counts, open: new Map(), tick: () => (this.#tick += 1) };
    this.#truth = new Truth(group);
    this.locks = new Locks(group);
  }

  start(): void {
    this.#running = true;
    const { clients } = this.#group.knobs;
    const each = (count: number, kind: string, begin: (client: Client) => void): void => {
      for (let i = 0; i < count; i += 1) begin(new Client(this.#world, `${kind}${i + 1}`));
    };
    each(clients.registers, 'register', (client) => this.#registerLoop(client, undefined));
    each(clients.lists, 'list', (client) => this.#listLoop(client));
    if (clients.bank > 0) this.#openBank(new Client(this.#world, 'teller'));
    each(clients.watchers, 'watcher', (client) => {
      const watcher = new WatchClient(client, dataRange);
      this.#watchers.push(watcher);
      watcher.start();
    });
    each(clients.locks, 'lock', (client) => this.locks.start(client));
    this.#truth.start();
  }

  stop(): void {
    this.#running = false;
    this.locks.stop();
  }

  isIdle(): boolean {
    return this.#busy === 0;
  }

  overdue(): string | undefined {
    const now = this.#group.world.nowMs();
    for (const [id, { process, sinceMs, what }] of this.#world.open) {
      if (process.dead) this.#world.open.delete(id);
      else if (now - sinceMs > answerWithinMs) return `a ${what} has had no answer for ${Math.round(now - sinceMs)} ms`;
    }
    return undefined;
  }

  probe(): { done: () => boolean } {
    const client = new Client(this.#world, `probe${this.#token()}`);
    let revision: number | undefined;
    const write = (): void =>
      client.propose(
        { conditions: [], operations: [{ type: 'put', key: 'd/probe', ...textOf(this.#token()) }] },
        (got) => {
          if (got.type === 'ok' && got.value.ok) revision = got.value.revisions[0];
          else this.#group.world.after(20, write);
        },
      );
    write();
    return {
      done: () => revision !== undefined && this.#watchers.every((watcher) => watcher.throughRevision >= revision!),
    };
  }

  // ── registers ───────────────────────────────────────────────────────────────────────────────

  #registerLoop(client: Client, known: { key: string; token: string | undefined; revision: number } | undefined): void {
    if (!this.#running) return;
    const key = `d/r${client.prng.below(registersAtOnce)}-${this.#epoch(this.#registers, 'd/r', operationsOfRegister)}`;
    const again = (next?: typeof known): void => client.later(() => this.#registerLoop(client, next));
    const dice = client.prng.below(10);
    if (dice < 4) return this.#readRegister(client, key, again);
    const token = this.#token();
    const put = { type: 'put', key, ...textOf(token, this.#group.knobs.clients.padBytes) } as const;
    if (known !== undefined && known.key === key && known.token !== undefined && dice < 7)
      return this.#writeRegister(client, key, again, {
        input: { type: 'swap', expected: known.token, token, outcome: 'unknown' },
        transaction: { conditions: [{ type: 'modRevision', key, revision: known.revision }], operations: [put] },
      });
    if (dice < 7)
      return this.#writeRegister(client, key, again, {
        input: { type: 'put', token, outcome: 'unknown' },
        transaction: { conditions: [], operations: [put] },
      });
    if (dice < 9)
      return this.#writeRegister(client, key, again, {
        input: { type: 'create', token, outcome: 'unknown' },
        transaction: { conditions: [{ type: 'absent', key }], operations: [put] },
      });
    this.#writeRegister(client, key, again, {
      input: { type: 'delete', outcome: 'unknown' },
      transaction: { conditions: [], operations: [{ type: 'delete', key }] },
    });
  }

  #readRegister(
    client: Client,
    key: string,
    again: (known?: { key: string; token: string | undefined; revision: number }) => void,
  ): void {
    const invokedAt = this.#begin();
    client.read(
      (view) => {
        const value = view.get(key);
        return { token: readText(value), revision: value?.modRevision ?? 0 };
      },
      (got) => {
        const completedAt = this.#end();
        if (got.type !== 'ok') return again();
        const { token, revision } = got.value;
        this.#note(key, { input: { type: 'read', token }, invokedAt, completedAt });
        again({ key, token, revision });
      },
    );
  }

  #writeRegister(
    client: Client,
    key: string,
    again: () => void,
    { input, transaction }: { input: Exclude<RegisterInput, { type: 'read' }>; transaction: Transaction },
  ): void {
    const operation: Operation<RegisterInput> = { input, invokedAt: this.#begin(), completedAt: undefined };
    client.propose(transaction, (got) => {
      const completedAt = this.#end();
      // What was certainly not proposed is no part of the history: should it show, it fits nowhere.
      if (got.type !== 'refused') this.#note(key, operation);
      if (got.type === 'ok') {
        input.outcome = got.value.ok ? 'ok' : 'refused';
        operation.completedAt = completedAt;
        this.#acknowledged(got, transaction);
      }
      again();
    });
  }

  #note(key: string, operation: Operation<RegisterInput>): void {
    const history = this.#registers.get(key);
    if (history) history.push(operation);
    else this.#registers.set(key, [operation]);
  }

  // ── lists ───────────────────────────────────────────────────────────────────────────────────

  #listLoop(client: Client): void {
    if (!this.#running) return;
    const epoch = Math.floor(this.#lists.length / transactionsOfLists);
    const keys = [0, 1, 2].map(() => `d/l${client.prng.below(listsAtOnce)}-${epoch}`);
    const wanted = [...new Set(keys.slice(0, 1 + client.prng.below(3)))];
    const writes = wanted.filter(() => client.prng.chance(0.6));
    const entry: ListTransaction = {
      id: `T${this.#token()}`,
      operations: [],
      outcome: 'unknown',
      invokedAt: this.#begin(),
      completedAt: undefined,
    };
    const finish = (outcome: ListTransaction['outcome']): void => {
      const completedAt = this.#end();
      entry.outcome = outcome;
      if (outcome === 'ok') entry.completedAt = completedAt;
      if (outcome !== 'refused' || writes.length > 0) this.#lists.push(entry);
      client.later(() => this.#listLoop(client));
    };
    client.read(
      (view) => wanted.map((key) => ({ key, value: view.get(key) })),
      (got) => {
        if (got.type !== 'ok') {
          entry.operations = [];
          return finish('refused');
        }
        const found = got.value.map(({ key, value }) => ({
          key,
          list: listOf(readText(value)),
          revision: value?.modRevision ?? 0,
        }));
        entry.operations = found.map(({ key, list }) => ({ type: 'read', key, list }));
        if (writes.length === 0) return finish('ok');
        const transaction: Transaction = { conditions: [], operations: [] };
        for (const { key, list, revision } of found) {
          transaction.conditions.push(
            revision === 0 ? { type: 'absent', key } : { type: 'modRevision', key, revision },
          );
          if (!writes.includes(key)) continue;
          const element = this.#token();
          entry.operations.push({ type: 'append', key, element });
          transaction.operations.push({ type: 'put', key, ...textOf([...list, element].join(' ')) });
        }
        client.propose(transaction, (answer) => {
          if (answer.type === 'ok') this.#acknowledged(answer, transaction);
          finish(answer.type === 'ok' ? (answer.value.ok ? 'ok' : 'refused') : answer.type);
        });
      },
    );
  }

  // ── the bank: money moves, its sum does not ─────────────────────────────────────────────────

  #openBank(client: Client): void {
    if (!this.#running) return;
    const transaction: Transaction = {
      conditions: [{ type: 'absent', key: 'd/bank' }],
      operations: [
        { type: 'put', key: 'd/bank', ...textOf('open') },
        ...Array.from({ length: accounts }, (_, i) => ({
          type: 'addBounded' as const,
          key: `account${i}`,
          delta: openingBalance,
          max: balanceMax,
        })),
      ],
    };
    this.#begin();
    client.propose(transaction, (got) => {
      this.#end();
      // Refused by its condition: an attempt without an answer had opened it.
      if (got.type === 'ok') this.#bankLoop(client);
      else client.later(() => this.#openBank(client));
    });
  }

  #bankLoop(client: Client): void {
    if (!this.#running) return;
    const next = (): void => {
      this.#end();
      client.later(() => this.#bankLoop(client));
    };
    this.#begin();
    if (client.prng.chance(0.4)) {
      client.read(balances, (got) => {
        if (got.type === 'ok') this.#checkSum(client.name, got.value);
        next();
      });
      return;
    }
    const from = client.prng.below(accounts);
    const to = (from + 1 + client.prng.below(accounts - 1)) % accounts;
    const delta = 1 + client.prng.below(openingBalance / 2);
    client.propose(
      {
        conditions: [{ type: 'exists', key: 'd/bank' }],
        operations: [
          { type: 'addBounded', key: `account${from}`, delta: -delta, max: balanceMax },
          { type: 'addBounded', key: `account${to}`, delta, max: balanceMax },
        ],
      },
      next,
    );
  }

  #checkSum(by: string, found: number[]): void {
    const sum = found.reduce((a, b) => a + b, 0);
    if (sum === accounts * openingBalance) return;
    this.#group.report({
      kind: 'bank',
      message: `${by} read balances of ${found.join(', ')}: ${sum} in all, not ${accounts * openingBalance}`,
    });
  }

  // ── judgement ───────────────────────────────────────────────────────────────────────────────

  judge(): void {
    const group = this.#group;
    for (const [key, history] of this.#registers) {
      this.judged.registers += 1;
      const verdict = checkLinearizable(registerModel, history);
      if (verdict.linearizable !== false) continue;
      const { stuck, after } = verdict;
      group.report({
        kind: 'linearizability',
        message: `${key}: ${JSON.stringify(stuck)} fits nowhere; the longest order ends with ${JSON.stringify(after.slice(-4))}`,
      });
    }
    this.judged.lists += this.#lists.length;
    for (const { name, message } of checkListAppend(this.#lists))
      group.report({ kind: 'transactions', message: `${name}: ${message}` });
    for (const watcher of this.#watchers) {
      this.judged.watches += watcher.segments.length;
      for (const { events } of watcher.segments) this.judged.events += events.length;
      for (const message of this.#truth.judge(watcher)) group.report({ kind: 'watch', message });
    }
    this.locks.judge();
    for (const message of this.#truth.contradictions) group.report({ kind: 'lost', message });
    for (const node of group.running()) {
      const { store } = node.process.replica;
      if (store.get('d/bank') !== undefined) this.#checkSum(node.id, balances(store));
    }
  }

  #acknowledged(got: Answer<TransactionResult> & { type: 'ok' }, transaction: Transaction): void {
    if (!got.value.ok) return;
    const { revisions } = got.value;
    this.#truth.acknowledge(revisions, transaction);
  }

  #begin(): number {
    this.#busy += 1;
    return this.#world.tick();
  }

  #end(): number {
    this.#busy -= 1;
    return this.#world.tick();
  }

  #token(): string {
    this.#tokens += 1;
    return String(this.#tokens);
  }

  #epoch(histories: Map<string, unknown[]>, prefix: string, most: number): number {
    let epoch = 0;
    while ((histories.get(`${prefix}0-${epoch}`)?.length ?? 0) >= most) epoch += 1;
    return epoch;
  }
}

/** With nothing broken a node answers, or gives up, within this. */
const answerWithinMs = 6000;

function listOf(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(' ');
}

function balances(view: StoreView): number[] {
  return Array.from({ length: accounts }, (_, i) => view.counter(`account${i}`));
}
