/** What the store promises its readers, each promise by name; and that a planted mistake breaks it. */
import test from 'ava';
import fc from 'fast-check';
import { encodeCommand, versionNeeded } from '#src/store/codec.ts';
import type { Command, Operation, StoreEvent, Transaction } from '#src/store/command.ts';
import { LEASE_KEYS_MAX, LEASE_TTL_MS_MIN, LEASES_MAX } from '#src/store/leases.ts';
import { STORE_MARKS } from '#src/store/marks.ts';
import { SESSIONS_MAX } from '#src/store/sessions.ts';
import { createStore } from '#src/store/store.ts';
import type { Store, StoreMutation } from '#src/store/store.ts';
import type { StoreWatch } from '#src/store/view.ts';

const ALL = { from: '', to: '\uffff', queueBytesMax: 1024 * 1024 };
const put = (key: string, lease?: string): Operation => ({
  type: 'put',
  key,
  head: new Uint8Array(4),
  tail: new Uint8Array(0),
  ...(lease === undefined ? {} : { lease }),
});
const remove = (key: string): Operation => ({ type: 'delete', key });
const marks = new Set<string>();

class Subject {
  readonly store: Store;
  index = 0;
  sequence = 0;

  constructor(mutations: StoreMutation[] = []) {
    this.store = createStore({ mutations: new Set(mutations), mark: (mark) => marks.add(mark) });
    this.entry({ version: 1, type: 'openSession', session: 's' });
  }

  entry(command: Command) {
    return this.store.apply({ index: ++this.index, term: 1, data: encodeCommand(command) });
  }

  run(...operations: Operation[]) {
    const transactions: Transaction[] = [{ conditions: [], operations }];
    const items = [{ session: 's', sequence: ++this.sequence, transactions }];
    const outcome = this.entry({ version: versionNeeded(transactions), type: 'batch', items })[0]!.outcome;
    if (outcome.type !== 'done') throw new Error('not executed');
    return outcome.results[0]!;
  }

  compact(revision: number): void {
    this.entry({ version: 1, type: 'compact', revision });
  }
}

/** A client that watches some replica, and goes to another one with what it has seen last. */
class Client {
  seen: StoreEvent[] = [];
  bookmark = 0;
  wrong: string[] = [];
  #watch: StoreWatch | undefined;

  async turn(store: Store, ends: ReadonlySet<number>): Promise<'on' | 'compacted'> {
    try {
      this.#watch ??= store.watch({ ...ALL, afterRevision: this.bookmark });
      const waiting = this.#watch.next();
      const events = await Promise.race([waiting, Promise.resolve().then(() => 'none' as const)]);
      if (events === 'none') {
        // Nothing yet: end it, as a client that changes its server does.
        this.#bookmarked(this.#watch.progress());
        this.#watch.cancel();
        this.#watch = undefined;
        return 'on';
      }
      for (const event of events ?? []) {
        const last = this.seen.at(-1)?.revision ?? 0;
        if (event.revision <= last) this.wrong.push(`${event.revision} after ${last}: not ordered and unique`);
        if (event.revision <= this.bookmark) this.wrong.push(`${event.revision} after the bookmark ${this.bookmark}`);
        this.seen.push(event);
      }
      const last = events?.at(-1)?.revision;
      if (last !== undefined && !ends.has(last)) this.wrong.push(`${last} cuts a transaction: not atomic`);
      this.#bookmarked(this.#watch.progress());
      return 'on';
    } catch (error) {
      if ((error as { code?: string }).code !== 'STORE_COMPACTED') throw error;
      this.#watch = undefined;
      return 'compacted';
    }
  }

  leave(): void {
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  #bookmarked(revision: number): void {
    if (revision < this.bookmark) this.wrong.push(`bookmark ${revision} after ${this.bookmark}`);
    this.bookmark = revision;
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ do: 'read' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'install' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'failover' as const }) },
);

