import test from 'ava';
import { compactionTarget, addSample } from '#src/replica/retention.ts';
import type { RetentionSample } from '#src/replica/retention.ts';
import { Proposals } from '#src/replica/proposals.ts';
import type { ProposalMessage } from '#src/replica/proposals.ts';
import { Reads } from '#src/replica/reads.ts';
import { QUEUE_CALLS_MAX } from '#src/replica/settings.ts';
import { createWorld } from '#src/sim/clock.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { Fault } from '#src/std/fault.ts';
import { encodeCommand, joinItems } from '#src/store/codec.ts';
import type { Transaction } from '#src/store/command.ts';
import { createStore } from '#src/store/store.ts';
import { runFor, settle } from '#test/support/virtual.ts';

const put = (key: string, size = 1): Transaction => ({
  conditions: [],
  operations: [{ type: 'put', key, head: new Uint8Array(size), tail: new Uint8Array(0) }],
});

/** One node's door of writes over a store; the "log" is what the leader took. */
function writer() {
  const world = createWorld();
  const clock = world.clock();
  const store = createStore();
  const taken: { to: string; message: ProposalMessage }[] = [];
  const here = {
    leader: { id: 'n1', term: 1 } as { id: string; term: number } | undefined,
    answer: (): Promise<void> => Promise.resolve(),
  };
  let index = 0;
  const proposals = new Proposals({
    clock,
    random: createSimRandom(createPrng(1)),
    route: {
      leader: () => here.leader,
      commandVersion: () => store.commandVersion,
      send: (to, message) => {
        taken.push({ to, message });
        return here.answer();
      },
      outcomeOf: (session, sequence) => store.outcomeOf(session, sequence),
    },
  });
  const every = (): void => {
    proposals.tick();
    clock.after(10, every);
  };
  every();
  const commit = ({ message }: { message: ProposalMessage }): void => {
    const commands =
      message.open === undefined
        ? [joinItems(message.items)]
        : [encodeCommand({ version: 1, type: 'openSession', session: message.open })];
    for (const data of commands) proposals.applied(store.apply({ index: ++index, term: 1, data }));
  };
  const open = async (): Promise<void> => {
    void proposals.propose([put('first')], { deadlineMs: 1000 });
    await runFor(world, 1);
    commit(taken.pop()!);
    await runFor(world, 1);
    commit(taken.pop()!);
  };
  return { world, store, proposals, taken, here, commit, open };
}

test('the calls of a turn travel as one item and get their own results', async (t) => {
  const { world, store, proposals, taken, commit, open } = writer();
  await open();
  const results = Promise.all([
    proposals.propose([put('a'), put('b')], { deadlineMs: 1000 }),
    proposals.propose([{ conditions: [{ type: 'absent', key: 'a' }], operations: [] }], { deadlineMs: 1000 }),
  ]);
  await runFor(world, 1);
  t.is(taken.length, 1);
  t.is(taken[0]!.message.items.length, 1);
  commit(taken[0]!);
  const [first, second] = await results;
  t.deepEqual(
    first.map((result) => result.ok && result.revisions),
    [[2], [3]],
  );
  t.deepEqual(second, [{ ok: false, failed: { type: 'condition', index: 0 }, actualRevision: 2 }]);
  t.is(store.revision, 3);
});

test('raft.md A3.20: a proposal lost with its leader is sent to the next one and happens once', async (t) => {
  const { world, store, proposals, taken, here, commit, open } = writer();
  await open();
  const result = proposals.propose([put('a')], { deadlineMs: 1000 });
  await runFor(world, 1);
  here.leader = undefined;
  proposals.leaderChanged();
  await runFor(world, 50);
  t.is(taken.length, 1, 'nobody to send it to');
  here.leader = { id: 'n2', term: 2 };
  proposals.leaderChanged();
  await runFor(world, 1);
  t.is(taken[1]!.to, 'n2');
  commit(taken[0]!);
  commit(taken[1]!);
  t.like((await result)[0], { ok: true, revisions: [2] });
  t.is(store.revision, 2);
});

test('at the deadline it is told whether a write may still happen', async (t) => {
  const { world, proposals, here, open } = writer();
  await open();
  here.answer = () => Promise.reject(new Fault('REPLICA_NOT_LEADER', 'n1 is a follower', 'elsewhere'));
  await t.throwsAsync(settle(world, proposals.propose([put('a')], { deadlineMs: 200 })), { code: 'REPLICA_NO_LEADER' });
  here.answer = () => Promise.reject(new Fault('WIRE_LOST', 'the link closed', 'later'));
  await t.throwsAsync(settle(world, proposals.propose([put('a')], { deadlineMs: 200 })), {
    code: 'REPLICA_OUTCOME_UNKNOWN',
  });
});

