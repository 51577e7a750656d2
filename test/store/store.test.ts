import test from 'ava';
import fc from 'fast-check';
import { encodeCommand, versionNeeded } from '#src/store/codec.ts';
import type { Command, Condition, Operation, StoreEvent, Transaction, Value } from '#src/store/command.ts';
import { SESSION_WINDOW_SEQUENCES } from '#src/store/sessions.ts';
import { SNAPSHOT_CHUNK_BYTES_MAX } from '#src/store/snapshot.ts';
import { createStore } from '#src/store/store.ts';
import type { Store, StoreMutation } from '#src/store/store.ts';
import type { StoreWatch } from '#src/store/view.ts';
import { WatchIndex } from '#src/store/watch-index.ts';
import { Model } from './model.ts';

const QUEUE_BYTES = 1024 * 1024;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (value: Value | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value.bytes);
const put = (key: string, head = `${key}@`, tail = '.'): Operation => ({
  type: 'put',
  key,
  head: bytes(head),
  tail: bytes(tail),
});
const remove = (key: string): Operation => ({ type: 'delete', key });
const only = (...operations: Operation[]): Transaction => ({ conditions: [], operations });

/** A store with a session open, and short words for entries. */
class Subject {
  readonly store: Store;
  index = 0;
  sequence = 0;

  constructor(mutations: StoreMutation[] = []) {
    this.store = createStore({ mutations: new Set(mutations) });
    this.entry({ version: 1, type: 'openSession', session: 's' });
  }

  entry(command: Command, term = 1) {
    return this.store.apply({ index: ++this.index, term, data: encodeCommand(command) });
  }

  batch(transactions: Transaction[], options: { sequence?: number; session?: string; term?: number } = {}) {
    const item = { session: options.session ?? 's', sequence: options.sequence ?? ++this.sequence, transactions };
    return this.entry({ version: versionNeeded(transactions), type: 'batch', items: [item] }, options.term)[0]!.outcome;
  }

  run(...operations: Operation[]) {
    const outcome = this.batch([only(...operations)]);
    return outcome.type === 'done' ? outcome.results[0]! : outcome;
  }

  compact(revision: number): void {
    this.entry({ version: 1, type: 'compact', revision });
  }

  copy(): Subject {
    const other = new Subject();
    other.store.restore([...this.store.snapshot().chunks()]);
    other.index = this.index;
    other.sequence = this.sequence;
    return other;
  }
}

const told = (events: StoreEvent[] | undefined): string[] =>
  (events ?? []).map(
    (event) => `${event.revision} ${event.type} ${event.key} ${textOf(event.value)} was ${textOf(event.previous)}`,
  );
const all = { from: '', to: '\uffff', afterRevision: 0, queueBytesMax: QUEUE_BYTES };

test('a value is stored with the decimal revision of its write in the hole', (t) => {
  const { store, run } = bound(new Subject());
  for (let revision = 1; revision <= 10; revision++) run(put('a', '{"rv":"', '"}'));
  const value = store.get('a')!;
  t.is(textOf(value), '{"rv":"10"}');
  t.like(value, { revisionAt: 7, revisionLength: 2, modRevision: 10, createRevision: 1 });
  t.is(textOf(store.getAt('a', 9)), '{"rv":"9"}');
});

function bound(subject: Subject) {
  return { store: subject.store, run: subject.run.bind(subject), batch: subject.batch.bind(subject) };
}

test('every put or deleted key costs one revision, in batch order; other operations cost none', (t) => {
  const { store, batch } = bound(new Subject());
  const outcome = batch([
    only(put('a'), { type: 'addBounded', key: 'n', delta: 2, max: 3 }, put('b')),
    only(put('c'), { type: 'deleteRange', from: 'a', to: 'z', limit: 2 }, remove('c')),
    only({ type: 'deleteRange', from: 'a', to: 'z', limit: 2 }),
  ]);
  t.deepEqual(outcome, {
    type: 'done',
    results: [
      { ok: true, revisions: [1, 0, 2], deleted: [] },
      { ok: true, revisions: [3, 5, 6], deleted: [2] },
      { ok: true, revisions: [0], deleted: [0] },
    ],
  });
  t.is(store.revision, 6);
  t.is(store.counter('n'), 2);
});

