import test from 'ava';
import { Cluster, create, put } from './cluster.ts';

const WAIT = { deadlineMs: 5000 };
const all = { from: '', to: '\uffff', limit: 0 };

test('a write through any node is applied by all, and a linearizable read anywhere sees it', async (t) => {
  const cluster = await new Cluster().up();
  const leader = await cluster.leader();
  const [first, second] = await cluster.followers();
  for (const [at, { replica }] of [leader, first!, second!].entries()) {
    const results = await cluster.settle(replica.propose([put(`k${at}`)], WAIT));
    t.deepEqual(results, [{ ok: true, revisions: [at + 1], deleted: [] }]);
    t.is(replica.local().revision, at + 1, 'answered when this node has applied it');
    for (const reader of cluster.members.values()) {
      const view = await cluster.settle(reader.replica.confirm({ type: 'linearizable' }, WAIT));
      t.truthy(view.get(`k${at}`), `${reader.id} reads what was acknowledged before`);
    }
  }
  t.true(await cluster.converged());
});

test('one node alone makes a cluster, and its writes survive a power cut', async (t) => {
  const cluster = await new Cluster({ voters: ['n1'] }).up();
  const { replica } = await cluster.leader();
  await cluster.settle(replica.propose([put('a'), put('b')], WAIT));
  cluster.crash('n1');
  const again = await cluster.start('n1');
  await cluster.settle(again.replica.confirm({ type: 'linearizable' }, WAIT));
  t.is(again.replica.local().range(all).count, 2);
  t.is(again.replica.local().revision, 2);
});

test('onLeadership fires with the term when its no-op is applied, and with undefined when leadership is lost', async (t) => {
  const cluster = await new Cluster().up();
  const leader = await cluster.leader();
  const seen: (number | undefined)[] = [];
  leader.replica.onLeadership((term) => {
    seen.push(term);
    if (term !== undefined) t.true(leader.replica.status().appliedIndex > 1);
  });
  const { term } = leader.replica.status();
  await cluster.until(() => seen.length === 1);
  t.deepEqual(seen, [term]);
  cluster.isolate(leader.id);
  await cluster.until(() => seen.length === 2);
  t.deepEqual(seen, [term, undefined], 'a leader without a quorum steps down by itself');
  t.not((await cluster.leader()).id, leader.id);
});

test('raft.md A3.20: writes in flight when the leader crashes are retried and happen exactly once', async (t) => {
  const cluster = await new Cluster().up();
  const leader = await cluster.leader();
  const [writer] = await cluster.followers();
  const count = { type: 'addBounded' as const, key: 'n', delta: 1, max: 1_000_000 };
  const outcomes: Promise<unknown>[] = [];
  for (let at = 0; at < 40; at++) {
    outcomes.push(writer!.replica.propose([{ conditions: [], operations: [count] }, create(`k${at}`)], WAIT));
    await cluster.run(0.7);
    if (at === 20) cluster.crash(leader.id);
  }
  const results = await cluster.settle(Promise.all(outcomes));
  t.true(
    results.flat().every((result) => (result as { ok: boolean }).ok),
    'no create met itself',
  );
  t.is(writer!.replica.local().counter('n'), 40);
  await cluster.start(leader.id);
  t.true(await cluster.converged());
});

test('a crash of all nodes loses nothing that was acknowledged', async (t) => {
  const cluster = await new Cluster({ seed: 5 }).up();
  for (let at = 0; at < 10; at++) {
    const { replica } = [...cluster.members.values()][at % 3]!;
    await cluster.settle(replica.propose([put(`k${at}`)], WAIT));
  }
  const before = (await cluster.leader()).replica.store.revision;
  for (const id of ['n1', 'n2', 'n3']) cluster.crash(id);
  await cluster.up();
  for (const { replica } of cluster.members.values()) {
    const view = await cluster.settle(replica.confirm({ type: 'linearizable' }, WAIT));
    t.is(view.revision, before);
    t.is(view.range(all).count, 10);
  }
  t.true(await cluster.converged());
});