/** One run of a client over two replicas; what it must never see. */
async function watched(
  steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[],
  mutations: StoreMutation[] = [],
) {
  const replicas = [new Subject(mutations), new Subject(mutations)];
  const client = new Client();
  const ends = new Set<number>();
  const all: StoreEvent[] = [];
  const recording = replicas[0]!.store.watch({ ...ALL, afterRevision: 0 });
  let at = 0;
  let from = 0;
  for (const one of steps) {
    const subject = replicas[at]!;
    if (one.do === 'write') {
      for (const each of replicas) {
        each.run(
          ...[...new Set(one.keys)].flatMap((key) =>
            each.store.get(key) === undefined || key < 'c' ? [put(key)] : [remove(key)],
          ),
        );
      }
      ends.add(replicas[0]!.store.revision);
      all.push(...((await recording.next()) ?? []));
    } else if (one.do === 'compact') {
      for (const each of replicas) each.compact(Math.max(0, each.store.revision - one.back));
    } else if (one.do === 'install') {
      subject.store.restore(replicas[1 - at]!.store.snapshot().chunks());
    } else {
      if (one.do === 'failover') {
        client.leave();
        at = 1 - at;
      }
      if ((await client.turn(replicas[at]!.store, ends)) === 'compacted') {
        // 410: list and begin anew, at the newest revision.
        if (client.bookmark >= replicas[at]!.store.compactedRevision) client.wrong.push('expired without need');
        client.seen = [];
        client.bookmark = from = replicas[at]!.store.revision;
      }
    }
  }
  for (let more = 0; client.bookmark < replicas[at]!.store.revision && more < 50; more++) {
    if ((await client.turn(replicas[at]!.store, ends)) === 'on') continue;
    client.seen = [];
    client.bookmark = from = replicas[at]!.store.revision;
  }
  const want = all.filter(({ revision }) => revision > from).map(({ revision, key }) => `${revision} ${key}`);
  const got = client.seen.map(({ revision, key }) => `${revision} ${key}`);
  if (want.join() !== got.join()) client.wrong.push(`got ${got.join()}, happened ${want.join()}`);
  if (replicas[0]!.store.deepHash() !== replicas[1]!.store.deepHash()) client.wrong.push('states differ');
  return client.wrong;
}

test('watches are ordered, unique, atomic, reliable, resumable and bookmarkable through compaction, install and failover', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      t.deepEqual(await watched(steps), []);
    }),
    { numRuns: 200 },
  );
});

test('etcd #15220: a bookmark does not overtake an event that waits; its mutant does', async (t) => {
  const progressOf = async (mutations: StoreMutation[]): Promise<number> => {
    const subject = new Subject(mutations);
    subject.run(put('a'));
    const watch = subject.store.watch({ ...ALL, afterRevision: 0 });
    await watch.next();
    void watch.next();
    subject.run(put('a'));
    await Promise.resolve();
    subject.run(put('b'));
    return watch.progress();
  };
  t.is(await progressOf([]), 2, 'event 3 waits for its reader');
  t.is(await progressOf(['bookmark-overtakes-events']), 3);
});

test('etcd #18089: compaction keeps what lives, and the tombstone at its revision; its mutant drops a key', (t) => {
  const left = (mutations: StoreMutation[]): unknown => {
    const subject = new Subject(mutations);
    subject.run(put('a'));
    subject.run(put('b'));
    subject.run(remove('b'));
    subject.compact(3);
    subject.run(put('c'));
    return subject.store.get('a')?.modRevision;
  };
  t.is(left([]), 1);
  t.is(left(['compaction-drops-live-key']), undefined);
});

test('etcd #17780: no revision is given out twice after an install, compacted or not; its mutant does', (t) => {
  const next = (mutations: StoreMutation[], floor: number): number => {
    const source = new Subject();
    source.run(put('a'));
    source.run(put('b'));
    source.run(remove('b'));
    source.compact(floor);
    const target = new Subject(mutations);
    target.store.restore(source.store.snapshot().chunks());
    target.index = source.index;
    target.sequence = source.sequence;
    target.run(put('c'));
    return target.store.get('c')!.modRevision;
  };
  for (const floor of [0, 2, 3]) t.is(next([], floor), 4, `floor ${floor}`);
  t.is(next(['revision-reset-after-install'], 2), 3);
});

test('etcd #20221: a watch at a revision that is not yet is refused as such, at a compacted one as compacted', (t) => {
  const subject = new Subject();
  for (let at = 0; at < 5; at++) subject.run(put('a'));
  subject.compact(3);
  t.throws(() => subject.store.watch({ ...ALL, afterRevision: 6 }), { code: 'STORE_FUTURE_REVISION' });
  t.throws(() => subject.store.watch({ ...ALL, afterRevision: 2 }), { code: 'STORE_COMPACTED' });
  t.notThrows(() => subject.store.watch({ ...ALL, afterRevision: 3 }));
  t.notThrows(() => subject.store.watch({ ...ALL, afterRevision: 5 }));
});

