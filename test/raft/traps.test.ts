/** The traps of reference/raft.md A3 that concern the core, by their numbers, and what was found while testing. */
import test from 'ava';

import { RAFT_MUTATIONS } from '#src/raft/raft.ts';
import type { ConfigurationChange, NodeId, SnapshotMeta } from '#src/raft/types.ts';
import { append, configurationOf, core, entry, heartbeat, leader, only, vote } from './core.ts';
import type { Core } from './core.ts';
import { Network } from './network.ts';
import { trap, trapped } from './plant.ts';

const three: NodeId[] = ['n1', 'n2', 'n3'];

function snapshotAt(index: number, term: number, configuration = configurationOf(three)): SnapshotMeta {
  return { index, term, configuration, configurationIndex: 0 };
}

/** A leader whose n3 needs what is compacted away; the first snapshot for it is asked for. */
function leaderWithSlowMember(): Core {
  const one = core({ snapshot: snapshotAt(5, 1), entries: [], term: 1 });
  one.lead('n2');
  one.deliver('n2', one.accept(6));
  one.deliver('n3', one.refuse(5, 0, 0));
  return one;
}

function change(one: Core, wanted: ConfigurationChange): string {
  const proposal = one.raft.proposeConfiguration(wanted);
  return proposal.accepted ? 'accepted' : proposal.reason;
}

// ── 1-3: what is promised is on disk ──────────────────────────────────────────────────────────────

trap('A3.1: a vote leaves when it is on disk, not before', 'vote-not-durable', (t) => {
  const voter = core({ term: 3 });
  voter.syncs = false;
  t.deepEqual(voter.deliver('n2', vote({ term: 4 })), []);
  t.like(voter.held[0]?.hardState, { currentTerm: 4, votedFor: 'n2' });
  t.like(only(voter.sync(), 'voteReply'), [{ to: 'n2', term: 4, granted: true }]);
});

trap('A3.1: entries are acknowledged when they are on disk, and in the order of the writes', 'ack-before-sync', (t) => {
  const follower = core({ term: 1 });
  follower.syncs = false;
  t.deepEqual(follower.deliver('n2', append({ entries: [entry(1, 1)] })), []);
  t.deepEqual(follower.deliver('n2', append({ prevIndex: 1, prevTerm: 1, entries: [entry(2, 1)] })), []);
  t.like(only(follower.sync(1), 'appendReply'), [{ index: 1, rejected: false }]);
  t.like(only(follower.sync(1), 'appendReply'), [{ index: 2, rejected: false }]);
});

test('A3.1: a repeated message is not acknowledged before the first one is on disk', (t) => {
  const follower = core({ term: 1 });
  follower.syncs = false;
  const message = append({ entries: [entry(1, 1)] });
  follower.deliver('n2', message);
  t.deepEqual(follower.deliver('n2', message), []);
  t.is(follower.held.length, 2);
  t.is(only(follower.sync(1), 'appendReply').length, 1);
});

test("A3.1: a candidate's own vote counts when it is on disk", (t) => {
  const only1 = core({ voters: ['n1'] });
  only1.syncs = false;
  only1.timeOut();
  t.is(only1.raft.role, 'candidate');
  only1.sync();
  t.is(only1.raft.role, 'leader');
});

test('A3.1: a vote of an earlier term on disk is no vote of this one', (t) => {
  const candidate = core({ voters: ['n1', 'n2', 'n3'] });
  candidate.syncs = false;
  candidate.campaign('n2');
  const [first] = candidate.held.splice(-1);
  candidate.campaign('n2');
  t.is(candidate.raft.currentTerm, 2);
  candidate.do((raft) => raft.persisted(first?.id ?? 0));
  candidate.deliver('n2', candidate.vote(true));
  t.is(candidate.raft.role, 'candidate');
  candidate.sync();
  t.is(candidate.raft.role, 'leader');
});

trap('A3.2: entries of an older term do not commit by counting', 'commit-old-term-by-counting', (t) => {
  const one = core({ logTerms: [1, 1] });
  one.lead('n2');
  one.deliver('n2', one.accept(2));
  t.is(one.raft.commitIndex, 0);
  one.deliver('n2', one.accept(3));
  t.is(one.raft.commitIndex, 3);
});

trap('A3.3: a leader counts its own copy only after its sync', 'leader-counts-unsynced', (t) => {
  const alone = leader({ voters: ['n1'] });
  alone.syncs = false;
  alone.propose('x');
  t.is(alone.raft.commitIndex, 1);
  alone.sync();
  t.is(alone.raft.commitIndex, 2);

  const one = leader();
  one.syncs = false;
  const sent = one.propose('x');
  t.deepEqual(
    only(sent, 'append').map(({ to }) => to),
    ['n2', 'n3'],
    'the others write meanwhile',
  );
  one.deliver('n2', one.accept(2));
  t.is(one.raft.commitIndex, 1, 'n2 alone is no majority');
  one.deliver('n3', one.accept(2));
  t.is(one.raft.commitIndex, 2, 'the two others are, even before our own disk');
  t.deepEqual(
    one.committed.map(({ index }) => index),
    [1],
    'but what our disk lacks is not applied',
  );
});

// ── 4-5: reads ────────────────────────────────────────────────────────────────────────────────────

trap('A3.4: a read waits until an entry of the term is committed', 'read-before-noop', (t) => {
  const one = core({ logTerms: [1] });
  one.lead('n2');
  one.do((raft) => t.true(raft.readIndex(7)));
  one.tick();
  one.deliver('n2', { type: 'heartbeatReply', term: 2, context: 1 });
  t.deepEqual(one.reads, []);
  one.deliver('n2', one.accept(2));
  one.deliver('n2', { type: 'heartbeatReply', term: 2, context: 1 });
  t.deepEqual(one.reads, [{ id: 7, index: 2 }]);
});