test('without a leader: reads of any age are served, others and writes say so at their deadline', async (t) => {
  const cluster = await new Cluster().up();
  const leader = await cluster.leader();
  await cluster.settle(leader.replica.propose([put('a')], WAIT));
  const [lonely] = await cluster.followers();
  await cluster.converged();
  cluster.isolate(lonely!.id);
  await cluster.run(1000);
  t.truthy((await lonely!.replica.confirm({ type: 'any' }, WAIT)).get('a'));
  const age = lonely!.replica.ageMs()!;
  t.true(age >= 1000 && age < 2500, `confirmed ${age} ms ago`);
  t.true(leader.replica.ageMs()! < 200);
  await t.throwsAsync(cluster.settle(lonely!.replica.confirm({ type: 'linearizable' }, { deadlineMs: 300 })), {
    code: 'REPLICA_NO_LEADER',
  });
  await t.throwsAsync(cluster.settle(lonely!.replica.propose([put('b')], { deadlineMs: 300 })), {
    code: 'REPLICA_NO_LEADER',
  });
  const late = lonely!.replica.propose([put('c')], { deadlineMs: 5000 });
  await cluster.run(200);
  cluster.isolate(lonely!.id, false);
  t.like((await cluster.settle(late))[0], { ok: true });
  t.is(lonely!.replica.local().get('b'), undefined);
});

test('a write that was told to be not proposed does not happen later with those that shared its item', async (t) => {
  const cluster = await new Cluster().up();
  const [lonely] = await cluster.followers();
  await cluster.settle(lonely!.replica.propose([put('before')], WAIT));
  cluster.isolate(lonely!.id);
  const early = lonely!.replica.propose([put('early')], { deadlineMs: 300 });
  const late = lonely!.replica.propose([put('late')], { deadlineMs: 5000 });
  await t.throwsAsync(cluster.settle(early), { code: 'REPLICA_NO_LEADER', message: /not proposed/ });
  cluster.isolate(lonely!.id, false);
  t.like((await cluster.settle(late))[0], { ok: true });
  t.true(await cluster.converged());
  t.is(lonely!.replica.local().get('early'), undefined);
  t.truthy(lonely!.replica.local().get('late'));
});

test('a follower that missed more than the log keeps gets a snapshot; its watches read on', async (t) => {
  const cluster = await new Cluster({ settings: { snapshotEntries: 40, trailingEntries: 5 } }).up();
  const leader = await cluster.leader();
  const [slow] = await cluster.followers();
  await cluster.settle(leader.replica.propose([put('a')], WAIT));
  await cluster.settle(slow!.replica.confirm({ type: 'atLeast', revision: 1 }, WAIT));
  const watch = slow!.replica.local().watch({ from: '', to: '\uffff', afterRevision: 1, queueBytesMax: 1_000_000 });
  const revisions: number[] = [];
  const reading = (async () => {
    for (let events = await watch.next(); events !== undefined; events = await watch.next()) {
      revisions.push(...events.map(({ revision }) => revision));
    }
  })();
  cluster.isolate(slow!.id);
  for (let at = 0; at < 120; at++) await cluster.settle(leader.replica.propose([put(`k${at % 7}`, 20_000)], WAIT));
  cluster.isolate(slow!.id, false);
  await cluster.until(() => slow!.replica.local().revision === 121);
  t.true(slow!.log.lines.some(({ message }) => message === 'snapshot installed'));
  await cluster.settle(slow!.replica.propose([put('last')], WAIT));
  await cluster.until(() => revisions.length === 121);
  t.deepEqual(
    revisions,
    Array.from({ length: 121 }, (_, at) => at + 2),
  );
  watch.cancel();
  await reading;
  t.true(await cluster.converged());
  cluster.crash(slow!.id);
  await cluster.start(slow!.id);
  t.true(await cluster.converged(), 'the installed snapshot is what a restart begins with');
});

test('history is compacted by the leader after its retention, on all nodes alike', async (t) => {
  const cluster = await new Cluster({ settings: { retainMs: 3000, compactionIntervalMs: 500 } }).up();
  const { replica } = await cluster.leader();
  for (let at = 0; at < 5; at++) {
    await cluster.settle(replica.propose([put('a')], WAIT));
    await cluster.run(1000);
  }
  await cluster.until(() => [...cluster.members.values()].every((one) => one.replica.local().compactedRevision >= 2));
  const { compactedRevision, revision } = replica.local();
  t.true(compactedRevision < revision, 'what is younger stays');
  t.true(await cluster.converged());
});