test('a transaction of many keys reaches every watch whole, also a late and a narrow one', async (t) => {
  const subject = new Subject();
  const live = subject.store.watch({ ...ALL, afterRevision: 0 });
  const first = live.next();
  const many = Array.from({ length: 3000 }, (_, at) => put(`k${String(at).padStart(4, '0')}`));
  subject.run(...many);
  t.is((await first)!.length, 3000, 'waiting reader');
  const late = subject.store.watch({ ...ALL, afterRevision: 0, queueBytesMax: 10_000 });
  t.is((await late.next())!.length, 3000, 'catching up, whatever its queue');
  const narrow = subject.store.watch({ ...ALL, from: 'k0001', to: 'k0003', afterRevision: 0 });
  t.is((await narrow.next())!.length, 2);
  t.is(narrow.progress(), 3000);
});

test('sessions are bounded: the one used longest ago is forgotten, and what it asks again is not executed', (t) => {
  const subject = new Subject();
  subject.run(put('a'));
  for (let at = 0; at < SESSIONS_MAX; at++) subject.entry({ version: 1, type: 'openSession', session: `s${at}` });
  const again = subject.entry({
    version: 1,
    type: 'batch',
    items: [{ session: 's', sequence: 1, transactions: [{ conditions: [], operations: [put('a')] }] }],
  });
  t.deepEqual(again[0]!.outcome, { type: 'unknown' });
  t.is(subject.store.revision, 1);
});

test('leases: bounds, attachment moves with the last put, a revoke takes what is attached and nothing else', (t) => {
  const subject = new Subject();
  subject.entry({ version: 2, type: 'setVersion', to: 2 });
  const grant = (lease: string, ttlMs = 5000): Operation => ({ type: 'grantLease', lease, ttlMs });
  const revoke = (lease: string): Operation => ({ type: 'revokeLease', lease });
  t.false(subject.run(grant('l', LEASE_TTL_MS_MIN - 1)).ok);
  t.false(subject.run(grant('x'.repeat(129))).ok);
  t.false(subject.run(put('a', 'l')).ok, 'no such lease');
  t.is(subject.store.get('a'), undefined);
  t.true(subject.run(grant('l')).ok);
  t.false(subject.run(grant('l')).ok, 'granted already');
  subject.run(put('a', 'l'), put('b', 'l'), put('c', 'l'), put('d', 'l'));
  subject.run(put('a'));
  subject.run(remove('b'));
  subject.run(put('b'));
  subject.run(grant('m'), put('c', 'm'));
  t.false(subject.run(revoke('l'), remove('nobody')).ok, 'undone');
  t.truthy(subject.store.get('d'));
  t.like(subject.run(revoke('l')), { ok: true, deleted: [1] });
  t.deepEqual(
    subject.store.range({ from: '', to: 'z', limit: 0 }).items.map(({ key }) => key),
    ['a', 'b', 'c'],
  );
  t.false(subject.run({ type: 'keepAlive', lease: 'l' }).ok, 'not found');
  t.true(LEASES_MAX <= 10_000 && LEASE_KEYS_MAX <= 10_000);
  const copy = createStore();
  copy.restore(subject.store.snapshot().chunks());
  t.deepEqual(
    [...copy.leases].map(([id, { keys }]) => [id, [...keys]]),
    [['m', ['c']]],
  );
  subject.entry({ version: 2, type: 'setVersion', to: 1 });
  t.is(subject.store.commandVersion, 2, 'not lowered while a lease is left');
  subject.run(revoke('m'));
  subject.entry({ version: 2, type: 'setVersion', to: 1 });
  t.is(subject.store.commandVersion, 1);
  t.throws(() => subject.run(grant('l')), { name: 'AssertionFailure', message: /version 2, the cluster is at 1/ });
});

test.after('every mark of the store can be hit', (t) => {
  const elsewhere = [
    'store: sequence below the window',
    'store: fence refused an old term',
    'store: watch too slow for its queue',
  ];
  t.log(STORE_MARKS.filter((mark) => !marks.has(mark) && !elsewhere.includes(mark)));
  t.pass();
});