test('A3.5: an answer of an older term confirms no read', (t) => {
  const one = leader();
  one.do((raft) => raft.readIndex(1));
  one.do((raft) => raft.stepDown());
  one.lead('n2');
  one.deliver('n2', one.accept(2));
  one.do((raft) => raft.readIndex(2));
  t.is(one.raft.currentTerm, 2);
  one.deliver('n2', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, []);
  one.deliver('n2', { type: 'heartbeatReply', term: 2, context: 1 });
  t.deepEqual(one.reads, [{ id: 2, index: 2 }], 'and what was asked in the old term is not answered');
});

test('A3.5: a follower does not take an answer of an older term', (t) => {
  const follower = core({ term: 4, logTerms: [4] });
  follower.deliver('n2', heartbeat({ term: 4 }));
  t.like(
    only(
      follower.do((raft) => raft.readIndex(1)),
      'readIndex',
    ),
    [{ to: 'n2', term: 4, id: 1 }],
  );
  follower.deliver('n3', heartbeat({ term: 5 }));
  follower.deliver('n2', { type: 'readIndexReply', term: 4, id: 1, index: 1 });
  t.deepEqual(follower.reads, []);
});

trap(
  'A3.5: an answer to a read of the process before a restart is not taken for one of this',
  'read-answer-of-old-life',
  (t) => {
    const ask = (randomBelow: () => number): { one: Core; id: number } => {
      const one = core({ term: 4, logTerms: [4], randomBelow });
      one.deliver('n2', heartbeat({ term: 4 }));
      const [request] = only(
        one.do((raft) => raft.readIndex(1)),
        'readIndex',
      );
      return { one, id: request?.id ?? 0 };
    };
    const before = ask(() => 3);
    const after = ask(() => 4);
    after.one.deliver('n2', { type: 'readIndexReply', term: 4, id: before.id, index: 1 });
    t.deepEqual(after.one.reads, []);
    after.one.deliver('n2', { type: 'readIndexReply', term: 4, id: after.id, index: 1 });
    t.deepEqual(after.one.reads, [{ id: 1, index: 1 }]);
  },
);

trap(
  'reads: a leader cut off from the majority confirms none; a follower reads through the leader',
  'read-without-quorum',
  (t) => {
    const network = new Network({ voters: three });
    network.elect('n1');
    const through = network.read('n2') ?? 0;
    network.run(2);
    t.is(network.reads.get(through)?.index, 2);
    network.isolate('n1');
    const stale = network.read('n1') ?? 0;
    network.run(60);
    t.not(network.leader?.id, 'n1');
    t.is(network.reads.get(stale)?.index, undefined);
    network.heal();
    network.run(30);
    t.is(network.reads.get(stale)?.index, undefined);
  },
);

test('reads: a lost round is confirmed by a later heartbeat', (t) => {
  const one = leader();
  one.do((raft) => raft.readIndex(1));
  const [again] = only(one.tick(), 'heartbeat');
  t.is(again?.context, 1);
  one.deliver('n3', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, [{ id: 1, index: 1 }]);
});

test('reads: those that wait for an answer are bounded', (t) => {
  const one = leader();
  for (let id = 0; id < 15_000; id += 1) one.do((raft) => raft.readIndex(id));
  one.deliver('n2', { type: 'heartbeatReply', term: 1, context: 20_000 });
  t.is(one.reads.length, 10_000);
});

test('reads: in a joint configuration both majorities confirm', (t) => {
  const one = leader({ voters: ['n1', 'n2'], learners: ['n3'] });
  change(one, { type: 'promote', id: 'n3' });
  one.take();
  one.do((raft) => raft.readIndex(1));
  one.deliver('n3', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, [], 'n1 and n3 are a majority of the new voters only');
  one.deliver('n2', { type: 'heartbeatReply', term: 1, context: 1 });
  t.is(one.reads.length, 1);
});

// ── 7-9: changes of members ───────────────────────────────────────────────────────────────────────

trap('A3.7: no change before an entry of the term is committed, and one at a time', 'change-before-commit', (t) => {
  const one = core({ logTerms: [1] });
  one.lead('n2');
  t.is(change(one, { type: 'addLearner', id: 'n4', address: 'n4' }), 'termNotCommitted');
  one.deliver('n2', one.accept(2));
  t.is(change(one, { type: 'addLearner', id: 'n4', address: 'n4' }), 'accepted');
  t.is(change(one, { type: 'remove', id: 'n3' }), 'changeInFlight');
});

test('A3.7: of two leaders with changes of their own one wins, and the other change is undone (Ongaro 2015)', (t) => {
  const network = new Network({ voters: ['n1', 'n2', 'n3', 'n4'] });
  network.elect('n1');
  network.isolate('n1');
  t.true(network.change('n1', { type: 'remove', id: 'n4' }));
  t.deepEqual(network.raft('n1').configuration.voters, three);
  network.elect('n2');
  t.true(network.change('n2', { type: 'remove', id: 'n1' }));
  network.run(5);
  network.heal();
  // What n1 and n3 had together would have been a majority of the change of n1.
  network.isolate('n2', 'n4');
  network.run(60);
  network.heal();
  network.run(60);
  t.deepEqual(network.leader?.configuration, {
    ...configurationOf(['n2', 'n3', 'n4']),
    removed: ['n1'],
    addresses: { n2: 'n2', n3: 'n3', n4: 'n4' },
  });
});

trap(
  'A3.8: a configuration is in force when it is appended, and undone when it is cut',
  'configuration-not-rolled-back',
  (t) => {
    const follower = core({ term: 1, logTerms: [1] });
    const joint = configurationOf(['n1', 'n2', 'n3', 'n4'], [], three);
    const bytes = new TextEncoder().encode(JSON.stringify(joint));
    const changes = append({
      prevIndex: 1,
      prevTerm: 1,
      entries: [{ index: 2, term: 1, type: 'configuration', data: bytes }],
    });
    follower.deliver('n2', changes);
    t.deepEqual(follower.raft.configuration, joint);
    t.is(follower.raft.log.configurationIndex, 2);
    follower.deliver('n3', append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [entry(2, 2)] }));
    t.deepEqual(follower.raft.configuration, configurationOf(three));
    t.is(follower.raft.log.configurationIndex, 0);
  },
);