test('a learner joins, catches up, is promoted, and is removed again', async (t) => {
  const cluster = await new Cluster({ settings: { snapshotEntries: 20, trailingEntries: 5 } }).up();
  const { replica } = await cluster.leader();
  for (let at = 0; at < 60; at++) await cluster.settle(replica.propose([put(`k${at}`)], WAIT));
  await cluster.start('n4', { joins: true });
  await cluster.settle(replica.addLearner('n4', 'n4:1'));
  t.deepEqual(replica.status().learners, ['n4']);
  await cluster.settle(replica.promote('n4', { deadlineMs: 5000 }));
  t.deepEqual(replica.status().voters.toSorted(), ['n1', 'n2', 'n3', 'n4']);
  t.true(await cluster.converged());
  t.is(cluster.member('n4').replica.local().range(all).count, 60);
  const [follower] = await cluster.followers();
  await t.throwsAsync(() => follower!.replica.remove('n4'), { code: 'REPLICA_NOT_LEADER' });
  await cluster.settle(replica.remove('n4'));
  t.false(replica.status().voters.includes('n4'));
});

test('a clean stop hands leadership over at once', async (t) => {
  const cluster = await new Cluster().up();
  const leader = await cluster.leader();
  const before = cluster.world.nowMs();
  await cluster.settle(leader.replica.stop({ transfer: true }));
  cluster.crash(leader.id);
  const next = await cluster.leader();
  t.not(next.id, leader.id);
  t.true(cluster.world.nowMs() - before < 100, `took ${cluster.world.nowMs() - before} ms`);
  await t.throwsAsync(() => leader.replica.propose([put('a')], WAIT), { code: 'REPLICA_STOPPED' });
});

test('raft.md A3.19: a leader whose disk hangs gives up; a failed sync stops the replica for good', async (t) => {
  const cluster = await new Cluster({ settings: { diskHangMs: 500 } }).up();
  const leader = await cluster.leader();
  leader.disk.faults.syncDelayMs = 100_000;
  void leader.replica.propose([put('a')], WAIT).catch(() => undefined);
  await cluster.until(() => leader.replica.status().role !== 'leader', 3000);
  const next = await cluster.leader();
  t.not(next.id, leader.id);
  t.like((await cluster.settle(next.replica.propose([put('b')], WAIT)))[0], { ok: true });

  const [victim] = (await cluster.followers()).filter(({ id }) => id !== leader.id);
  victim!.disk.faults.failSyncs = 1;
  await cluster.settle(next.replica.propose([put('c')], { deadlineMs: 200 }).catch(() => undefined));
  await cluster.until(() => victim!.fatal !== undefined);
  t.is(victim!.fatal!.code, 'REPLICA_FAILED');
});

test('a full disk stops nothing for good: the leader gives way, and the node goes on when there is space', async (t) => {
  const cluster = await new Cluster({ settings: { diskHangMs: 500, snapshotEntries: 1_000_000 } }).up();
  const leader = await cluster.leader();
  const [writer] = await cluster.followers();
  // Enough to need new segments, so that the disk is asked for space.
  leader.disk.faults.full = true;
  const writes = Array.from({ length: 40 }, (_, at) =>
    writer!.replica.propose([put(`k${at}`, 500_000)], { deadlineMs: 20_000 }),
  );
  const results = await cluster.settle(Promise.all(writes));
  t.true(results.flat().every(({ ok }) => ok));
  leader.disk.faults.full = false;
  await cluster.run(2000);
  t.true(await cluster.converged());
  t.is(leader.fatal, undefined);
  t.log(leader.log.lines.filter(({ level }) => level === 'error').map(({ message }) => message));
});

test('long round trips to a majority stretch the election timeout within its bound; one far member does not', async (t) => {
  const cluster = await new Cluster({ settings: { electionMs: 250 } }).up();
  const leader = await cluster.leader();
  const electionMs = (): number => leader.replica.status().electionMs;
  const [near, far] = await cluster.followers();
  leader.net.rtts.set(far!.id, 90);
  leader.net.rtts.set(near!.id, 1);
  await cluster.run(1000);
  t.is(electionMs(), 250);
  leader.net.rtts.set(near!.id, 60);
  await cluster.run(1000);
  t.is(electionMs(), 600);
  leader.net.rtts.set(near!.id, 5000);
  leader.net.rtts.set(far!.id, 5000);
  await cluster.run(1000);
  t.is(electionMs(), 1000, 'four times what is configured at the most');
  leader.net.rtts.clear();
  await cluster.run(1000);
  t.is(electionMs(), 250);
});
