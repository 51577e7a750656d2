/**
 * The Raft paper (Ongaro and Ousterhout 2014, extended version), sentence by sentence: §5.1 to §5.5, §6,
 * §7 and §8; then chapters 4 and 6 of Ongaro's thesis. Elections here begin with a pre-vote (thesis §9.6); where it matters the test says so.
 */
import test from 'ava';

import { decodeConfiguration, encodeConfiguration, hasQuorum } from '#src/raft/configuration.ts';
import type { Entry, Message, NodeId, SnapshotMeta } from '#src/raft/types.ts';
import { append, configurationOf, core, entry, heartbeat, leader, only, vote } from './core.ts';
import type { Core } from './core.ts';
import { Network } from './network.ts';

const three: NodeId[] = ['n1', 'n2', 'n3'];
const five: NodeId[] = ['n1', 'n2', 'n3', 'n4', 'n5'];

/** One core in each role, all in term 3. */
const roles: [string, () => Core][] = [
  ['follower', () => core({ term: 3 })],
  [
    'candidate',
    () => {
      const one = core({ term: 2 });
      one.campaign('n2');
      return one;
    },
  ],
  ['leader', () => leader({ term: 2 })],
];

// ── §5.1 Raft basics ──────────────────────────────────────────────────────────────────────────────

for (const [role, make] of roles) {
  const newer: Message[] = [
    append({ term: 5 }),
    heartbeat({ term: 5 }),
    vote({ term: 5, transfer: true }),
    { type: 'appendReply', term: 5, rejected: true, index: 0, hintIndex: 0, hintTerm: 0 },
    { type: 'heartbeatReply', term: 5, context: 0 },
    { type: 'voteReply', term: 5, preVote: false, granted: false },
    { type: 'voteReply', term: 5, preVote: true, granted: false },
  ];
  for (const message of newer) {
    const what = message.type === 'voteReply' && message.preVote ? 'refused preVote' : message.type;
    test(`raft §5.1: a ${role} that sees a larger term takes it and follows (${what})`, (t) => {
      const one = make();
      t.is(one.raft.role, role as typeof one.raft.role);
      one.deliver('n2', message);
      t.is(one.raft.currentTerm, 5);
      t.is(one.raft.role, 'follower');
    });
  }
}

for (const [message, answer] of [
  [append({ term: 2, entries: [entry(1, 2)] }), { type: 'appendReply', term: 3, rejected: true }],
  [heartbeat({ term: 2, commitIndex: 1 }), { type: 'appendReply', term: 3, rejected: true }],
  [vote({ term: 2, lastLogIndex: 9, lastLogTerm: 2 }), { type: 'voteReply', term: 3, granted: false }],
] as [Message, Partial<Message>][]) {
  test(`raft §5.1: a request with a stale term is rejected (${message.type})`, (t) => {
    const one = core({ term: 3 });
    const sent = one.deliver('n2', message);
    t.like(
      sent.map((each) => each.message),
      [answer],
    );
    t.is(one.raft.log.lastIndex, 0);
    t.is(one.raft.votedFor, undefined);
  });
}

test('raft §5.1: the current term is stored, and never goes back over a restart', (t) => {
  const one = core({ term: 3 });
  one.syncs = false;
  one.deliver('n2', heartbeat({ term: 7 }));
  t.like(one.held[0]?.hardState, { currentTerm: 7, votedFor: undefined });
  t.is(core({ term: 7, logTerms: [1] }).raft.currentTerm, 7);
});

// ── §5.2 Leader election ──────────────────────────────────────────────────────────────────────────

test('raft §5.2: when servers start up, they begin as followers', (t) => {
  t.is(core().raft.role, 'follower');
  t.is(core({ term: 4, votedFor: 'n1', logTerms: [4] }).raft.role, 'follower');
});

test('raft §5.2: a server remains a follower as long as it hears from a leader', (t) => {
  const one = core({ term: 1 });
  for (let round = 0; round < 20; round += 1) {
    one.tick(9);
    one.deliver('n2', round % 2 === 0 ? heartbeat() : append());
  }
  t.is(one.raft.role, 'follower');
});

