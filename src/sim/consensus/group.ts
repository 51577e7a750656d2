/**
 * Replicas (src/replica) of one group on simulated clocks, disks and a plain network: what a node has below its API
 * server, many times faster than whole nodes. Everything is synchronous between two events.
 * Owns: the life of each node; its disk outlasts its processes.
 * Imports: ports, std, replica, wire's interfaces.
 * Read next: run.ts (a whole run of a seed), checks.ts (judged after every event), faults.ts, workload.ts.
 */
import { createReplica, type Replica, type ReplicaMutation } from '#src/replica/replica.ts';
import type { Raft } from '#src/raft/raft.ts';
import type { NodeId } from '#src/raft/types.ts';
import { isFault, messageOf, type Fault } from '#src/std/fault.ts';
import { createWorld, type NodeClock, type World } from '../clock.ts';
import { createSimDisk, type DiskMedium, type SimDisk } from '../disk.ts';
import type { Violation } from '../history.ts';
import { createSimLog, type SimLog } from '../log.ts';
import { createPrng, type Prng } from '../prng.ts';
import { createSimRandom } from '../random.ts';
import { createTrace, type Trace } from '../trace.ts';
import { GroupChecks } from './checks.ts';
import type { Knobs } from './knobs.ts';
import { createPlainNetwork, type PlainNetwork } from './plain-network.ts';

/** A process that ended by itself is started again after this, as a supervisor does. */
const restartMs = 300;
const violationsMax = 20;
const linesTold = 12;
export const addressOf = (id: NodeId): string => `${id}:1`;

/** A process of a node. */
export interface GroupProcess {
  readonly clock: NodeClock;
  readonly disk: SimDisk;
  readonly log: SimLog;
  /** Undefined while its disk is being read. */
  replica: Replica | undefined;
  dead: boolean;
}

export interface GroupNode {
  readonly id: NodeId;
  medium: DiskMedium | undefined;
  incarnations: number;
  /** Undefined while it is down. */
  process: GroupProcess | undefined;
  /** The newest core it had, for checks of what it holds while it is down. */
  raft: Raft | undefined;
  /** It was once a member and is to be left alone: removed from the group, or its disk is lost. */
  retired: boolean;
  /** Whether its first start came so far that its disk holds the group's beginning. */
  born: boolean;
  /** Of the group's beginning, or made to join later. */
  readonly founder: boolean;
  readonly fatals: string[];
}

export interface GroupOptions {
  seed: number;
  knobs: Knobs;
  /** Run every promise that can run; there is no other event meanwhile. */
  settle: () => void;
  mutations?: readonly ReplicaMutation[];
}

export class SimGroup {
  readonly world: World = createWorld();
  readonly prng: Prng;
  readonly trace: Trace = createTrace();
  readonly network: PlainNetwork;
  readonly nodes = new Map<NodeId, GroupNode>();
  readonly violations: Violation[] = [];
  readonly marks = new Map<string, number>();
  readonly knobs: Knobs;
  readonly checks: GroupChecks;
  readonly #options: GroupOptions;
  readonly #founders: NodeId[];
  readonly #mark = (name: string): void => void this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  /** Processes that were killed or lost their power. */
  crashes = 0;
  #completions = 0;