test('transactions of a batch are independent, each is all or nothing', (t) => {
  const { store, run, batch } = bound(new Subject());
  run(put('old'), { type: 'addBounded', key: 'n', delta: 1, max: 1 });
  const outcome = batch([
    only(put('a')),
    only(
      put('b'),
      remove('old'),
      put('old', 'new'),
      { type: 'addBounded', key: 'n', delta: -1, max: 1 },
      remove('missing'),
    ),
    only(put('b'), { type: 'addBounded', key: 'n', delta: 1, max: 1 }),
    {
      conditions: [
        { type: 'exists', key: 'a' },
        { type: 'modRevision', key: 'old', revision: 7 },
      ],
      operations: [put('c')],
    },
    { conditions: [{ type: 'absent', key: 'old' }], operations: [] },
    { conditions: [{ type: 'entryTerm', term: 4 }], operations: [put('d')] },
    { conditions: [{ type: 'modRevision', key: 'a', revision: 2 }], operations: [remove('a')] },
  ]);
  t.deepEqual(outcome.type === 'done' && outcome.results, [
    { ok: true, revisions: [2], deleted: [] },
    { ok: false, failed: { type: 'operation', index: 4 }, actualRevision: 0 },
    { ok: false, failed: { type: 'operation', index: 1 }, actualRevision: 0 },
    { ok: false, failed: { type: 'condition', index: 1 }, actualRevision: 1 },
    { ok: false, failed: { type: 'condition', index: 0 }, actualRevision: 1 },
    { ok: false, failed: { type: 'condition', index: 0 }, actualRevision: 0 },
    { ok: true, revisions: [3], deleted: [] },
  ]);
  t.deepEqual(
    [store.revision, store.counter('n'), textOf(store.get('old')), store.get('b')],
    [3, 1, 'old@1.', undefined],
  );
});

test('raft §8: a repeated sequence gets its first outcome and is not executed; the window slides', (t) => {
  const subject = new Subject();
  const first = subject.batch([only(put('a'))], { sequence: 5 });
  const late = subject.batch([only(put('a'))], { sequence: 3 });
  t.deepEqual(subject.batch([only(put('a')), only(put('b'))], { sequence: 5 }), first);
  t.is(late.type, 'done', 'a sequence never seen inside the window is executed, whatever its order');
  t.is(subject.store.revision, 2);
  subject.batch([], { sequence: SESSION_WINDOW_SEQUENCES + 5 });
  t.deepEqual(subject.batch([only(put('a'))], { sequence: 5 }), { type: 'unknown' });
  t.deepEqual(subject.batch([only(put('a'))], { session: 'stranger', sequence: 1 }), { type: 'unknown' });
  t.is(subject.store.revision, 2);
  subject.entry({ version: 1, type: 'openSession', session: 's' });
  t.deepEqual(subject.batch([only(put('a'))], { sequence: 5 }), { type: 'unknown' }, 'opening again forgets nothing');
  subject.batch([], { sequence: 2 ** 50 });
  t.is(subject.store.revision, 2, 'a far jump of the sequence takes no time');

  const mutant = new Subject(['no-dedup']);
  mutant.batch([only(put('a'))], { sequence: 1 });
  mutant.batch([only(put('a'))], { sequence: 1 });
  t.is(mutant.store.revision, 2, 'the mutation for the simulator executes twice');
});

test('an entry of an unknown version or type stops the replica', (t) => {
  const { store } = new Subject();
  for (const data of [Uint8Array.of(3, 1), Uint8Array.of(1, 9)]) {
    t.throws(() => store.apply({ index: 9, term: 1, data }), { name: 'AssertionFailure', message: /version 3|type 9/ });
  }
});

test('compaction: reads below the floor fail, at the floor they work, and it never goes back', (t) => {
  const subject = new Subject();
  const { store } = subject;
  subject.run(put('a'), put('b'), remove('a'), put('c'), put('b'));
  subject.compact(3);
  t.is(store.compactedRevision, 3);
  subject.compact(2);
  t.is(store.compactedRevision, 3);
  t.throws(() => store.getAt('b', 2), {
    code: 'STORE_COMPACTED',
    message: 'read at revision 2, but history begins at 3; list again',
  });
  t.throws(() => store.watch({ ...all, afterRevision: 2 }), { code: 'STORE_COMPACTED' });
  t.throws(() => store.range({ ...all, limit: 0, atRevision: 6 }), { code: 'STORE_FUTURE_REVISION' });
  t.throws(() => store.watch({ ...all, afterRevision: 6 }), { code: 'STORE_FUTURE_REVISION' });
  t.is(textOf(store.getAt('b', 4)), 'b@2.');
  t.is(store.getAt('a', 3), undefined);
  t.deepEqual(
    store.range({ ...all, limit: 0, atRevision: 4 }).items.map(({ key }) => key),
    ['b', 'c'],
  );
  subject.compact(99);
  t.is(store.compactedRevision, 5, 'a floor past the newest revision stops there');
  t.is(store.range({ ...all, limit: 0 }).count, 2);
  t.true(store.historyBytes < 400, `${store.historyBytes} bytes: only the event at the floor stays`);
});