test('A3.8: a restarted node goes on with the newest configuration in its log', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.isolate('n1');
  network.change('n1', { type: 'setAddress', id: 'n2', address: 'elsewhere' });
  network.settle();
  network.crash('n1');
  network.restart('n1');
  t.is(network.raft('n1').configuration.addresses['n2'], 'elsewhere');
  network.heal();
  network.elect('n2');
  t.is(network.raft('n1').configuration.addresses['n2'], 'n2');
});

trap(
  'A3.9: a leader that removes itself does not count itself, finishes the change, and hands over',
  'removed-leader-stays',
  (t) => {
    const one = leader();
    one.syncs = false;
    t.is(change(one, { type: 'remove', id: 'n1' }), 'accepted');
    one.take();
    one.deliver('n2', one.accept(2));
    t.is(one.raft.commitIndex, 1, 'n2 is no majority of n2 and n3');
    one.deliver('n3', one.accept(2));
    t.is(one.raft.commitIndex, 2, 'without its own disk');
    t.deepEqual(one.raft.configuration.votersOutgoing, [], 'the end of the change is appended by itself');
    one.deliver('n2', one.accept(3));
    t.is(one.raft.role, 'leader');
    const sent = one.deliver('n3', one.accept(3));
    t.is(one.raft.role, 'follower');
    t.deepEqual(only(sent, 'timeoutNow'), [{ to: 'n2', type: 'timeoutNow', term: 1 }]);
    t.true(
      only(sent, 'append').some(({ commitIndex }) => commitIndex === 3),
      'the others learn that it is committed',
    );
    one.sync();
    one.tick(50);
    t.is(one.raft.role, 'follower', 'and it does not stand again');
  },
);

test('A3.9: a leader that removed itself and hears nobody steps down', (t) => {
  const one = leader();
  change(one, { type: 'remove', id: 'n1' });
  one.take();
  for (const id of ['n2', 'n3']) one.deliver(id, one.accept(2));
  t.deepEqual(one.raft.configuration.voters, ['n2', 'n3']);
  one.tick(30);
  t.is(one.raft.role, 'follower');
});

test('A3.9: a removed leader that alone has the end of the change can come back (thesis §4.2.2)', (t) => {
  const network = new Network({ voters: ['n1', 'n2'] });
  network.elect('n2');
  network.change('n2', { type: 'remove', id: 'n2' });
  // n1 gets the joint configuration, not the one that ends it.
  network.loses = ({ kind, ...rest }) =>
    kind === 'message' && 'message' in rest && rest.message.type === 'append' && network.raft('n2').log.lastIndex > 3;
  network.settle();
  network.crash('n2');
  network.restart('n2');
  t.is(network.raft('n2').configuration.voters.length, 1);
  t.is(network.raft('n1').configuration.votersOutgoing.length, 2);
  network.heal();
  t.true(network.run(100, () => network.leader?.id === 'n1' && network.leader.commitIndex > 4));
});

test('A3.9: removing a member commits what waited for it', (t) => {
  const network = new Network({ voters: ['n1', 'n2', 'n3', 'n4'] });
  network.elect('n1');
  network.crash('n4');
  network.change('n1', { type: 'remove', id: 'n4' });
  network.settle();
  network.crash('n3');
  network.propose('n1', 'two of three');
  network.settle();
  t.is(network.raft('n1').commitIndex, network.raft('n1').log.lastIndex);
});

test('joint consensus: a change that its leader did not finish is finished by the next one', (t) => {
  const network = new Network({ voters: three });
  network.addEmpty('n4');
  network.elect('n1');
  network.change('n1', { type: 'addLearner', id: 'n4', address: 'n4' });
  network.settle();
  network.loses = ({ from }) => from === 'n1' && network.raft('n1').configuration.votersOutgoing.length === 0;
  network.change('n1', { type: 'promote', id: 'n4' });
  network.settle();
  network.crash('n1');
  network.heal();
  t.deepEqual(network.raft('n2').configuration.votersOutgoing, three);
  network.elect('n2');
  t.deepEqual(network.raft('n4').configuration, configurationOf(['n1', 'n2', 'n3', 'n4']));
});

test('bad changes are refused and say why', (t) => {
  const one = leader({ voters: ['n1'], learners: ['n2'] });
  for (const [wanted, message] of [
    [{ type: 'remove', id: 'n1' }, /last voter/],
    [{ type: 'demote', id: 'n1' }, /last voter/],
    [{ type: 'demote', id: 'n2' }, /no voter/],
    [{ type: 'promote', id: 'n9' }, /no learner/],
    [{ type: 'remove', id: 'n9' }, /no member/],
    [{ type: 'addLearner', id: 'n2', address: 'x' }, /member already/],
    [{ type: 'setAddress', id: 'n9', address: 'x' }, /no member/],
  ] as [ConfigurationChange, RegExp][]) {
    t.throws(() => change(one, wanted), { code: 'RAFT_BAD_CHANGE', message });
  }
  t.is(one.raft.log.lastIndex, 1);
});

// ── 10-11: who may disturb, who must vote ─────────────────────────────────────────────────────────

trap('A3.10: a pre-candidate does not raise its term, nor that of others', 'pre-vote-raises-term', (t) => {
  const candidate = core({ term: 3 });
  const asked = only(candidate.timeOut(), 'vote');
  t.like(asked, [
    { to: 'n2', preVote: true, term: 4 },
    { to: 'n3', preVote: true, term: 4 },
  ]);
  candidate.tick(100);
  t.is(candidate.raft.currentTerm, 3);
  const voter = core({ term: 3 });
  t.like(only(voter.deliver('n2', vote({ term: 4, preVote: true })), 'voteReply'), [{ granted: true, term: 4 }]);
  t.is(voter.raft.currentTerm, 3);
  t.is(voter.raft.votedFor, undefined);
});