test('a session the store has forgotten is replaced; what was tried once is tried again', async (t) => {
  const { world, store, proposals, taken, commit, open } = writer();
  await open();
  const result = proposals.propose([put('a')], { deadlineMs: 1000 });
  await runFor(world, 1);
  store.restore(createStore().snapshot().chunks());
  commit(taken.pop()!);
  await runFor(world, 1);
  t.truthy(taken.at(-1)!.message.open);
  commit(taken.pop()!);
  await runFor(world, 1);
  commit(taken.pop()!);
  t.like((await result)[0], { ok: true, revisions: [1] });
});

test('what a snapshot covers is answered from its outcomes', async (t) => {
  const { world, store, proposals, taken, commit, open } = writer();
  await open();
  const result = proposals.propose([put('a')], { deadlineMs: 1000 });
  await runFor(world, 1);
  const elsewhere = createStore();
  elsewhere.restore(store.snapshot().chunks());
  elsewhere.apply({ index: 99, term: 1, data: joinItems(taken[0]!.message.items) });
  store.restore(elsewhere.snapshot().chunks());
  proposals.installed();
  t.like((await result)[0], { ok: true, revisions: [2] });
  t.truthy(commit);
});

test('the queue and each proposal are bounded', async (t) => {
  const { proposals } = writer();
  const big = [put('a', 3 * 1024 * 1024)];
  await t.throwsAsync(() => proposals.propose(big, { deadlineMs: 10 }), { code: 'REPLICA_TOO_LARGE' });
  const many = Array.from({ length: QUEUE_CALLS_MAX }, () => proposals.propose([], { deadlineMs: 10 }));
  await t.throwsAsync(() => proposals.propose([], { deadlineMs: 10 }), { code: 'REPLICA_OVERLOADED' });
  proposals.stop(new Fault('REPLICA_STOPPED', 'this replica stopped', 'elsewhere'));
  const ended = await Promise.allSettled(many);
  t.true(ended.every((one) => one.status === 'rejected' && (one.reason as Fault).code === 'REPLICA_STOPPED'));
});

test('raft.md A3.5: readers are joined into rounds that begin after they asked, and wait for the apply', async (t) => {
  const world = createWorld();
  const clock = world.clock();
  const store = createStore();
  const rounds: ((index: number) => void)[] = [];
  let applied = 0;
  const reads = new Reads({
    clock,
    route: {
      readIndex: () => new Promise((resolve) => rounds.push(resolve)),
      view: () => store,
      appliedIndex: () => applied,
      notReady: () => undefined,
      ageMs: () => undefined,
    },
  });
  const done: string[] = [];
  const ask = (name: string) =>
    reads.confirm({ type: 'linearizable' }, { deadlineMs: 100 }).then(
      () => done.push(name),
      (fault: Fault) => done.push(`${name} ${fault.code}`),
    );
  void ask('a');
  void ask('b');
  await runFor(world, 1);
  void ask('c');
  await runFor(world, 1);
  t.is(rounds.length, 2);
  rounds[0]!(7);
  await runFor(world, 1);
  t.deepEqual(done, []);
  applied = 7;
  reads.applied();
  await runFor(world, 1);
  t.deepEqual(done, ['a', 'b']);
  await runFor(world, 200);
  reads.tick();
  await runFor(world, 1);
  t.deepEqual(done, ['a', 'b', 'c REPLICA_NO_LEADER']);
  const future = reads.confirm({ type: 'atLeast', revision: 5 }, { deadlineMs: 10 });
  await runFor(world, 20);
  reads.tick();
  await t.throwsAsync(future, { code: 'REPLICA_FUTURE_REVISION' });
  t.is(await reads.confirm({ type: 'any' }, { deadlineMs: 1 }), store);
});

test('retention: five minutes or a number of bytes, whichever is less; never below the floor', (t) => {
  const samples: RetentionSample[] = [];
  for (const [atMs, revision, writtenBytes] of [
    [0, 10, 100],
    [1000, 20, 200],
    [2000, 20, 200],
    [3000, 30, 900],
  ] as const) {
    addSample(samples, { atMs, revision, writtenBytes });
  }
  t.is(samples.length, 3, 'no sample without a write');
  const at = (nowMs: number, writtenBytes: number, compactedRevision = 0) =>
    compactionTarget({ samples, nowMs, writtenBytes, compactedRevision, retainMs: 5000, retainBytes: 1000 });
  t.is(at(4000, 900), undefined);
  t.is(at(5000, 900), 10);
  t.is(at(6000, 900), 20);
  t.is(at(4000, 1200), 20, 'many bytes behind');
  t.is(at(6000, 900, 20), undefined);
});
