/** A run of random steps from one seed: faults first, then everything heals and the cluster must go on. */
import { decodeConfiguration, membersOf } from '#src/raft/configuration.ts';
import type { Raft, RaftMutation } from '#src/raft/raft.ts';
import type { Configuration, ConfigurationChange, NodeId, Role } from '#src/raft/types.ts';
import { isFault } from '#src/std/fault.ts';
import type { Member } from './member.ts';
import { Network } from './network.ts';
import type { NetworkOptions } from './network.ts';

/** Ticks after which a healed cluster must have converged: a few elections and a snapshot for each. */
const CONVERGE_TICKS = 400;

export interface RunOptions {
  seed: number;
  steps: number;
  mutations?: RaftMutation[];
  /** Damaged disks may also show a log that had been cut. */
  formerLogs?: boolean;
  /** For those who look on (test/raft/model). */
  started?: NetworkOptions['started'];
}

/** What happened, for coverage. */
export type Marks = Map<string, number>;

/** Throws what went wrong, with the seed. */
export function randomRun(
  { seed, steps, mutations = [], formerLogs = false, started }: RunOptions,
  marks: Marks = new Map(),
): Network {
  const size = [1, 2, 3, 3, 3, 5][seed % 6] ?? 3;
  const voters = Array.from({ length: size }, (_, i) => `n${i + 1}`);
  // Small bounds, so that short runs meet them.
  const electionTimeoutTicks = 3 + (seed % 7);
  const lease = seed % 5 === 0;
  const config = {
    electionTimeoutTicks,
    ...(lease ? ({ readMode: 'lease', leaseMs: electionTimeoutTicks } as const) : {}),
    inflightMessagesMax: 3,
    appendBytesMax: 40,
    inflightBytesMax: 120,
    uncommittedBytesMax: 400,
  };
  const mark = (name: string): void => void marks.set(name, (marks.get(name) ?? 0) + 1);
  const network = new Network({ voters, seed, config, mutations, started, mark });
  const run = new RandomRun(network, marks, { lease, formerLogs });
  try {
    for (let i = 0; i < steps; i += 1) run.step();
    run.converge();
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  return network;
}

class RandomRun {
  readonly #network: Network;
  readonly #marks: Marks;
  readonly #formerLogs: boolean;
  readonly #rates: { name: string; weight: number; act: () => void }[];
  readonly #seen = new Map<NodeId, { raft: Raft; role: Role; firstIndex: number; lastIndex: number; joint: boolean }>();
  #proposals = 0;
  /** Of nodes not yet members. Ids are never used twice. */
  #spare = ['s1', 's2', 's3', 's4'];

  constructor(network: Network, marks: Marks, options: { lease: boolean; formerLogs: boolean }) {
    this.#formerLogs = options.formerLogs;
    this.#network = network;
    this.#marks = marks;
    const { prng } = network;
    const { lease } = options;
    // Each run draws which faults it has, and how often.
    const sometimes = (weight: number): number => (prng.chance(0.6) ? weight * (0.2 + prng.below(100) / 50) : 0);
    this.#rates = [
      { name: 'deliver', weight: 40, act: () => this.#deliver(false) },
      { name: 'sync', weight: 25, act: () => void this.#some().sync() },
      { name: 'apply', weight: 12, act: () => void this.#some().apply(1 + prng.below(4)) },
      // Leases rest on clocks that run alike; all else has to stand any clock.
      lease
        ? { name: 'tick all', weight: 6 + prng.below(10), act: () => network.tickAll() }
        : { name: 'tick', weight: 14 + prng.below(30), act: () => network.tick(this.#some().id) },
      { name: 'propose', weight: 4, act: () => this.#propose() },
      { name: 'read', weight: sometimes(2), act: () => void network.read(this.#some().id) },
      { name: 'repeat', weight: sometimes(3), act: () => this.#deliver(true) },
      { name: 'lose', weight: sometimes(4), act: () => this.#lose() },
      { name: 'crash', weight: sometimes(1), act: () => this.#crash() },
      { name: 'restart', weight: 0.8, act: () => this.#restart() },
      { name: 'damage', weight: sometimes(options.formerLogs ? 1.5 : 0.4), act: () => this.#damage() },
      { name: 'isolate', weight: sometimes(0.7), act: () => network.isolate(this.#some().id) },
      { name: 'depose', weight: sometimes(0.5), act: () => this.#depose() },
      { name: 'oneWay', weight: sometimes(0.5), act: () => this.#cutOneWay() },
      { name: 'heal', weight: 0.6, act: () => network.heal() },
      { name: 'unreachable', weight: sometimes(0.5), act: () => this.#unreachable() },
      { name: 'snapshot', weight: sometimes(1), act: () => this.#some().takeSnapshot(prng.below(4)) },
      { name: 'transfer', weight: sometimes(0.5), act: () => this.#transfer() },
      {
        name: 'stepDown',
        weight: sometimes(0.2),
        act: () => network.drive(this.#some().id, (raft) => raft.stepDown()),
      },
      { name: 'change', weight: sometimes(2), act: () => this.#change() },
      { name: 'quiet', weight: sometimes(1), act: () => void network.run(1 + prng.below(20)) },
    ];
  }

  step(): void {
    const total = this.#rates.reduce((sum, { weight }) => sum + weight, 0);
    let at = (this.#network.prng.uint32() / 2 ** 32) * total;
    const rate = this.#rates.find(({ weight }) => (at -= weight) < 0);
    rate?.act();
    this.#network.check();
    if (rate) this.#mark(rate.name);
    this.#observe();
  }

  /** Everybody is back and nothing is lost any more: one leader, and all members have the same. */
  converge(): void {
    const network = this.#network;
    network.heal();
    for (const member of network.members.values()) if (!member.up) member.start();
    let proposedIn = 0;
    const done = network.run(CONVERGE_TICKS, () => {
      const { leader } = network;
      if (!leader || leader.commitIndex < leader.log.lastIndex) return false;
      if (leader.configuration.votersOutgoing.length > 0) return false;
      if (proposedIn !== leader.currentTerm) {
        if (network.propose(leader.id, 'the last')) proposedIn = leader.currentTerm;
        return false;
      }
      return membersOf(leader.configuration).every((id) => network.raft(id).appliedIndex === leader.log.lastIndex);
    });
    if (!done) throw new Error(`not converged after ${CONVERGE_TICKS} ticks: ${describe(network)}`);
    const { leader } = network;
    const states = leader ? membersOf(leader.configuration).map((id) => network.member(id).state.join()) : [];
    if (new Set(states).size !== 1) throw new Error('the members applied different entries');
  }

  /** What the steps brought about. */
  #observe(): void {
    for (const { id, raft } of this.#network.members.values()) {
      if (!raft) continue;
      const before = this.#seen.get(id);
      const { role, log, configuration } = raft;
      const [firstIndex, lastIndex, joint] = [log.firstIndex, log.lastIndex, configuration.votersOutgoing.length > 0];
      this.#seen.set(id, { raft, role, firstIndex, lastIndex, joint });
      if (before?.raft !== raft) continue;
      if (role === 'leader' && before.role !== 'leader') this.#mark(joint ? 'elected in a joint one' : 'elected');
      if (lastIndex < before.lastIndex) this.#mark('truncated');
      if (role === 'follower' && firstIndex > before.lastIndex + 1) this.#mark('installed');
      if (before.joint && !joint) this.#mark(log.configurationIndex < before.lastIndex ? 'rolled back' : 'left joint');
    }
  }

  #mark(name: string): void {
    this.#marks.set(name, (this.#marks.get(name) ?? 0) + 1);
  }

  #some(): ReturnType<Network['member']> {
    const ids = [...this.#network.members.keys()];
    return this.#network.member(ids[this.#network.prng.below(ids.length)] ?? '');
  }

  /** Mostly in order, as a connection would; any order at times. */
  #deliver(repeated: boolean): void {
    const { bag, prng } = this.#network;
    if (bag.length === 0) return;
    this.#network.deliver(prng.chance(0.7) ? 0 : prng.below(bag.length), repeated);
  }

  #lose(): void {
    const { bag, prng } = this.#network;
    const at = prng.below(Math.max(1, bag.length));
    if (bag[at]?.kind === 'message') bag.splice(at, 1);
  }

  #propose(): void {
    const { prng } = this.#network;
    const leader = this.#someLeader();
    if (!leader) return;
    this.#proposals += 1;
    if (!this.#network.propose(leader.id, `p${this.#proposals}${'.'.repeat(prng.below(30))}`)) this.#mark('refused');
  }

  /** Mostly the real one; also one that does not know yet that it is deposed. */
  #someLeader(): Raft | undefined {
    const { members, prng } = this.#network;
    const leaders = [...members.values()].flatMap(({ raft }) => (raft?.role === 'leader' ? raft : []));
    return leaders[prng.below(Math.max(1, leaders.length))];
  }

  /** The leader is cut off and goes on alone; the others believe that it is gone. */
  #depose(): void {
    const network = this.#network;
    const { leader } = network;
    if (!leader) return;
    network.isolate(leader.id);
    for (const id of network.members.keys()) if (id !== leader.id) network.forget(id);
  }

  #crash(): void {
    const member = this.#some();
    if (member.up) this.#network.crash(member.id, this.#network.prng.below(member.writes.length + 1));
  }

  /** At most a minority has damaged disks at a time: two copies of everything acknowledged are enough, none is not. */
  #damage(): void {
    const { members, prng } = this.#network;
    const damaged = this.#damaged();
    const configurations = [...members.values()].flatMap(configurationsOf);
    const smallest = Math.min(...configurations.flatMap(voterCounts));
    // A change that only some know of may leave a damaged one without the others that it needs.
    const changing =
      new Set(configurations.map(({ voters, votersOutgoing }) => `${voters.join()}/${votersOutgoing.join()}`)).size > 1;
    if (changing || 2 * (damaged.length + 1) >= smallest) return;
    const member = this.#some();
    if (this.#formerLogs && prng.chance(0.5)) {
      if (member.damageToFormer()) this.#mark('damaged to a former log');
      return;
    }
    if (!member.up && member.damage(Math.max(2, (member.disk.entries.at(-1)?.index ?? 0) - prng.below(6))))
      this.#mark('damaged');
  }

  /** Also one that is refilled and has not taken back its note: it would be impaired again after a restart. */
  #damaged(): unknown[] {
    return [...this.#network.members.values()].filter((one) => one.disk.repairTo > 0);
  }

  #restart(): void {
    const member = this.#some();
    if (!member.up) this.#network.restart(member.id);
  }

  #cutOneWay(): void {
    const [from, to] = [this.#some().id, this.#some().id];
    if (from !== to) this.#network.cut.add(`${from}>${to}`);
  }

  #unreachable(): void {
    const to = this.#some().id;
    this.#network.drive(this.#some().id, (raft) => raft.unreachable(to));
  }

  #transfer(): void {
    const { leader } = this.#network;
    const to = this.#some().id;
    if (leader && this.#network.drive(leader.id, (raft) => raft.transferLeadership(to))) this.#mark('transferring');
  }

  #change(): void {
    const leader = this.#someLeader();
    // Fewer voters may leave a damaged one without the others that it needs.
    if (!leader || this.#damaged().length > 0) return;
    const change = this.#anyChange(leader.configuration.learners.length > 0);
    try {
      if (!this.#network.change(leader.id, change)) return;
      this.#mark(change.type);
      if ('id' in change && change.id === leader.id) this.#mark(`${change.type} the leader`);
    } catch (error) {
      if (!isFault(error, 'RAFT_BAD_CHANGE')) throw error;
    }
  }

  #anyChange(hasLearners: boolean): ConfigurationChange {
    const { network, id } = { network: this.#network, id: this.#some().id };
    const draw = network.prng.below(hasLearners ? 7 : 5);
    if (draw === 0) return { type: 'demote', id };
    if (draw === 1) return { type: 'remove', id };
    if (draw === 2) return { type: 'setAddress', id, address: `${id}:${network.prng.below(100)}` };
    if (draw === 3) return { type: 'addLearner', id: this.#nextSpare() ?? id, address: id };
    if (draw === 4) {
      const members = network.leader ? membersOf(network.leader.configuration) : [id];
      return { type: 'setVoters', voters: members.filter(() => network.prng.chance(0.6)), reason: 'at random' };
    }
    const learners = network.leader?.configuration.learners ?? [];
    return { type: 'promote', id: learners[network.prng.below(Math.max(1, learners.length))] ?? id };
  }

  #nextSpare(): NodeId | undefined {
    const id = this.#spare.shift();
    if (id !== undefined) this.#network.addEmpty(id);
    return id;
  }
}

/** Every configuration that may still come into force through this member's log. */
function configurationsOf({ raft, disk }: Member): Configuration[] {
  const logged = disk.entries
    .filter(({ type }) => type === 'configuration')
    .map(({ data }) => decodeConfiguration(data));
  const newest = [...(disk.snapshot ? [disk.snapshot.meta.configuration] : []), ...logged].slice(-1);
  return [...newest, ...(raft ? [raft.configuration] : [])].filter(({ voters }) => voters.length > 0);
}

function voterCounts({ voters, votersOutgoing }: Configuration): number[] {
  return votersOutgoing.length > 0 ? [voters.length, votersOutgoing.length] : [voters.length];
}

function describe(network: Network): string {
  const nodes = [...network.members.values()].map(({ id, raft, installing, writes }) => {
    if (!raft) return `${id} down`;
    const { role, currentTerm, commitIndex, appliedIndex, log, leader } = raft;
    const progress = [...raft.progress].map(([to, p]) => `${to}:${p.matchIndex}/${p.nextIndex} ${p.replication.state}`);
    return `${id} ${role} term ${currentTerm} leader ${leader} first ${log.firstIndex} last ${log.lastIndex} (term ${log.lastTerm}) commit ${commitIndex} applied ${appliedIndex} ${installing ? 'installing' : ''} writes ${writes.length} ${JSON.stringify(raft.configuration.voters)}${JSON.stringify(raft.configuration.votersOutgoing)}@${log.configurationIndex} ${progress.join(',')}`;
  });
  return nodes.join(' | ');
}