test('raft §5.2: leaders send periodic heartbeats to all followers', (t) => {
  const one = leader({ config: { heartbeatTicks: 2 } });
  t.deepEqual(only(one.tick(), 'heartbeat'), []);
  t.deepEqual(
    only(one.tick(), 'heartbeat').map(({ to, term }) => [to, term]),
    [
      ['n2', 1],
      ['n3', 1],
    ],
  );
});

test('raft §5.2: to begin an election a follower increments its term, votes for itself and asks all others', (t) => {
  const one = core({ logTerms: [1, 2], term: 2 });
  t.true(only(one.timeOut(), 'vote').every(({ preVote }) => preVote));
  const asked = only(one.deliver('n2', { type: 'voteReply', term: 3, preVote: true, granted: true }), 'vote');
  t.is(one.raft.role, 'candidate');
  t.is(one.raft.currentTerm, 3);
  t.is(one.raft.votedFor, 'n1');
  const request = vote({ term: 3, lastLogIndex: 2, lastLogTerm: 2 });
  t.deepEqual(asked, [
    { ...request, to: 'n2' },
    { ...request, to: 'n3' },
  ] as typeof asked);
});

for (const [size, granted, refused, want] of [
  [1, 0, 0, 'leader'],
  [3, 1, 0, 'leader'],
  [3, 2, 0, 'leader'],
  [3, 0, 0, 'candidate'],
  [3, 0, 1, 'candidate'],
  [3, 0, 2, 'follower'],
  [5, 1, 0, 'candidate'],
  [5, 2, 0, 'leader'],
  [5, 2, 2, 'leader'],
  [5, 1, 3, 'follower'],
  [5, 1, 2, 'candidate'],
  [4, 1, 0, 'candidate'],
  [4, 2, 0, 'leader'],
  [4, 1, 2, 'follower'],
] as const) {
  test(`raft §5.2: of ${size}, with ${granted} other votes and ${refused} refusals: ${want}`, (t) => {
    const voters = five.slice(0, size);
    const one = core({ voters });
    one.campaign(...voters.slice(1));
    const others = voters.slice(1);
    for (const id of others.slice(0, granted)) one.deliver(id, one.vote(true));
    for (const id of others.slice(others.length - refused)) one.deliver(id, one.vote(false));
    t.is(one.raft.role, want);
  });
}

test('raft §5.2: a vote that comes twice counts once', (t) => {
  const one = core({ voters: five });
  one.campaign('n2', 'n3');
  one.deliver('n2', one.vote(true), one.vote(true), one.vote(true));
  t.is(one.raft.role, 'candidate');
});

test('raft §5.2: votes of an older election do not count', (t) => {
  const one = core();
  one.campaign('n2');
  const old = one.vote(true);
  one.campaign('n2');
  one.deliver('n2', old);
  t.is(one.raft.role, 'candidate');
});

for (const [votedFor, from, granted] of [
  [undefined, 'n2', true],
  ['n2', 'n2', true],
  ['n3', 'n2', false],
  ['n1', 'n2', false],
] as const) {
  test(`raft §5.2: at most one vote a term, first come first served (voted ${votedFor}, ${from} asks)`, (t) => {
    const one = core({ term: 3, ...(votedFor === undefined ? {} : { votedFor }) });
    t.like(only(one.deliver(from, vote({ term: 3 })), 'voteReply'), [{ granted, term: 3 }]);
  });
}

test('raft §5.2: once elected, a leader tells all others at once', (t) => {
  const sent = core().lead('n2');
  t.deepEqual(
    only(sent, 'heartbeat').map(({ to }) => to),
    ['n2', 'n3'],
  );
});

