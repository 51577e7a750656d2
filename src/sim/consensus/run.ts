/**
 * One run of a seed in the consensus tier: faults and clients; then a core of the group is mended and must work
 * whatever the rest does (liveness, as TigerBeetle's VOPR demands it), then everything; then the histories are judged.
 * Read next: group.ts, faults.ts, workload.ts, checks.ts.
 */
import { hasQuorum } from '#src/raft/configuration.ts';
import type { NodeId } from '#src/raft/types.ts';
import type { ReplicaMutation } from '#src/replica/replica.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Profile } from '../faults.ts';
import type { Violation } from '../history.ts';
import type { FaultKind, FaultRecord } from './fault-record.ts';
import { GroupFaults } from './faults.ts';
import { SimGroup } from './group.ts';
import { drawKnobs, type Knobs } from './knobs.ts';
import { createGroupWorkload, type GroupWorkload } from './workload.ts';

/** A run, written down: it can be played again as it was, or with parts left out. */
export interface ConsensusCase {
  seed: number;
  profile: Profile;
  knobs: Knobs;
  mutations: ReplicaMutation[];
  /** Undefined: drawn from the seed as the run goes on. */
  faults?: FaultRecord[];
}

/** The embedder's way to run promises; the simulated world has none of its own. */
export interface SimHost {
  /** Run every promise that can run, now. */
  settle(): void;
  /** Call `step`, outside any promise, until it says false. Yields to the real world now and then. */
  loop(step: () => boolean): Promise<void>;
}

export interface ConsensusCounts {
  /** What was delivered to nodes. */
  messages: number;
  timers: number;
  disk: number;
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
  watched: number;
  leaderChanges: number;
  configurations: number;
  committed: number;
  /** Entries judged, histories judged. */
  checks: number;
  registers: number;
  transactions: number;
  /** Leases granted with a lock, kept alive, and run out. */
  locksTaken: number;
  locksKept: number;
  locksLost: number;
  lost: number;
  duplicated: number;
  replayed: number;
  crashes: number;
  snapshotsSaved: number;
  snapshotsInstalled: number;
  tornWrites: number;
}

export interface ConsensusResult {
  seed: number;
  virtualMs: number;
  counts: ConsensusCounts;
  faultsByKind: Partial<Record<FaultKind, number>>;
  marks: Record<string, number>;
  violations: Violation[];
  /** Equal for two runs of one case. */
  traceHash: string;
  /** The run as it happened, faults included. */
  played: ConsensusCase;
  /** Of a run with violations. */
  details: string;
}

/** The faults end after so many events, however little time has passed: many short runs find more than a long one. */
const stepsMax = 300_000;
const formMs = 10_000;
const coreMs = 30_000;
const recoveryMs = 30_000;
const levelMs = 30_000;

export interface CaseOptions {
  seed: number;
  profile?: Profile;
  nodes?: number | undefined;
  safetyMs?: number | undefined;
  mutations?: readonly ReplicaMutation[];
}

export function drawCase({ seed, profile = 'flaky', nodes, safetyMs, mutations = [] }: CaseOptions): ConsensusCase {
  return { seed, profile, knobs: drawKnobs({ seed, profile, nodes, safetyMs }), mutations: [...mutations] };
}

interface Phase {
  /** What is not so when the time is over; undefined: the time itself is what is waited for. */
  demand: string | undefined;
  withinMs: number;
  holds: () => boolean;
}

