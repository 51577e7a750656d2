/** The scripts, each the shortest story in which its mistake does harm. */
import type { Script } from './script.ts';

/**
 * Two leaders of one term: a voter answers before its vote is on the disk, loses its power, forgets,
 * and votes again.
 */
export const forgottenVote: Script = {
  async play(stage) {
    const { cluster } = stage;
    const [old, a, b] = stage.roles();
    const term = stage.replica(old).raft.currentTerm;
    // Slow enough that an answer overtakes the disk, quick enough to stand for election.
    for (const name of [a, b]) stage.disk(name).faults.syncDelayMs = 150;
    stage.isolate(old);
    await stage.until(() => stage.leads(a, term) || stage.leads(b, term));
    const [candidate, voter] = stage.leads(a, term) ? [a, b] : [b, a];
    cluster.crash(voter, 'power');
    stage.heal();
    stage.isolate(candidate);
    cluster.start(voter);
    await stage.until(() => stage.leads(old, term) || stage.leads(voter, term));
    stage.heal();
    await stage.pass(2000);
  },
};

/**
 * Raft figure 8: an entry of an old term reaches a majority under a new leader, and is overwritten
 * by a leader whose last entry is of a later term. One entry a message, as in the figure.
 */
export const figureEight: Script = {
  replica: { appendBytesMax: 1 },
  async play(stage) {
    const { cluster } = stage;
    const [s1, a, b] = stage.roles();
    const term = stage.replica(s1).raft.currentTerm;
    const before = stage.replica(s1).raft.log.lastIndex;
    // (a) S1 leads and has an entry that nobody else has.
    stage.isolate(s1);
    stage.create(stage.client(s1), 'lonely');
    await stage.until(() => stage.replica(s1).raft.log.persistedIndex > before, 500);
    cluster.crash(s1, 'power');
    // (b) S3 is elected by S2, and has an entry of its own at the same index.
    await stage.until(() => stage.leads(a, term) || stage.leads(b, term));
    const [s3, s2] = stage.leads(a, term) ? [a, b] : [b, a];
    cluster.network.partition(s2, s3);
    await stage.until(() => stage.replica(s3).raft.log.persistedIndex > before, 500);
    cluster.crash(s3, 'power');
    // (c) S1 is back, leads, and brings its old entry to S2: a majority has it.
    stage.heal();
    cluster.start(s1);
    await stage.until(() => stage.leads(s1, term));
    const oldEntry = before + 1;
    await stage.until(() => (stage.replica(s1).raft.progress.get(s2)?.matchIndex ?? 0) >= oldEntry);
    cluster.network.partition(s1, s2);
    await stage.pass(5);
    cluster.crash(s1, 'power');
    // (d) S3 is back, is elected by S2 for its later term, and overwrites it.
    stage.heal();
    cluster.start(s3);
    await stage.until(() => stage.leads(s3, term) || stage.leads(s2, term));
    await stage.pass(1000);
    cluster.start(s1);
    await stage.pass(3000);
  },
};

/**
 * A create is executed, the object deleted, and the create executed again: the node that asked has
 * not seen the first, for it waits for a snapshot, and asks the next leader.
 */
export const askedTwice: Script = {
  replica: { snapshotEntries: 10, trailingEntries: 1 },
  async play(stage) {
    const { cluster } = stage;
    const [leader, asked, third] = stage.roles();
    const term = stage.replica(leader).raft.currentTerm;
    // The asked node falls behind the log, and gets no snapshot for a while.
    await stage.createMany(asked, 'session', 1);
    cluster.network.refuseBulk(asked, true);
    stage.isolate(asked);
    await stage.createMany(leader, 'behind', 25);
    // Until the links are given up: what they hold back would still arrive.
    await stage.pass(7000);
    stage.heal();
    await stage.until(() => stage.replica(asked).raft.leader === leader);
    await stage.pass(300);
    const { done } = stage.create(stage.client(asked), 'twice');
    const has = (name: string): boolean =>
      stage.replica(name).local().get('/registry/core/configmaps/default/twice') !== undefined;
    await stage.until(() => has(leader) && has(third), 3000);
    await stage.readAndDelete(leader, 'twice');
    cluster.crash(leader, 'process');
    cluster.start(leader);
    await stage.until(() => stage.leads(third, term) || stage.leads(leader, term));
    await stage.pass(500);
    cluster.network.refuseBulk(asked, false);
    await stage.until(done);
    // Whoever finds the object gone makes it anew; it would be in the way of nobody.
    const again = stage.create(stage.client(stage.leader().name), 'twice', 'token-again');
    await stage.until(again.done);
    await stage.pass(2000);
  },
};