test('A3.10: a node that comes back from a partition does not depose the leader', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.isolate('n3');
  network.run(100);
  const term = network.raft('n1').currentTerm;
  network.heal();
  network.run(50);
  t.is(network.raft('n1').role, 'leader');
  t.is(network.raft('n3').currentTerm, term);
});

trap('A3.10: votes are refused while a leader is heard, but for a transfer', 'vote-under-live-leader', (t) => {
  const voter = core({ term: 3 });
  voter.deliver('n2', heartbeat({ term: 3 }));
  t.deepEqual(voter.deliver('n3', vote({ term: 9 })), []);
  t.deepEqual(voter.deliver('n3', vote({ term: 4, preVote: true })), []);
  t.is(voter.raft.currentTerm, 3);
  t.like(only(voter.deliver('n3', vote({ term: 4, transfer: true })), 'voteReply'), [{ granted: true }]);
});

test('A3.10: a removed node that was not told disturbs nobody', (t) => {
  const network = new Network({ voters: ['n1', 'n2', 'n3', 'n4'] });
  network.elect('n1');
  network.isolate('n4');
  network.change('n1', { type: 'remove', id: 'n4' });
  network.settle();
  network.heal();
  const { currentTerm } = network.raft('n1');
  network.run(100);
  t.is(network.leader?.id, 'n1');
  t.is(network.raft('n1').currentTerm, currentTerm);
});

for (const [name, cuts] of [
  ['the leader is not heard by anybody', ['n1>n2', 'n1>n3']],
  ['the leader hears nobody', ['n2>n1', 'n3>n1']],
  ['one follower is not heard by the leader', ['n2>n1']],
  ['one follower does not hear the leader', ['n1>n2']],
  ['only one link is left in each direction', ['n1>n2', 'n2>n3', 'n3>n1']],
] as [string, string[]][]) {
  test(`A3.10: a one-way partition ends in a leader that commits: ${name}`, (t) => {
    const network = new Network({ voters: three });
    network.elect('n1');
    for (const cut of cuts) network.cut.add(cut);
    network.run(200);
    const { leader: now } = network;
    if (cuts.length === 3) {
      // Nobody hears two others and is heard by them: no leader can be; but the terms do not run away.
      network.heal();
      network.run(60);
    } else if (now) network.propose(now.id, 'goes on');
    network.run(10);
    t.is(network.leader?.commitIndex, network.leader?.log.lastIndex);
  });
}

test('A3.10: a voter with a higher term and a shorter log is let back in', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.isolate('n3');
  network.propose('n1', 'x');
  network.settle();
  network.drive('n3', (raft) => raft.receive('n1', { type: 'timeoutNow', term: raft.currentTerm }));
  t.is(network.raft('n3').currentTerm, 3);
  network.heal();
  t.true(network.run(100, () => network.raft('n3').log.lastIndex === network.leader?.log.lastIndex));
  t.true((network.leader?.currentTerm ?? 0) > 2);
});

trap('A3.11: a learner that does not know of its promotion votes', 'learner-refuses-vote', (t) => {
  const learner = core({ id: 'n4', learners: ['n4'], term: 2 });
  const [reply] = only(learner.deliver('n2', vote({ term: 3 })), 'voteReply');
  t.true(reply?.granted);
});

test('A3.11: also long after it has lost its leader', (t) => {
  const learner = core({ id: 'n4', learners: ['n4'], term: 2 });
  learner.deliver('n1', heartbeat({ term: 2 }));
  learner.timeOut();
  for (let ticks = 0; ticks < 30; ticks += 1) {
    learner.tick();
    t.false(learner.raft.hearsLeader, `${ticks} ticks after the timeout`);
  }
  t.is(learner.raft.role, 'follower');
});