for (const [term, role] of [
  [3, 'follower'],
  [4, 'follower'],
  [2, 'candidate'],
] as const) {
  test(`raft §5.2: a candidate of term 3 that hears a leader of term ${term} is a ${role}`, (t) => {
    const one = core({ term: 2 });
    one.campaign('n2');
    one.deliver('n3', append({ term }));
    t.is(one.raft.role, role);
    t.is(one.raft.leader, role === 'follower' ? 'n3' : undefined);
    t.is(one.raft.currentTerm, Math.max(3, term));
  });
}

test('raft §5.2: after a split vote a candidate times out and begins another election', (t) => {
  const one = core({ voters: five });
  one.campaign('n2', 'n3');
  t.is(one.raft.currentTerm, 1);
  one.campaign('n2', 'n3');
  t.is(one.raft.currentTerm, 2);
  t.is(one.raft.role, 'candidate');
});

test('raft §5.2: election timeouts are drawn from a fixed interval, anew each time', (t) => {
  const seen = new Set<number>();
  for (let draw = 0; draw < 10; draw += 1) {
    const one = core({ randomBelow: (bound) => draw % bound });
    let ticks = 0;
    for (; one.raft.role === 'follower'; ticks += 1) one.tick();
    seen.add(ticks);
  }
  t.deepEqual([...seen], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
});

// ── §5.3 Log replication ──────────────────────────────────────────────────────────────────────────

test('raft §5.3: a command is appended to the log and sent to all others in parallel', (t) => {
  const one = leader();
  const sent = only(one.propose('x'), 'append');
  const message = { term: 1, prevIndex: 1, prevTerm: 1, entries: [entry(2, 1, 'x')], commitIndex: 1 };
  t.like(sent, [
    { to: 'n2', ...message },
    { to: 'n3', ...message },
  ]);
});

test('raft §5.3: a follower takes no proposals, and says who leads', (t) => {
  const one = core({ term: 1 });
  one.deliver('n2', heartbeat());
  t.deepEqual(one.raft.propose([new Uint8Array(1)]), { accepted: false, reason: 'notLeader', leader: 'n2' });
});

for (const [size, acks, committed] of [
  [1, 0, true],
  [3, 0, false],
  [3, 1, true],
  [5, 1, false],
  [5, 2, true],
  [4, 1, false],
  [4, 2, true],
] as const) {
  test(`raft §5.3: of ${size}, an entry that ${acks} others have is ${committed ? '' : 'not '}committed`, (t) => {
    const voters = five.slice(0, size);
    const one = leader({ voters });
    one.propose('x');
    for (const id of voters.slice(1, 1 + acks)) one.deliver(id, one.accept(2));
    t.is(one.raft.commitIndex === 2, committed);
    t.is(one.committed.at(-1)?.index === 2, committed);
  });
}

for (const logTerms of [[], [2], [1, 2], [1]]) {
  test(`raft §5.3: a commit commits all before it, also of earlier leaders (${logTerms.join()})`, (t) => {
    const one = core({ logTerms, term: 2 });
    one.lead('n2');
    one.propose('x');
    one.deliver('n2', one.accept(logTerms.length + 2));
    t.deepEqual(
      one.committed.map(({ term }) => term),
      [...logTerms, 3, 3],
    );
  });
}

test('raft §5.3: the commit index travels with appends; a follower applies in log order', (t) => {
  const one = leader();
  one.propose('x');
  t.true(only(one.deliver('n2', one.accept(2)), 'append').some(({ commitIndex }) => commitIndex === 2));

  const follower = core({ term: 1 });
  follower.deliver('n2', append({ entries: [entry(1, 1), entry(2, 1), entry(3, 1)], commitIndex: 2 }));
  t.deepEqual(
    follower.committed.map(({ index }) => index),
    [1, 2],
  );
  follower.deliver('n2', heartbeat({ commitIndex: 3 }));
  t.deepEqual(
    follower.committed.map(({ index }) => index),
    [1, 2, 3],
  );
});

for (const [prevIndex, prevTerm, rejected] of [
  [0, 0, false],
  [1, 1, false],
  [2, 2, false],
  [1, 2, true],
  [2, 1, true],
  [3, 3, true],
] as const) {
  test(`raft §5.3: a follower with terms 1,2 ${rejected ? 'refuses' : 'takes'} what follows (${prevIndex}, ${prevTerm})`, (t) => {
    const follower = core({ logTerms: [1, 2], term: 2 });
    const sent = follower.deliver('n2', append({ term: 2, prevIndex, prevTerm }));
    t.like(only(sent, 'appendReply'), [{ rejected, index: prevIndex }]);
  });
}

for (const [prevIndex, prevTerm, newTerms, want] of [
  [2, 2, [3], [1, 2, 3]],
  [1, 1, [3, 4], [1, 3, 4]],
  [0, 0, [1], [1, 2]],
  [0, 0, [3], [3]],
  [1, 1, [2, 2], [1, 2, 2]],
] as const) {
  test(`raft §5.3: a log of 1,2 given ${newTerms.join()} after ${prevIndex} becomes ${want.join()}`, (t) => {
    const follower = core({ logTerms: [1, 2], term: 4 });
    follower.deliver('n2', append({ term: 4, prevIndex, prevTerm, entries: entriesAfter(prevIndex, newTerms) }));
    t.deepEqual(follower.logTerms, [...want]);
  });
}

/** Figure 7: the logs that a new leader of term 8 may meet. */
const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
for (const [name, terms] of [
  ['a', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
  ['b', [1, 1, 1, 4]],
  ['c', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
  ['d', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
  ['e', [1, 1, 1, 4, 4, 4, 4]],
  ['f', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
] as [string, number[]][]) {
  test(`raft §5.3, figure 7 (${name}): the leader brings the follower's log to its own, a term at a time`, (t) => {
    const one = core({ logTerms: leaderTerms, term: 7 });
    const follower = core({ id: 'n2', logTerms: terms, term: 7 });
    one.campaign('n3');
    let toFollower = only(one.deliver('n3', one.vote(true)), 'append').filter(({ to }) => to === 'n2');
    let refusals = 0;
    while (toFollower.length > 0) {
      const replies = follower.deliver('n1', ...toFollower);
      refusals += only(replies, 'appendReply').filter(({ rejected }) => rejected).length;
      const sent = one.deliver('n2', ...replies.map(({ message }) => message));
      toFollower = only(sent, 'append').filter(({ to }) => to === 'n2');
    }
    t.deepEqual(follower.logTerms, [...leaderTerms, 8]);
    t.deepEqual(one.logTerms, [...leaderTerms, 8]);
    t.true(refusals <= 2, `${refusals} refusals`);
  });
}

test('raft §5.3: a new leader begins with the index after its last', (t) => {
  const one = core({ logTerms: [1, 1, 2] });
  t.true(only(one.lead('n2'), 'append').every(({ prevIndex, prevTerm }) => prevIndex === 3 && prevTerm === 2));
});

test('raft §5.3: a leader sends again for ever to a follower that does not answer', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.isolate('n3');
  network.propose('n1', 'x');
  network.run(100);
  network.heal();
  network.run(5);
  t.is(network.raft('n3').log.lastIndex, 3);
});

test('raft §5.3: a leader does not overwrite its own log', (t) => {
  const one = leader();
  one.propose('x');
  const before = one.logTerms;
  t.throws(() => one.deliver('n2', append({ prevIndex: 1, prevTerm: 1, entries: [entry(2, 1, 'y')] })), {
    message: /two leaders/,
  });
  t.deepEqual(one.logTerms, before);
});

// ── §5.4 Safety ───────────────────────────────────────────────────────────────────────────────────

for (const [own, lastLogTerm, lastLogIndex, granted] of [
  [[1], 1, 1, true],
  [[1], 1, 2, true],
  [[1, 1], 1, 1, false],
  [[1], 2, 1, true],
  [[1, 1], 2, 1, true],
  [[2], 1, 9, false],
  [[1, 3, 3], 2, 9, false],
  [[1], 0, 0, false],
] as const) {
  test(`raft §5.4.1: a log of terms ${own.join()} ${granted ? 'grants' : 'refuses'} (${lastLogIndex}, ${lastLogTerm})`, (t) => {
    for (const preVote of [false, true]) {
      const voter = core({ logTerms: [...own], term: 3 });
      const [reply] = only(voter.deliver('n2', vote({ term: 4, lastLogTerm, lastLogIndex, preVote })), 'voteReply');
      t.is(reply?.granted, granted);
    }
  });
}

for (const [index, commitIndex] of [
  [1, 0],
  [2, 0],
  [3, 3],
]) {
  test(`raft §5.4.2: only entries of the own term commit by counting (${index} of 1,2,3)`, (t) => {
    const one = core({ logTerms: [1, 2], term: 2 });
    one.lead('n2');
    one.deliver('n2', one.accept(index ?? 0));
    t.is(one.raft.commitIndex, commitIndex ?? 0);
  });
}

test('raft §5.5: a request that comes twice does no harm', (t) => {
  const follower = core({ term: 1 });
  const message = append({ entries: [entry(1, 1), entry(2, 1)], commitIndex: 1 });
  const [once] = follower.deliver('n2', message);
  const [twice] = follower.deliver('n2', message);
  t.is(follower.raft.log.lastIndex, 2);
  t.like(once?.message, { type: 'appendReply', rejected: false, index: 2 });
  t.like(twice?.message, { type: 'appendReply', rejected: false, index: 2 });
});

// ── §6 Cluster membership changes ─────────────────────────────────────────────────────────────────

test('raft §6: agreement needs separate majorities of the old and the new configuration', (t) => {
  const joint = configurationOf(['n3', 'n4', 'n5'], [], three);
  for (const [have, agreed] of [
    [['n1', 'n2', 'n3', 'n4'], true],
    [['n1', 'n2', 'n3'], false],
    [['n3', 'n4', 'n5'], false],
    [['n1', 'n3', 'n4'], true],
    [[], false],
  ] as [NodeId[], boolean][]) {
    t.is(
      hasQuorum(joint, (id) => have.includes(id)),
      agreed,
      have.join(),
    );
  }
});

test('raft §6: entries go to all servers of both configurations, and either may lead', (t) => {
  const joint = configurationOf(['n2', 'n3', 'n4'], [], three);
  for (const id of ['n1', 'n4']) {
    const one = core({ id, snapshot: { index: 0, term: 0, configuration: joint, configurationIndex: 0 } });
    const asked = new Set(only(one.timeOut(), 'vote').map(({ to }) => to));
    t.deepEqual(
      [...asked].toSorted((a, b) => a.localeCompare(b)),
      ['n1', 'n2', 'n3', 'n4'].filter((other) => other !== id),
    );
    for (const kind of [true, false]) {
      for (const from of ['n2', 'n3']) {
        const term = kind ? one.raft.currentTerm + 1 : one.raft.currentTerm;
        one.deliver(from, { type: 'voteReply', term, preVote: kind, granted: true });
      }
    }
    t.is(one.raft.role, 'leader', id);
    t.deepEqual(new Set(one.raft.progress.keys()), asked);
  }
});

test('raft §6: a server always uses the latest configuration in its log, committed or not', (t) => {
  const one = leader();
  one.do((raft) => void raft.proposeConfiguration({ type: 'remove', id: 'n3' }));
  t.is(one.raft.commitIndex, 1);
  t.deepEqual(one.raft.configuration.voters, ['n1', 'n2']);
  t.deepEqual(one.raft.configuration.votersOutgoing, three);
});

test('raft §6: the new configuration alone decides once the joint one is committed', (t) => {
  const one = leader();
  one.do((raft) => void raft.proposeConfiguration({ type: 'remove', id: 'n3' }));
  one.deliver('n2', one.accept(2));
  t.deepEqual(one.raft.configuration.votersOutgoing, []);
  t.deepEqual(one.raft.configuration.voters, ['n1', 'n2']);
  one.deliver('n2', one.accept(3));
  t.is(one.raft.commitIndex, 3);
  t.deepEqual([...one.raft.progress.keys()], ['n2']);
});

test('raft §6: new servers join without a vote until they have caught up', (t) => {
  const network = new Network({ voters: three });
  network.addEmpty('n4');
  network.elect('n1');
  network.propose('n1', 'before');
  network.settle();
  network.change('n1', { type: 'addLearner', id: 'n4', address: 'n4' });
  network.settle();
  t.is(network.raft('n4').log.lastIndex, network.raft('n1').log.lastIndex);
  t.deepEqual(network.raft('n1').configuration.voters, three);
  network.change('n1', { type: 'promote', id: 'n4' });
  network.settle();
  t.deepEqual(network.raft('n4').configuration.voters, ['n1', 'n2', 'n3', 'n4']);
});

test('raft §6: requests for votes are disregarded while a leader is believed to be there', (t) => {
  const one = core({ term: 1 });
  one.deliver('n2', heartbeat());
  t.deepEqual(one.deliver('n3', vote({ term: 9, lastLogTerm: 9, lastLogIndex: 9 })), []);
  t.is(one.raft.currentTerm, 1);
  t.deepEqual(leader().deliver('n3', vote({ term: 9, lastLogTerm: 9, lastLogIndex: 9 })), []);
});

// ── §7 Log compaction ─────────────────────────────────────────────────────────────────────────────

test('raft §7: the leader sends a snapshot when it has discarded the next entry, and goes on from there', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.isolate('n3');
  for (let i = 0; i < 20; i += 1) network.propose('n1', `p${i}`);
  network.settle();
  network.member('n1').takeSnapshot(0);
  t.is(network.raft('n1').log.firstIndex, 23);
  network.heal();
  network.propose('n1', 'after');
  network.run(10);
  t.is(network.raft('n3').log.firstIndex, 23);
  t.deepEqual(network.member('n3').state, network.member('n1').state);
  network.crash('n3');
  network.restart('n3');
  network.run(3);
  t.deepEqual(network.member('n3').state, network.member('n1').state);
});

test('raft §7: a snapshot holds the latest configuration as of its last index', (t) => {
  const one = leader();
  one.do((raft) => void raft.proposeConfiguration({ type: 'setAddress', id: 'n2', address: 'new' }));
  one.deliver('n2', one.accept(2));
  t.is(one.raft.log.configurationAt(1).configuration.addresses['n2'], 'n2');
  t.is(one.raft.log.configurationAt(2).configuration.addresses['n2'], 'new');
  one.raft.compact(2);
  t.is(one.raft.configuration.addresses['n2'], 'new');
  t.is(one.raft.log.configurationAt(2).index, 2);
});

test('raft §7: a snapshot with new information replaces the log; one of a prefix keeps what follows', (t) => {
  const meta: SnapshotMeta = { index: 3, term: 2, configuration: configurationOf(three), configurationIndex: 0 };
  const conflicting = core({ logTerms: [1, 1, 1, 1], term: 2 });
  conflicting.do((raft) => raft.snapshotInstalled('n2', meta));
  t.is(conflicting.raft.log.lastIndex, 3);
  const prefix = core({ logTerms: [1, 1, 2, 2], term: 2 });
  prefix.do((raft) => raft.snapshotInstalled('n2', meta));
  t.is(prefix.raft.log.lastIndex, 4);
});

// ── §8 Client interaction ─────────────────────────────────────────────────────────────────────────

test('raft §8: a leader commits a blank entry at the start of its term', (t) => {
  const one = core({ logTerms: [1] });
  t.true(only(one.lead('n2'), 'append').every(({ entries }) => entries.length === 1 && entries[0]?.type === 'noop'));
  one.deliver('n2', one.accept(2));
  t.is(one.raft.commitIndex, 2);
});

test('raft §8: a leader hears from a majority before it answers a read', (t) => {
  const one = leader({ voters: five });
  const sent = one.do((raft) => t.true(raft.readIndex(1)));
  t.is(only(sent, 'heartbeat').length, 4);
  one.deliver('n2', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, []);
  one.deliver('n3', { type: 'heartbeatReply', term: 1, context: 0 });
  t.deepEqual(one.reads, [], 'what was sent before the read says nothing');
  one.deliver('n3', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, [{ id: 1, index: 1 }]);
});

test('raft §8: a read sees all that was committed before it, whoever is asked', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.propose('n1', 'x');
  network.settle();
  for (const id of three) {
    const read = network.read(id) ?? 0;
    network.settle();
    t.is(network.reads.get(read)?.index, 3, id);
  }
});

// ── Thesis, chapter 4: changes of members ─────────────────────────────────────────────────────────

test('thesis §4.1: requests are taken from a leader and a candidate that the own configuration does not name', (t) => {
  const voter = core({ term: 1 });
  t.like(only(voter.deliver('n9', vote({ term: 2 })), 'voteReply'), [{ to: 'n9', granted: true }]);
  const sent = voter.deliver('n9', append({ term: 2, entries: [entry(1, 2)], commitIndex: 1 }));
  t.like(only(sent, 'appendReply'), [{ to: 'n9', rejected: false, index: 1 }]);
  t.is(voter.raft.leader, 'n9');
});

test('thesis §4.2.1: a new server that does not answer delays nobody, and can be taken out again', (t) => {
  const one = leader();
  one.do((raft) => void raft.proposeConfiguration({ type: 'addLearner', id: 'n4', address: 'n4' }));
  one.deliver('n2', one.accept(2));
  one.propose('x');
  one.deliver('n2', one.accept(3));
  t.is(one.raft.commitIndex, 3);
  one.do((raft) => void raft.proposeConfiguration({ type: 'remove', id: 'n4' }));
  one.deliver('n2', one.accept(4));
  t.deepEqual([one.raft.commitIndex, ...one.raft.progress.keys()], [4, 'n2', 'n3']);
});

test('thesis §4.3: in a joint configuration neither majority alone elects', (t) => {
  const joint = configurationOf(['n1', 'n4', 'n5'], [], three);
  for (const [others, role] of [
    [['n2', 'n3'], 'candidate'],
    [['n4', 'n5'], 'candidate'],
    [['n2', 'n4'], 'leader'],
  ] as [NodeId[], string][]) {
    const one = core({ snapshot: { index: 0, term: 0, configuration: joint, configurationIndex: 0 } });
    one.campaign('n2', 'n4');
    t.is(one.raft.role, 'candidate');
    for (const id of others) one.deliver(id, one.vote(true));
    t.is(one.raft.role, role as typeof one.raft.role, others.join());
  }
});

test('thesis §4.3: several members are exchanged at once, whatever the old ones do afterwards', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  for (const id of ['n4', 'n5']) {
    network.addEmpty(id);
    network.change('n1', { type: 'addLearner', id, address: id });
    network.settle();
  }
  t.true(network.change('n1', { type: 'setVoters', voters: ['n1', 'n4', 'n5'] }));
  network.settle();
  for (const id of ['n2', 'n3']) network.crash(id);
  t.true(network.propose('n1', 'without them'));
  network.settle();
  t.is(network.raft('n4').commitIndex, network.raft('n1').log.lastIndex);
  t.deepEqual(network.raft('n1').configuration.learners, ['n2', 'n3']);
});

test('thesis §4.3: a joint configuration outlives its leader; the next one ends it', (t) => {
  const network = new Network({ voters: three });
  network.elect('n1');
  network.addEmpty('n4');
  network.change('n1', { type: 'addLearner', id: 'n4', address: 'n4' });
  network.settle();
  // The joint one arrives everywhere; the answers do not.
  network.loses = ({ to }) => to === 'n1';
  network.change('n1', { type: 'setVoters', voters: ['n2', 'n3', 'n4'] });
  network.settle();
  network.crash('n1');
  network.heal();
  t.true(network.run(80, () => network.leader?.configuration.votersOutgoing.length === 0));
  t.deepEqual(network.leader?.configuration.voters, ['n2', 'n3', 'n4']);
});

test('thesis §4.3: a configuration without reason and removed ids, as older releases wrote it, is read', (t) => {
  const { reason, removed, ...older } = { ...configurationOf(three), reason: 'x', removed: ['n9'] };
  const bytes = new TextEncoder().encode(JSON.stringify(older));
  t.deepEqual(decodeConfiguration(bytes), older);
  t.deepEqual(decodeConfiguration(encodeConfiguration({ ...older, reason, removed })), { ...older, reason, removed });
});

// ── Thesis, chapter 6: clients and reads ──────────────────────────────────────────────────────────

test('thesis §6.2: a leader that hears no majority for a while steps down, so that its clients go elsewhere', (t) => {
  const one = leader();
  one.tick(20);
  t.is(one.raft.role, 'leader');
  one.tick();
  t.is(one.raft.role, 'follower');
  t.like(one.raft.propose([new Uint8Array(1)]), { accepted: false, reason: 'notLeader', leader: undefined });
  t.false(one.raft.readIndex(1), 'nobody is known to ask');
});

test('thesis §6.4: a read sees what was committed when it came, not what its confirmation waited through', (t) => {
  const one = leader();
  one.do((raft) => t.true(raft.readIndex(1)));
  one.propose('x');
  one.deliver('n2', one.accept(2));
  t.is(one.raft.commitIndex, 2);
  one.deliver('n2', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, [{ id: 1, index: 1 }]);
});

test('thesis §6.4: all reads of a turn share one round, and a later round answers for earlier ones', (t) => {
  const one = leader();
  const sent = one.do((raft) => {
    for (const id of [1, 2, 3]) raft.readIndex(id);
  });
  t.is(only(sent, 'heartbeat').length, 2);
  one.do((raft) => t.true(raft.readIndex(4)));
  one.deliver('n3', { type: 'heartbeatReply', term: 1, context: 2 });
  t.deepEqual(
    one.reads.map(({ id }) => id),
    [1, 2, 3, 4],
  );
});

test('thesis §6.4: a lone voter is its own majority, and learners confirm nothing', (t) => {
  const alone = leader({ voters: ['n1'], learners: ['n2'] });
  alone.do((raft) => t.true(raft.readIndex(1)));
  t.deepEqual(alone.reads, [{ id: 1, index: 1 }]);
  const one = leader({ learners: ['n4'] });
  one.do((raft) => t.true(raft.readIndex(1)));
  one.deliver('n4', { type: 'heartbeatReply', term: 1, context: 1 });
  t.deepEqual(one.reads, []);
});

test('thesis §6.4.1: a lease counts from when the heartbeat was sent, not from when it was answered', (t) => {
  const one = leader({ config: { readMode: 'lease', leaseMs: 100 } });
  const at = (nowMs: number, act: (raft: typeof one.raft) => void): void => {
    one.do((raft) => {
      raft.passTime(nowMs);
      act(raft);
    });
  };
  let context = 0;
  at(1000, (raft) => raft.tick());
  at(1001, (raft) => raft.readIndex(1));
  t.deepEqual(one.reads, [], 'no round is confirmed yet');
  at(1001, () => undefined);
  for (context = 1; one.reads.length === 0; context += 1)
    at(1080, (raft) => raft.receive('n2', { type: 'heartbeatReply', term: 1, context }));
  at(1099, (raft) => raft.readIndex(2));
  t.is(one.reads.length, 2);
  at(1101, (raft) => raft.readIndex(3));
  t.is(one.reads.length, 2, '100 ms after it was sent');
});

function entriesAfter(index: number, terms: readonly number[]): Entry[] {
  return terms.map((term, i) => entry(index + 1 + i, term));
}