test('raft.md A3.23: the tombstone at the compaction revision survives, in snapshots too', async (t) => {
  const subject = new Subject();
  subject.run(put('a'), remove('a'));
  subject.compact(2);
  subject.run(put('a'));
  const copy = subject.copy();
  t.is(copy.store.deepHash(), subject.store.deepHash());
  for (const { store } of [subject, copy]) {
    t.is(store.getAt('a', 2), undefined);
    t.deepEqual(told(await store.watch({ ...all, afterRevision: 2 }).next()), ['3 put a a@3. was undefined']);
  }
});

test('a watch gets history, then live events, in order and with what was there before', async (t) => {
  const { store, run } = bound(new Subject());
  run(put('a'), put('b'));
  const watch = store.watch({ ...all, from: 'a', to: 'b' });
  t.deepEqual(told(await watch.next()), ['1 put a a@1. was undefined']);
  const waiting = watch.next();
  run(put('a'), put('b'), remove('a'));
  t.deepEqual(told(await waiting), ['3 put a a@3. was a@1.', '5 delete a a@5. was a@3.']);
  t.is(watch.progress(), 5);
  run(put('b'), put('a'));
  t.is(watch.progress(), 6, 'progress does not overtake an event that waits');
  t.is(store.watches, 1);
  watch.cancel();
  t.is(await watch.next(), undefined);
  t.is(store.watches, 0);
});

test('a waiting reader that is cancelled gets undefined; one too slow gets STORE_WATCH_OVERFLOW, never a gap', async (t) => {
  const { store, run } = bound(new Subject());
  const cancelled = store.watch(all);
  const end = cancelled.next();
  cancelled.cancel();
  t.is(await end, undefined);

  const slow = store.watch({ ...all, queueBytesMax: 1000 });
  const first = slow.next();
  run(...Array.from({ length: 20 }, () => put('a')));
  t.is((await first)!.length, 20, 'while the reader waits, one entry may exceed the bound');
  run(put('a'), put('a'));
  t.is((await slow.next())!.length, 2);
  for (let more = 0; more < 20; more++) run(put('a'));
  await t.throwsAsync(() => slow.next(), { code: 'STORE_WATCH_OVERFLOW', message: /after revision 22;/ });
});

test("catching up goes at the reader's pace in whole transactions, and fails when compaction overtakes it", async (t) => {
  const subject = new Subject();
  const { store } = subject;
  for (let made = 0; made < 300; made++) subject.run(put('a'), put('b'), put('c'), put('d'), put('e'));
  const watch = store.watch(all);
  const late = store.watch(all);
  const seen: number[] = [];
  while (seen.length < 1500) {
    const events = (await watch.next())!;
    seen.push(...events.map(({ revision }) => revision));
    t.is(seen.length % 5, 0);
    t.true(events.length <= 1030);
  }
  t.deepEqual(
    seen,
    Array.from({ length: 1500 }, (_, at) => at + 1),
  );
  subject.compact(1000);
  await t.throwsAsync(() => late.next(), { code: 'STORE_COMPACTED' });
});

test('watches survive the installation of a snapshot, or end where its history begins too late', async (t) => {
  const source = new Subject();
  source.run(put('a'), put('b'), put('a'));
  const target = source.copy();
  const waiting = target.store.watch({ ...all, afterRevision: 3 });
  const events = waiting.next();
  source.run(put('c'), remove('a'));
  target.store.restore(source.store.snapshot().chunks());
  t.deepEqual(told(await events), ['4 put c c@4. was undefined', '5 delete a a@5. was a@3.']);

  const lost = waiting.next();
  for (let more = 0; more < 5; more++) source.run(put('c'));
  source.compact(9);
  target.store.restore(source.store.snapshot().chunks());
  await t.throwsAsync(lost, { code: 'STORE_COMPACTED' });
});

test('one event object serves all watches of overlapping ranges', async (t) => {
  const { store, run } = bound(new Subject());
  const ranges = [
    ['', '\uffff'],
    ['a/', 'a0'],
    ['a/', 'a0'],
    ['a/b', 'a/c'],
    ['b', 'c'],
  ] as const;
  const got: (StoreEvent[] | undefined)[] = [];
  for (const [at, [from, to]] of ranges.entries()) {
    void store
      .watch({ ...all, from, to })
      .next()
      .then((events) => (got[at] = events));
  }
  run(put('a/b1'));
  await Promise.resolve();
  t.deepEqual(
    got.map((events) => events?.length),
    [1, 1, 1, 1],
  );
  t.true(got.every((events) => events === undefined || events[0] === got[0]![0]));
});