export async function runConsensus(played: ConsensusCase, host: SimHost): Promise<ConsensusResult> {
  const { seed, knobs, mutations } = played;
  const group = new SimGroup({ seed, knobs, mutations, settle: () => host.settle() });
  const faults = new GroupFaults(group, played.faults);
  const workload = createGroupWorkload(group);
  const phases = phasesOf(group, faults, workload);
  let phase: Phase | undefined;
  let endMs = 0;
  const advance = (): boolean => {
    const next = phases.next();
    if (next.done === true) return false;
    phase = next.value;
    endMs = group.world.nowMs() + phase.withinMs;
    // So that time passes even when nobody has anything to do.
    group.world.after(phase.withinMs, () => undefined);
    return true;
  };
  await host.loop(() => {
    if (group.violations.length > 0) return false;
    if (phase === undefined || phase.holds()) return advance();
    if (group.world.nowMs() < endMs && group.step()) return true;
    if (phase.demand === undefined) return advance();
    group.report({ kind: 'liveness', message: `after ${phase.withinMs} ms ${phase.demand}` });
    return false;
  });
  try {
    if (group.violations.length === 0) workload.judge();
  } catch (error) {
    group.report({ kind: 'mistake', message: (error instanceof Error && error.stack) || messageOf(error) });
  }
  return {
    seed,
    virtualMs: Math.round(group.world.nowMs()),
    counts: countsOf(group, workload),
    faultsByKind: faults.byKind,
    marks: Object.fromEntries([...group.marks].sort(([a], [b]) => (a < b ? -1 : 1))),
    violations: group.violations,
    traceHash: group.trace.digest(),
    played: { ...played, faults: faults.records },
    details: group.violations.length === 0 ? '' : group.describe(),
  };
}

function* phasesOf(group: SimGroup, faults: GroupFaults, workload: GroupWorkload): Generator<Phase, void, void> {
  for (const id of [...group.nodes.keys()]) group.start(id);
  yield { demand: 'no leader was elected', withinMs: formMs, holds: () => group.leader() !== undefined };
  workload.start();
  faults.start();
  yield { demand: undefined, withinMs: group.knobs.safetyMs, holds: () => group.steps > stepsMax };
  faults.stop();

  // What is outside the core stays as broken as it is, for ever.
  const core = drawCore(group);
  if (core.length > 0) {
    faults.healCore(core);
    // Also where no client is left to ask for anything.
    workload.probe();
    yield {
      demand: `the core ${core.join()} does not commit, although nothing is broken in it`,
      withinMs: coreMs,
      holds: coreWorks(group, core),
    };
  }

  faults.heal();
  workload.stop();
  const probe = workload.probe();
  const levelLeader = (): boolean => {
    const raft = group.leader()?.process.replica.raft;
    return (
      raft !== undefined && raft.commitIndex === raft.log.lastIndex && raft.configuration.votersOutgoing.length === 0
    );
  };
  yield {
    demand: 'no leader has committed all it has, although everything is mended',
    withinMs: recoveryMs,
    holds: levelLeader,
  };
  faults.retireStrangers();
  const running = (): boolean =>
    [...group.nodes.values()].every((node) => node.retired || node.process?.replica || isLost(node.fatals));
  yield { demand: 'not every node runs, although everything is mended', withinMs: recoveryMs, holds: running };
  yield { demand: 'clients still wait for answers', withinMs: recoveryMs, holds: () => workload.isIdle() };
  yield { demand: 'a last write did not come to every watcher', withinMs: recoveryMs, holds: probe.done };
  yield {
    demand: 'a request has no answer',
    withinMs: recoveryMs,
    holds: () => {
      const overdue = workload.overdue();
      if (overdue !== undefined) group.report({ kind: 'liveness', message: overdue });
      return workload.isIdle();
    },
  };
  // Nobody keeps them alive any more.
  yield {
    demand: 'leases of clients that are gone have not run out',
    withinMs: recoveryMs,
    holds: () => noLeases(group),
  };
  yield { demand: 'the members have not applied the same', withinMs: levelMs, holds: () => isLevel(group) };
  compareDeeply(group);
}

/** Members of what the newest leader's configuration says, in random order until every known configuration has a quorum. */
function drawCore(group: SimGroup): NodeId[] {
  const prng = group.prng.fork('core');
  const rafts = [...group.nodes.values()].flatMap(({ raft }) => (raft === undefined ? [] : [raft]));
  const configurations = rafts.map(({ configuration }) => configuration).filter(({ voters }) => voters.length > 0);
  const able = [...group.nodes.values()]
    .filter(({ retired, raft, fatals }) => !retired && raft !== undefined && !isLost(fatals))
    .map(({ id }) => id);
  for (let i = able.length - 1; i > 0; i -= 1) {
    const j = prng.below(i + 1);
    [able[i], able[j]] = [able[j]!, able[i]!];
  }
  const core: NodeId[] = [];
  // Who has to be refilled first does not vote until a leader has done so.
  const votes = (id: NodeId): boolean => core.includes(id) && id !== group.knobs.rotten;
  const enough = (): boolean => configurations.every((configuration) => hasQuorum(configuration, votes));
  for (const id of able) {
    if (core.length > 0 && enough()) break;
    core.push(id);
  }
  // A configuration of long ago may have lost its majority for good; it must not be chosen as the measure.
  return enough() ? core : able;
}