  constructor(options: GroupOptions) {
    this.#options = options;
    this.knobs = options.knobs;
    this.prng = createPrng(options.seed);
    this.network = createPlainNetwork({ world: this.world, prng: this.prng.fork('network'), trace: this.trace });
    this.network.quality = options.knobs.quality;
    this.#founders = Array.from({ length: options.knobs.voters }, (_, i) => `n${i + 1}`);
    this.checks = new GroupChecks(this);
    for (const id of this.#founders) this.add(id, true);
  }

  /** Of disks, of all processes so far. */
  get diskCompletions(): number {
    let sum = this.#completions;
    for (const { process } of this.nodes.values()) sum += process?.disk.completions ?? 0;
    return sum;
  }

  /** Nodes with a process whose replica takes part. */
  *running(): Generator<GroupNode & { process: GroupProcess & { replica: Replica } }> {
    for (const node of this.nodes.values())
      if (node.process?.replica !== undefined)
        yield node as GroupNode & { process: GroupProcess & { replica: Replica } };
  }

  /** The leader of the newest term, if one leads. */
  leader(): (GroupNode & { process: GroupProcess & { replica: Replica } }) | undefined {
    let best: (GroupNode & { process: GroupProcess & { replica: Replica } }) | undefined;
    for (const node of this.running()) {
      const { raft } = node.process.replica;
      if (raft.role === 'leader' && raft.currentTerm > (best?.process.replica.raft.currentTerm ?? 0)) best = node;
    }
    return best;
  }

  add(id: NodeId, founder: boolean): GroupNode {
    const node: GroupNode = {
      id,
      founder,
      medium: undefined,
      incarnations: 0,
      process: undefined,
      raft: undefined,
      retired: false,
      born: false,
      fatals: [],
    };
    this.nodes.set(id, node);
    return node;
  }

  start(id: NodeId): void {
    const node = this.nodes.get(id);
    if (!node || node.process || node.retired) return;
    node.incarnations += 1;
    this.trace.text(`start ${id}`);
    const process = this.#spawn(node);
    node.process = process;
    const peers = this.network.enter(id, process.clock);
    const { knobs, mutations } = this.#options;
    const founders = this.#founders;
    createReplica({
      ports: {
        clock: process.clock,
        disk: process.disk,
        log: process.log,
        random: createSimRandom(this.prng.fork(`${id}/${node.incarnations}/random`)),
      },
      directory: 'raft',
      clusterId: 'sim',
      self: id,
      peers,
      config: {
        settings: knobs.replica,
        walSegmentBytes: knobs.walSegmentBytes,
        ...(node.founder && !node.born
          ? {
              bootstrap: {
                voters: founders,
                addresses: Object.fromEntries(founders.map((one) => [one, addressOf(one)])),
              },
            }
          : {}),
      },
      ...(mutations ? { mutations: new Set(mutations) } : {}),
      mark: this.#mark,
      onFatal: (fault) => this.#ended(node, process, fault),
    }).then(
      (replica) => {
        if (process.dead) return;
        process.replica = replica;
        node.born = true;
        this.checks.recovered(node, replica.raft);
        node.raft = replica.raft;
        replica.start();
      },
      (error: unknown) => this.#ended(node, process, error),
    );
  }

  #spawn(node: GroupNode): GroupProcess {
    const { clocks, syncMs } = this.knobs;
    const skew = this.prng.fork(`${node.id}/clock`);
    const between = (max: number): number => (max === 0 ? 0 : skew.below(2 * max + 1) - max);
    const clock = this.world.clock({
      wallOffsetMs: between(clocks.wallOffsetMs),
      driftPpm: between(clocks.driftPpm),
    });
    const disk = createSimDisk({
      clock,
      prng: this.prng.fork(`${node.id}/${node.incarnations}/disk`),
      syncMs,
      onCrash: () => {
        this.crash(node.id, 'power');
        this.world.after(restartMs, () => this.start(node.id));
      },
      ...(node.medium ? { medium: node.medium } : {}),
    });
    return { clock, disk, log: createSimLog(clock), replica: undefined, dead: false };
  }

  /** The process ends itself; a supervisor starts it again. */
  #ended(node: GroupNode, process: GroupProcess, error: unknown): void {
    if (process.dead) return;
    const why = messageOf(error);
    node.fatals.push(why);
    const cause = (error as Fault).cause ?? error;
    if (cause instanceof Error && !isFault(cause))
      this.report({ kind: 'consensus', message: `${node.id}: ${cause.stack ?? cause.message}` });
    this.trace.text(`fatal ${node.id} ${why}`);
    this.world.after(0, () => {
      if (node.process === process) this.crash(node.id, 'process');
    });
    this.world.after(restartMs, () => this.start(node.id));
  }

  crash(id: NodeId, kind: 'power' | 'process'): void {
    const node = this.nodes.get(id);
    const process = node?.process;
    if (!node || !process) return;
    this.trace.text(`crash ${id} ${kind}`);
    process.dead = true;
    this.crashes += 1;
    node.process = undefined;
    this.#completions += process.disk.completions;
    node.medium = process.disk.crash(kind);
    process.clock.revoke();
    this.network.leave(id, kind);
  }

  /** One event and its consequences, judged; false when nothing is left to happen. */
  step(): boolean {
    const { settle } = this.#options;
    const { world } = this;
    try {
      if (!world.runNext()) return false;
      settle();
      while (world.inTurn()) {
        world.runNext();
        settle();
      }
      this.checks.afterEvent();
    } catch (error) {
      // An assertion of some node, or a promise nobody waits for, failed: the process would have ended with it.
      this.report({ kind: 'consensus', message: (error instanceof Error && error.stack) || messageOf(error) });
    }
    return true;
  }

  report(violation: Violation): void {
    if (this.violations.length >= violationsMax) return;
    if (!this.violations.some(({ message }) => message === violation.message)) this.violations.push(violation);
  }

  describe(): string {
    return [...this.nodes.values()].map(describeNode).join('\n');
  }
}

function describeNode({ id, process, raft, retired, fatals }: GroupNode): string {
  const where = raft
    ? `${raft.role} term ${raft.currentTerm} leader ${raft.leader} applied ${raft.appliedIndex} commit ${raft.commitIndex} log ${raft.log.firstIndex}..${raft.log.lastIndex} persisted ${raft.log.persistedIndex} voters ${raft.configuration.voters.join()}/${raft.configuration.votersOutgoing.join()} learners ${raft.configuration.learners.join()}`
    : 'never ran';
  const state = process ? (process.replica ? 'running' : 'starting') : retired ? 'retired' : 'down';
  const lines = (process?.log.lines ?? [])
    .slice(-linesTold)
    .map((line) => `      ${line.atMs.toFixed(1)} ${line.subsystem} ${line.message} ${JSON.stringify(line.fields)}`);
  return [`    ${id} ${state}: ${where}`, ...fatals.slice(-3).map((why) => `      ended: ${why}`), ...lines].join('\n');
}