test('property: a key finds exactly the ranges that hold it, while ranges come and go', (t) => {
  const letter = fc.constantFrom('', 'a', 'b', 'c', 'd', 'e', 'f');
  const range = fc.record({ from: letter, to: letter, stays: fc.boolean() });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
      const index = new WatchIndex<(typeof ranges)[number]>();
      for (const one of ranges) index.add(one);
      for (const one of ranges) if (!one.stays) index.remove(one);
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
        const found = new Set<(typeof ranges)[number]>();
        index.match(name, (one) => {
          t.false(found.has(one));
          found.add(one);
        });
        for (const one of ranges) t.is(found.has(one), one.stays && one.from <= name && name < one.to);
      }
    }),
    { numRuns: 100 },
  );
});

test('the mutation lost-watch-event drops an event now and then', async (t) => {
  const subject = new Subject(['lost-watch-event']);
  const watch = subject.store.watch(all);
  const first = watch.next();
  for (let made = 0; made < 100; made++) subject.run(put('a'));
  t.is((await first)!.length + (await watch.next())!.length, 99);
});

test('a snapshot is of one moment although applying and compacting go on while it is read', (t) => {
  const subject = new Subject();
  const big = 'x'.repeat(700_000);
  for (const key of ['a', 'b', 'c', 'd']) subject.run(put(key, big), put(key, big));
  const before = [...subject.store.snapshot().chunks()];
  t.true(before.length > 5 && before.every(({ length }) => length <= SNAPSHOT_CHUNK_BYTES_MAX));
  const snapshot = subject.store.snapshot();
  const during: Uint8Array[] = [];
  for (const chunk of snapshot.chunks()) {
    during.push(chunk);
    subject.run(put('a'), put(`new${during.length}`), remove('a'), { type: 'addBounded', key: 'n', delta: 1, max: 99 });
    subject.compact(subject.store.revision);
  }
  t.true(Buffer.concat(during).equals(Buffer.concat(before)));
  subject.compact(subject.store.revision);
  t.true(subject.store.historyBytes < 400, 'what the snapshot held back is freed afterwards');
});

test('a snapshot cut anywhere restores; a torn one is refused', (t) => {
  const subject = new Subject();
  subject.run(put('a'), put('b'), remove('a'), { type: 'addBounded', key: 'n', delta: 5, max: 9 });
  const whole = Buffer.concat([...subject.store.snapshot().chunks()]);
  const pieces = Array.from({ length: Math.ceil(whole.length / 3) }, (_, at) => whole.subarray(at * 3, at * 3 + 3));
  const copy = createStore();
  copy.restore(pieces);
  t.is(copy.deepHash(), subject.store.deepHash());
  t.is(copy.stateHash(), subject.store.stateHash());
  t.throws(() => copy.restore(pieces.slice(0, -1)), { name: 'AssertionFailure', message: /ends early/ });
  t.is(copy.deepHash(), subject.store.deepHash(), 'a refused snapshot changes nothing');
});

// A small world, so that random commands meet.
const key = fc.constantFrom('a', 'a/1', 'a/2', 'b', 'b/1', 'c');
const lease = fc.constantFrom('l1', 'l2');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 6, arbitrary: key.map((name) => put(name, '<', '>')) },
  { weight: 3, arbitrary: key.map(remove) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('deleteRange' as const), from: key, to: key, limit: fc.nat(3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('addBounded' as const),
      key,
      delta: fc.integer({ min: -2, max: 2 }),
      max: fc.nat(3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(key, lease).map(([name, id]) => ({ ...put(name, '<', '>'), lease: id }) as Operation),
  },
  { weight: 2, arbitrary: lease.map((id) => ({ type: 'grantLease' as const, lease: id, ttlMs: 1000 })) },
  { weight: 1, arbitrary: lease.map((id) => ({ type: 'keepAlive' as const, lease: id })) },
  { weight: 1, arbitrary: lease.map((id) => ({ type: 'revokeLease' as const, lease: id })) },
);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  key.map((name) => ({ type: 'exists' as const, key: name })),
  key.map((name) => ({ type: 'absent' as const, key: name })),
  fc.record({ type: fc.constant('modRevision' as const), key, revision: fc.nat(20) }),
  fc.record({ type: fc.constant('entryTerm' as const), term: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ type: fc.constant('leaseRenewed' as const), lease, index: fc.integer({ min: 2, max: 12 }) }),
);
const transaction: fc.Arbitrary<Transaction> = fc.record({
  conditions: fc.oneof(
    { weight: 4, arbitrary: fc.constant<Condition[]>([]) },
    { weight: 1, arbitrary: fc.array(condition, { maxLength: 2 }) },
  ),
  operations: fc.array(operation, { maxLength: 4 }),
});
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('batch' as const), transactions: fc.array(transaction, { maxLength: 3 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), back: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('watch' as const), back: fc.nat(6), from: key, to: key }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reload' as const }) },
);