/** Its members know of an entry of now that is committed, whoever leads: one outside may do so too, if it can. */
function coreWorks(group: SimGroup, core: readonly NodeId[]): () => boolean {
  const wanted = group.checks.committed + 1;
  return () => {
    const leader = group.leader();
    if (leader === undefined) return false;
    const { raft } = leader.process.replica;
    const { voters } = raft.configuration;
    const { network } = group;
    // From a leader outside the core a way may be cut for ever, and the others have no reason to leave that leader.
    // And what rotted while a node was down may be found out only now.
    const reached = core.filter(
      (id) =>
        voters.includes(id) &&
        !network.isCut(leader.id, id) &&
        !network.isCut(id, leader.id) &&
        !isLost(group.nodes.get(id)?.fatals ?? []),
    );
    if (raft.commitIndex < wanted) return false;
    return reached.every((id) => (group.nodes.get(id)?.process?.replica?.raft.commitIndex ?? 0) >= wanted);
  };
}

function members(group: SimGroup): NodeId[] {
  const configuration = group.leader()?.process.replica.raft.configuration;
  return configuration === undefined ? [] : [...configuration.voters, ...configuration.learners];
}

/** Damage that may hold the newest vote is refused for ever: its operator would let the node join anew. */
function isLost(fatals: readonly string[]): boolean {
  return fatals.at(-1)?.includes('join again under a new name') === true;
}

function isLevel(group: SimGroup): boolean {
  const ids = members(group);
  if (ids.length === 0) return false;
  let level: number | undefined;
  for (const id of ids) {
    const node = group.nodes.get(id);
    if (node?.retired === true || isLost(node?.fatals ?? [])) continue;
    const store = node?.process?.replica?.raft;
    if (store === undefined || store.appliedIndex !== store.commitIndex) return false;
    level ??= store.appliedIndex;
    if (store.appliedIndex !== level) return false;
  }
  return true;
}

function noLeases(group: SimGroup): boolean {
  const store = group.leader()?.process.replica.store;
  return store !== undefined && store.leases.size === 0;
}

/** What came by snapshot and what came by replay must be the same to the last byte. */
function compareDeeply(group: SimGroup): void {
  let first: { id: NodeId; hash: string } | undefined;
  for (const id of members(group)) {
    const store = group.nodes.get(id)?.process?.replica?.store;
    if (store === undefined) continue;
    const hash = store.deepHash();
    for (const alarm of group.nodes.get(id)?.process?.replica?.status().alarms ?? [])
      group.report({ kind: 'diverged', message: `${id} says: ${alarm}` });
    first ??= { id, hash };
    if (first.hash === hash) continue;
    group.report({ kind: 'diverged', message: `the states of ${first.id} and ${id} differ at rest` });
  }
}

function countsOf(group: SimGroup, workload: GroupWorkload): ConsensusCounts {
  const { world, network, checks } = group;
  const { counts, judged } = workload;
  return {
    messages: network.delivered,
    timers: world.timersFired,
    disk: group.diskCompletions,
    acknowledged: counts.acknowledged,
    refused: counts.refused,
    unknown: counts.unknown,
    reads: counts.reads,
    watched: counts.events,
    leaderChanges: Math.max(0, checks.leaders.size - 1),
    configurations: checks.configurations,
    committed: checks.committed,
    checks: checks.done,
    registers: judged.registers,
    transactions: judged.lists,
    locksTaken: workload.locks.counts.taken,
    locksKept: workload.locks.counts.renewed,
    locksLost: workload.locks.counts.lost,
    lost: network.lost.cut + network.lost.drop + network.lost.filter + network.lost.gone,
    duplicated: network.extra.duplicate,
    replayed: network.extra.replay,
    crashes: group.crashes,
    snapshotsSaved: group.told.saved,
    snapshotsInstalled: group.told.installed,
    tornWrites: group.told.torn,
  };
}