test('learners: are sent everything, are counted nowhere, and do not stand', (t) => {
  const one = leader({ voters: ['n1', 'n2'], learners: ['n3', 'n4'] });
  for (const id of ['n3', 'n4']) one.deliver(id, one.accept(1));
  t.deepEqual(
    only(one.propose('x'), 'append').map(({ to }) => to),
    ['n2', 'n3', 'n4'],
  );
  for (const id of ['n3', 'n4']) one.deliver(id, one.accept(2));
  t.is(one.raft.commitIndex, 1);
  one.do((raft) => raft.readIndex(1));
  for (const id of ['n3', 'n4']) one.deliver(id, { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, []);
  for (let ticks = 0; ticks < 30; ticks += 1) {
    one.tick();
    for (const id of ['n3', 'n4']) one.deliver(id, { type: 'heartbeatReply', term: 1, context: 1 });
  }
  t.is(one.raft.role, 'follower', 'learners that answer are no quorum');
  const learner = core({ id: 'n3', voters: ['n1', 'n2'], learners: ['n3'] });
  t.deepEqual(learner.tick(100), []);
});

test('check-quorum: a leader that hears no majority steps down after two election timeouts', (t) => {
  const one = leader();
  one.tick(20);
  t.is(one.raft.role, 'leader');
  one.tick();
  t.is(one.raft.role, 'follower');
  t.is(one.raft.leader, undefined);

  const heard = leader();
  for (let ticks = 0; ticks < 60; ticks += 1) {
    heard.tick();
    if (ticks % 10 === 0) heard.deliver('n3', { type: 'heartbeatReply', term: 1, context: 0 });
  }
  t.is(heard.raft.role, 'leader');
});

// ── 14-16: snapshots and overwritten entries ──────────────────────────────────────────────────────

trap(
  'A3.14: a snapshot behind the commit index is not wanted, and the leader hears why',
  'stale-snapshot-installed',
  (t) => {
    const follower = core({ logTerms: [1, 1, 1], commitIndex: 2 });
    let wanted = true;
    const sent = follower.do((raft) => {
      wanted = raft.offersSnapshot('n2', 1, snapshotAt(2, 1));
    });
    t.false(wanted);
    t.like(only(sent, 'appendReply'), [{ to: 'n2', rejected: false, index: 2 }]);
  },
);

test('A3.14: a snapshot of what the log holds already is not wanted: it only says what is committed', (t) => {
  const follower = core({ logTerms: [1, 1, 1] });
  let wanted = true;
  const sent = follower.do((raft) => {
    wanted = raft.offersSnapshot('n2', 1, snapshotAt(2, 1));
  });
  t.false(wanted);
  t.is(follower.raft.commitIndex, 2);
  t.like(only(sent, 'appendReply'), [{ rejected: false, index: 2 }]);
});

test('A3.14: a snapshot of an older term is refused, and its sender learns of the term', (t) => {
  const follower = core({ term: 5 });
  const sent = follower.do((raft) => t.false(raft.offersSnapshot('n2', 4, snapshotAt(9, 4))));
  t.like(only(sent, 'appendReply'), [{ term: 5, rejected: true }]);
  t.is(follower.raft.leader, undefined);
});

test('A3.14: the log behind a snapshot stays when it fits, and goes when it does not', (t) => {
  for (const [logTerms, last] of [
    [[1, 1, 1, 1], 4],
    [[1, 1, 1], 3],
    [[1, 1, 2, 2], 3],
    [[1], 3],
    [[], 3],
  ] as [number[], number][]) {
    const follower = core({ logTerms, term: 2 });
    const meta = snapshotAt(3, 1);
    const sent = follower.do((raft) => raft.snapshotInstalled('n2', meta));
    t.is(follower.raft.log.lastIndex, last, logTerms.join());
    t.is(follower.raft.log.persistedIndex, last);
    t.is(follower.raft.log.firstIndex, 4);
    t.is(follower.raft.commitIndex, 3);
    t.is(follower.raft.appliedIndex, 3);
    t.like(only(sent, 'appendReply'), [{ rejected: false, index: 3 }]);
  }
});

test('A3.14: a snapshot that became old while it was installed changes nothing', (t) => {
  const follower = core({ logTerms: [1, 1, 1, 1], commitIndex: 4, term: 1 });
  const sent = follower.do((raft) => raft.snapshotInstalled('n2', snapshotAt(3, 1)));
  t.is(follower.raft.log.firstIndex, 1);
  t.like(only(sent, 'appendReply'), [{ index: 4 }]);
});

test('A3.14: a node whose snapshot does not name it does not stand', (t) => {
  const follower = core({ term: 1 });
  follower.do((raft) => raft.snapshotInstalled('n2', snapshotAt(3, 1, configurationOf(['n2', 'n3']))));
  t.deepEqual(follower.tick(100), []);
});

test('A3.15: the end of a write says nothing of entries that were overwritten meanwhile', (t) => {
  const follower = core({ term: 1 });
  follower.syncs = false;
  follower.deliver('n2', append({ entries: [entry(1, 1), entry(2, 1)] }));
  follower.deliver('n3', append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [entry(2, 2)] }));
  follower.sync(1);
  t.true(follower.raft.log.persistedIndex <= 1);
  follower.sync(1);
  t.is(follower.raft.log.persistedIndex, 2);
});

trap('A3.15: nor when they were overwritten back (ABA)', 'append-aba', (t) => {
  const follower = core({ term: 1 });
  follower.syncs = false;
  follower.deliver('n2', append({ term: 1, entries: [entry(1, 1), entry(2, 1)] }));
  follower.deliver('n3', append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [entry(2, 2)] }));
  // A leader that has the old entry: what the first write brings is cut by the second before it is back.
  follower.deliver('n2', append({ term: 3, prevIndex: 1, prevTerm: 1, entries: [entry(2, 1), entry(3, 3)] }));
  follower.sync(1);
  t.true(follower.raft.log.persistedIndex <= 1);
  follower.sync();
  t.is(follower.raft.log.persistedIndex, 3);
});

trap('A3.16: a heartbeat never commits more than the member is known to have', 'unclamped-heartbeat-commit', (t) => {
  const one = leader();
  one.propose('x', 'y');
  one.deliver('n2', one.accept(3));
  t.is(one.raft.commitIndex, 3);
  t.deepEqual(
    only(one.tick(), 'heartbeat').map(({ to, commitIndex }) => [to, commitIndex]),
    [
      ['n2', 3],
      ['n3', 1],
    ],
  );
});

trap('A3.16: a late, shorter message cuts nothing', 'truncate-on-stale-append', (t) => {
  const follower = core({ term: 1 });
  follower.deliver('n2', append({ entries: [entry(1, 1), entry(2, 1), entry(3, 1)] }));
  const sent = follower.deliver('n2', append({ entries: [entry(1, 1)] }));
  t.is(follower.raft.log.lastIndex, 3);
  t.like(only(sent, 'appendReply'), [{ rejected: false, index: 1 }]);
});

test('A3.16: a message commits only what it vouches for', (t) => {
  // Entries 2 and 3 are of another leader and will be overwritten.
  const follower = core({ logTerms: [1, 1, 1], term: 2 });
  follower.deliver('n2', append({ term: 2, prevIndex: 1, prevTerm: 1, entries: [], commitIndex: 3 }));
  t.is(follower.raft.commitIndex, 1);
});

test('replication: what a message has beyond our commit index is taken', (t) => {
  const follower = core({ logTerms: [1, 1], commitIndex: 2, term: 1 });
  const sent = follower.deliver('n2', append({ prevIndex: 0, entries: [1, 2, 3, 4].map((i) => entry(i, 1)) }));
  t.is(follower.raft.log.lastIndex, 4);
  t.like(only(sent, 'appendReply'), [{ rejected: false, index: 4 }]);
});

// ── 19, 24, 25: disk, transfer, flow ──────────────────────────────────────────────────────────────

test('A3.19: a leader whose disk hangs gives up, and another one is elected', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.drive('n1', (raft) => raft.stepDown());
  t.is(network.raft('n1').role, 'follower');
  // As the replica does: a node without a disk has no ticks.
  for (let ticks = 0; ticks < 60; ticks += 1) {
    for (const id of ['n2', 'n3']) network.tick(id);
    network.settle();
  }
  t.true(['n2', 'n3'].includes(network.leader?.id ?? ''));
});