function compare(subject: Subject, model: Model): string[] {
  const wrong: string[] = [];
  const { store } = subject;
  if (store.revision !== model.revision) wrong.push(`revision ${store.revision}, model ${model.revision}`);
  for (const [name, value] of model.counters) {
    if (store.counter(name) !== value) wrong.push(`counter ${name}: ${store.counter(name)}, model ${value}`);
  }
  for (let revision = Math.max(model.floor, 0); revision <= model.revision; revision++) {
    for (const [from, to, limit] of [
      ['', 'z', 0],
      ['a/', 'b/', 2],
    ] as const) {
      const keys = model.keys(from, to, revision);
      const want = keys
        .slice(0, limit || keys.length)
        .map((name) => [name, model.states[revision]!.get(name)!] as const);
      const got = store.range({ from, to, limit, atRevision: revision });
      const wantText = want.map(([name, { text, modRevision, createRevision }]) =>
        [name, text, modRevision, createRevision].join(' '),
      );
      const gotText = got.items.map(({ key: name, value }) =>
        [name, textOf(value), value.modRevision, value.createRevision].join(' '),
      );
      if (wantText.join() !== gotText.join()) wrong.push(`at ${revision}: ${gotText.join()}, model ${wantText.join()}`);
      if (got.count !== keys.length || got.more !== keys.length > want.length)
        wrong.push(`at ${revision}: count ${got.count} of ${keys.length}`);
    }
  }
  return wrong;
}

test('property: the store does what the model does; snapshots equal replay; watches miss and repeat nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      let subject = new Subject();
      const replica = new Subject();
      const model = new Model();
      for (const one of [subject, replica]) one.entry({ version: 2, type: 'setVersion', to: 2 });
      const watches: { watch: StoreWatch; after: number; from: string; to: string }[] = [];
      for (const action of steps) {
        if (action.do === 'batch') {
          const term = (subject.index % 2) + 1;
          const outcome = subject.batch(action.transactions, { term });
          replica.batch(action.transactions, { term });
          t.deepEqual(outcome, {
            type: 'done',
            results: action.transactions.map((one) => model.execute(one, term, subject.index)),
          });
        } else if (action.do === 'compact') {
          const revision = Math.max(model.revision - action.back, model.floor);
          subject.compact(revision);
          replica.compact(revision);
          model.floor = revision;
        } else if (action.do === 'watch') {
          const after = Math.max(model.revision - action.back, model.floor);
          const { from, to } = action;
          watches.push({
            watch: subject.store.watch({ from, to, afterRevision: after, queueBytesMax: QUEUE_BYTES }),
            after,
            from,
            to,
          });
          // Reading to the end of the history makes it live; below, all are drained.
          void watches.at(-1)!.watch.progress();
        } else {
          // Installing one's own snapshot must change nothing that can be seen.
          const chunks = [...subject.store.snapshot().chunks()];
          subject.store.restore(chunks);
        }
        t.is(subject.store.stateHash(), replica.store.stateHash());
      }
      t.deepEqual(compare(subject, model), []);
      t.is(subject.store.deepHash(), replica.store.deepHash());
      t.is(subject.copy().store.deepHash(), replica.store.deepHash());
      for (const { watch, after, from, to } of watches) {
        const want = model.events.filter((event) => event.revision > after && event.key >= from && event.key < to);
        const got: string[] = [];
        try {
          while (got.length < want.length) got.push(...told(await watch.next()));
        } catch (error) {
          t.is((error as { code: string }).code, 'STORE_COMPACTED');
          t.true(model.floor > after);
          continue;
        }
        t.deepEqual(
          got,
          want.map((event) => `${event.revision} ${event.type} ${event.key} ${event.text} was ${event.previous}`),
        );
        watch.cancel();
      }
      subject = replica;
    }),
    { numRuns: 150 },
  );
});