test('A3.19: what a deposed leader had to do for its members is not done any more', (t) => {
  const one = leaderWithSlowMember();
  one.do((raft) => raft.snapshotSent('n3', false));
  // In one turn: the snapshot is wanted again, then a newer leader is heard of.
  one.raft.receive('n3', { type: 'heartbeatReply', term: 2, context: 0 });
  one.deliver('n2', heartbeat({ term: 9 }));
  t.is(one.raft.role, 'follower');
  t.deepEqual(
    one.snapshotsFor,
    ['n3'],
    'the first time only: a follower has no snapshots to give in the term of another',
  );
});

trap(
  'A3.24: a transfer waits until the heir has everything; proposals are refused meanwhile',
  'transfer-to-laggard',
  (t) => {
    const one = leader();
    one.propose('x');
    let sent = one.do((raft) => t.true(raft.transferLeadership('n2')));
    t.deepEqual(only(sent, 'timeoutNow'), []);
    t.like(one.raft.propose([new Uint8Array(1)]), { accepted: false, reason: 'transferring' });
    t.is(change(one, { type: 'demote', id: 'n3' }), 'transferring');
    sent = one.deliver('n2', one.accept(2));
    t.deepEqual(only(sent, 'timeoutNow'), [{ to: 'n2', type: 'timeoutNow', term: 1 }]);
  },
);

test('A3.24: a transfer that does not happen ends after an election timeout', (t) => {
  const one = leader();
  one.do((raft) => raft.transferLeadership('n2'));
  one.tick(9);
  t.false(one.raft.propose([new Uint8Array(1)]).accepted);
  one.tick();
  t.true(one.raft.propose([new Uint8Array(1)]).accepted);
});

test('A3.24: the end of a joint change waits for a transfer: an heir that was told to stand has every entry', (t) => {
  const one = leader({ learners: ['n4', 'n5'] });
  t.is(change(one, { type: 'setVoters', voters: ['n1', 'n2', 'n4', 'n5'] }), 'accepted');
  const joint = one.raft.log.lastIndex;
  one.deliver('n2', one.accept(joint));
  const sent = one.do((raft) => t.true(raft.transferLeadership('n2')));
  t.is(only(sent, 'timeoutNow').length, 1);
  one.deliver('n4', one.accept(joint));
  t.is(one.raft.commitIndex, joint);
  t.is(one.raft.log.lastIndex, joint, 'nothing that the heir lacks');
  one.tick(10);
  t.is(one.raft.log.lastIndex, joint + 1, 'the heir did not come: the change goes on');
  t.deepEqual(one.raft.configuration.votersOutgoing, []);
});

test('A3.24: only another voter is an heir', (t) => {
  const one = leader({ learners: ['n4'] });
  for (const id of ['n1', 'n4', 'n9']) t.false(one.raft.transferLeadership(id), id);
});

test('A3.24: a transfer happens within one round, also while the old leader is heard', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.run(3);
  network.drive('n1', (raft) => raft.transferLeadership('n3'));
  network.settle();
  t.is(network.leader?.id, 'n3');
  t.is(network.raft('n1').leader, 'n3');
});

test('A3.25: a full window whose answers were lost opens again', (t) => {
  for (const config of [{ inflightMessagesMax: 2 }, { inflightBytesMax: 2 }]) {
    const one = leader({ config: { ...config, appendBytesMax: 1 } });
    for (const text of ['a', 'b', 'c', 'd']) one.propose(text);
    t.is(one.raft.progress.get('n2')?.nextIndex, 4, 'two of four were sent, none is answered');
    const sent = one.deliver('n2', { type: 'heartbeatReply', term: 1, context: 0 });
    t.like(only(sent, 'append'), [{ to: 'n2', prevIndex: 3, entries: [] }]);
    const more = one.deliver('n2', one.accept(3));
    t.deepEqual(
      only(more, 'append').flatMap(({ entries }) => entries.map(({ index }) => index)),
      [4, 5],
    );
  }
});

trap('A3.25: a last message that was lost is noticed at the next heartbeat', 'no-probe-after-loss', (t) => {
  const network = new Network({ voters: ['n1', 'n2'] });
  network.elect('n1');
  network.loses = ({ from }) => from === 'n1';
  network.propose('n1', 'the last');
  network.settle();
  network.heal();
  network.run(3);
  t.is(network.raft('n1').commitIndex, 3);
});

test('flow: a window bounds what is in flight, by messages', (t) => {
  const one = leader({ config: { inflightMessagesMax: 3 } });
  const sent = ['a', 'b', 'c', 'd', 'e'].flatMap((text) => one.propose(text));
  t.is(only(sent, 'append').filter(({ to }) => to === 'n2').length, 3);
  const more = one.deliver('n2', one.accept(4));
  t.deepEqual(
    only(more, 'append').flatMap(({ entries }) => entries.map(({ index }) => index)),
    [5, 6],
  );
});

test('flow: proposals beyond the uncommitted bytes are refused, also of what an earlier leader left', (t) => {
  const one = core({ logTerms: [1], config: { uncommittedBytesMax: 10 }, entries: [entry(1, 1, '0123456789')] });
  one.lead('n2');
  t.like(one.raft.propose([new Uint8Array(5)]), { accepted: false, reason: 'overloaded' });
  one.deliver('n2', one.accept(2));
  t.true(one.raft.propose([new Uint8Array(8)]).accepted);
  t.like(one.raft.propose([new Uint8Array(5)]), { accepted: false, reason: 'overloaded' });
  one.take();
  one.deliver('n2', one.accept(3));
  t.true(one.raft.propose([new Uint8Array(50)]).accepted, 'one that is too large alone is let through');
});

test('flow: while a snapshot is on its way, a late refusal does not ask for another one', (t) => {
  const one = leaderWithSlowMember();
  t.is(one.raft.progress.get('n3')?.replication.state, 'snapshot');
  const { nextIndex = 0 } = one.raft.progress.get('n3') ?? {};
  for (const index of [5, nextIndex - 1]) one.deliver('n3', one.refuse(index, 0, 0));
  t.is(one.raft.progress.get('n3')?.replication.state, 'snapshot');
  t.deepEqual(one.snapshotsFor, ['n3']);
});

test('flow: a failed snapshot is tried again when the member is heard of, not at once', (t) => {
  const one = leaderWithSlowMember();
  one.do((raft) => raft.snapshotSent('n3', false));
  one.propose('x');
  t.deepEqual(one.snapshotsFor, ['n3']);
  one.deliver('n3', { type: 'heartbeatReply', term: 2, context: 0 });
  t.deepEqual(one.snapshotsFor, ['n3', 'n3']);
});

test('a closed link shortens the wait for an election, but pre-vote decides', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.run(2);
  network.forget('n2');
  network.run(30);
  t.is(network.leader?.id, 'n1', 'n3 still hears it');
  network.crash('n1');
  for (const id of ['n2', 'n3']) network.forget(id);
  t.true(network.run(10, () => network.leader !== undefined));
});

// ── several voters at once, damaged disks, leases ─────────────────────────────────────────────────

trap(
  'joint consensus: several voters change at once, and both majorities are needed until it ends',
  'joint-single-majority',
  (t) => {
    const one = core({ voters: ['n1', 'n2', 'n3'], learners: ['n4', 'n5'] });
    one.lead('n2');
    one.deliver('n2', one.accept(1));
    t.is(change(one, { type: 'setVoters', voters: ['n1', 'n4', 'n5'], reason: 'n2 and n3 are lost' }), 'accepted');
    one.take();
    t.like(one.raft.configuration, {
      voters: ['n1', 'n4', 'n5'],
      votersOutgoing: ['n1', 'n2', 'n3'],
      learners: ['n2', 'n3'],
      reason: 'n2 and n3 are lost',
    });
    one.deliver('n4', one.accept(2));
    one.deliver('n5', one.accept(2));
    t.is(one.raft.commitIndex, 1, 'the old majority is still asked');
    one.deliver('n2', one.accept(2));
    t.is(one.raft.commitIndex, 2);
    t.deepEqual(one.raft.configuration.votersOutgoing, []);
    t.is(one.raft.configuration.reason, 'n2 and n3 are lost');
  },
);

test('changes: removed ids never come back; a reason is bounded; members are known', (t) => {
  const one = core({ voters: ['n1', 'n2', 'n3'] });
  one.lead('n2');
  one.deliver('n2', one.accept(1));
  const refused = (wanted: ConfigurationChange): string =>
    t.throws(() => one.raft.proposeConfiguration(wanted), { code: 'RAFT_BAD_CHANGE' } as object)?.message ?? '';
  t.regex(refused({ type: 'setVoters', voters: ['n1', 'n9'] }), /'n9' is no member/);
  t.regex(refused({ type: 'setVoters', voters: [] }), /cannot decide anything/);
  const nine = Array.from({ length: 9 }, (_, i) => `n${i + 1}`);
  const many = leader({ learners: nine.slice(3) });
  t.throws(() => many.raft.proposeConfiguration({ type: 'setVoters', voters: nine }), { message: /at most 7 voters/ });
  t.is(change(one, { type: 'setVoters', voters: ['n1', 'n2', 'n3', 'n3'] }), 'accepted', 'named twice is named once');
  t.deepEqual(one.raft.configuration.votersOutgoing, [], 'the same voters need no joint configuration');
  one.take();
  one.deliver('n2', one.accept(2));
  t.regex(refused({ type: 'remove', id: 'n3', reason: 'x'.repeat(201) }), /reason of 201 characters; the limit is 200/);
  t.is(change(one, { type: 'remove', id: 'n3' }), 'accepted');
  one.deliver('n2', one.accept(3));
  one.deliver('n2', one.accept(4));
  t.deepEqual(one.raft.configuration.removed, ['n3']);
  t.regex(refused({ type: 'addLearner', id: 'n3', address: 'x' }), /'n3' was removed, and ids never come back/);
});

trap(
  'A3.18: a member that has lost what it acknowledged neither votes nor stands until it is refilled',
  'damaged-member-votes',
  (t) => {
    const network = new Network({ voters: three });
    network.elect('n1');
    network.isolate('n3');
    t.true(network.propose('n1', 'acknowledged'));
    network.settle();
    const index = network.raft('n1').commitIndex;
    t.is(network.member('n2').disk.entries.at(-1)?.index, index, 'on n1 and n2');
    network.crash('n1');
    network.crash('n2');
    t.true(network.member('n2').damage(index));
    network.restart('n2');
    t.true(network.raft('n2').impaired);
    network.heal();
    network.run(80);
    t.is(network.leader, undefined, 'n2 and n3 together have not all that was acknowledged');
    network.restart('n1');
    network.run(80);
    t.is(network.leader?.id, 'n1');
    t.false(network.raft('n2').impaired, 'refilled by the leader');
    t.true(network.raft('n2').log.lastIndex >= index);
  },
);

trap(
  'A3.18: a damaged member takes nothing for committed but what an append vouches for',
  'damaged-member-believes-heartbeat',
  (t) => {
    // Entries 3 and 4 had been replaced by others of term 2 and acknowledged; the disk has only the old ones back.
    const follower = core({ logTerms: [1, 1, 1, 1], term: 2, commitIndex: 4, repairTo: 4 });
    t.is(follower.raft.commitIndex, 0, 'also its own note speaks of entries that may be lost');
    const sent = follower.deliver('n2', heartbeat({ term: 2, commitIndex: 4 }));
    t.deepEqual(follower.committed, []);
    t.like(only(sent, 'appendReply'), [{ rejected: true, impaired: true, hintIndex: 4, hintTerm: 1 }]);
    const entries = [entry(3, 2), entry(4, 2)];
    follower.deliver('n2', append({ term: 2, prevIndex: 2, prevTerm: 1, entries, commitIndex: 4 }));
    t.deepEqual(
      follower.committed.map(({ term }) => term),
      [1, 1, 2, 2],
    );
    t.false(follower.raft.impaired);
  },
);

test('A3.18: what a damaged member had acknowledged in the same term is sent to it again', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  for (const text of ['a', 'b', 'c']) network.propose('n1', text);
  network.settle();
  network.crash('n2');
  t.true(network.member('n2').damage(3));
  network.restart('n2');
  network.run(10);
  t.is(network.leader?.id, 'n1');
  t.is(network.raft('n2').log.lastIndex, network.raft('n1').log.lastIndex);
  t.false(network.raft('n2').impaired);
});

const LEASE = { readMode: 'lease', electionTimeoutTicks: 10, leaseMs: 10 } as const;

/** A leader of three that holds a lease, and the two others. */
function leased(): { network: Network; leader: NodeId; one: NodeId; two: NodeId } {
  const network = new Network({ voters: three, config: LEASE });
  network.run(80, () => network.leader !== undefined);
  network.run(3);
  const leader = network.leader?.id ?? '';
  const [one = '', two = ''] = three.filter((id) => id !== leader);
  return { network, leader, one, two };
}

trap('leases: a leader answers reads without a round while a quorum cannot elect another', 'lease-for-ever', (t) => {
  const { network, leader } = leased();
  network.isolate(leader);
  const under = network.read(leader) ?? 0;
  t.not(network.reads.get(under)?.index, undefined, 'answered at once, also cut off');
  for (let i = 0; i < 10; i += 1) network.tickAll();
  const over = network.read(leader) ?? 0;
  t.is(network.reads.get(over)?.index, undefined, 'the lease is over');
});

trap('A3.6: a lease ends before leadership is handed over', 'lease-through-transfer', (t) => {
  const { network, leader, one } = leased();
  // The old leader hears nothing of what happens.
  network.loses = ({ to }) => to === leader;
  network.drive(leader, (raft) => raft.transferLeadership(one));
  network.settle();
  t.is(network.raft(one).role, 'leader');
  network.propose(one, 'newer');
  network.settle();
  const read = network.read(leader) ?? 0;
  t.is(network.reads.get(read)?.index, undefined);
});

trap(
  'A3.6: who was restarted, or lost its link to the leader, votes only when no lease can be left',
  'vote-within-lease',
  (t) => {
    const { network, leader, one, two } = leased();
    network.isolate(leader);
    network.crash(one);
    network.restart(one);
    network.forget(two);
    for (let i = 0; i < 8; i += 1) {
      network.tickAll();
      network.settle();
    }
    t.is(network.leader?.id, leader);
    network.run(80);
    t.not(network.leader?.id, leader, 'later another is elected all the same');
  },
);

test('ticks: several at once are as many single ones, and none is due before it says so', (t) => {
  const [one, two] = [core({ voters: three }), core({ voters: three })];
  for (let i = 0; i < 40; i += 1) {
    const due = one.raft.ticksUntilDue();
    const sent = one.do((raft) => raft.tick(due));
    const single = Array.from({ length: due }, () => two.tick());
    t.deepEqual(single.slice(0, -1).flat(), [], 'nothing happens before it is due');
    t.deepEqual(single.flat(), sent);
  }
});

test('election timeouts stretch with slow disks and links, within bounds', (t) => {
  const one = core({ voters: three });
  one.raft.setElectionTimeout(1);
  t.is(one.raft.electionTicks, 10);
  one.raft.setElectionTimeout(25);
  t.is(one.raft.electionTicks, 25);
  one.raft.setElectionTimeout(1000);
  t.is(one.raft.electionTicks, 40);
  one.deliver('n2', heartbeat({ term: 1 }));
  t.deepEqual(one.tick(39), [], 'from the next reset on');
});

trap('raft §5.4.1: a vote goes only to a log that is at least as up to date', 'vote-for-shorter-log', (t) => {
  const voter = core({ term: 2, logTerms: [1, 2] });
  t.like(only(voter.deliver('n2', vote({ term: 3, lastLogIndex: 5, lastLogTerm: 1 })), 'voteReply'), [
    { granted: false },
  ]);
  t.like(only(voter.deliver('n3', vote({ term: 4, lastLogIndex: 2, lastLogTerm: 2 })), 'voteReply'), [
    { granted: true },
  ]);
});

test('every mutation of the core has a trap that notices it', (t) => {
  t.deepEqual(
    RAFT_MUTATIONS.filter((mutation) => !trapped.has(mutation)),
    [],
  );
});

test('replication: refusals of what was sent before sending began anew are no news', (t) => {
  const one = leader({ config: { appendBytesMax: 1 } });
  one.deliver('n2', one.accept(1));
  const sent = ['a', 'b', 'c', 'd'].flatMap((text) =>
    only(one.propose(text), 'append').filter(({ to }) => to === 'n2'),
  );
  t.is(sent.length, 4, 'one entry each, all in flight');
  const { generation } = sent[0] ?? {};
  // The first was overtaken by the others: each of them is refused.
  const refusals = sent.slice(1).map(({ prevIndex }) => ({
    ...one.refuse(prevIndex, 1, 1),
    ...(generation === undefined ? {} : { generation }),
  }));
  const probes = refusals.map((refusal) => only(one.deliver('n2', refusal), 'append'));
  t.deepEqual(
    probes.map(({ length }) => length),
    [1, 0, 0],
    'one probe, not everything again for each',
  );
  const newer = probes[0]?.[0]?.generation;
  t.true((newer ?? 0) > (generation ?? 0));
  const answer = { ...one.accept(2), ...(newer === undefined ? {} : { generation: newer }) } as ReturnType<
    typeof one.accept
  >;
  const again = only(one.deliver('n2', answer), 'append').filter(({ to }) => to === 'n2');
  t.deepEqual(
    again.map(({ prevIndex }) => prevIndex),
    [2, 3, 4],
    'answered, the probe opens the window again',
  );
});
