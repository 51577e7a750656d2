/**
 * Whole nodes (src/node/node.ts) on simulated ports, in one process and virtual time. Node 1
 * makes the cluster, the others join it by the path that real nodes take.
 * Owns: the life of each node (its disk, machine and clock outlast its processes), and the checks
 * after every event: consensus invariants, equal states at equal applied index.
 * Imports: ports, std, node, raft, replica's types.
 * Read next: workload.ts (clients), faults.ts (what goes wrong), run.ts (a whole run of a seed).
 */
import { parseNodeConfig, type NodeConfig } from '#src/node/config.ts';
import { createNode, type Node } from '#src/node/node.ts';
import type { Ports } from '#src/ports/ports.ts';
import { createClusterChecker } from '#src/raft/invariants.ts';
import type { Replica, ReplicaMutation, ReplicaSettings } from '#src/replica/replica.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { createWorld, type NodeClock, type World } from './clock.ts';
import { createSimCrypto } from './crypto.ts';
import { createSimDataplane, createSimDataplaneHost, type SimDataplane, type SimDataplaneHost } from './dataplane.ts';
import { createSimDisk, type DiskMedium, type SimDisk } from './disk.ts';
import type { Violation } from './history.ts';
import { createSimHttp, type SimHttp, type SimHttpClient } from './http.ts';
import { createSimLog, type LogLine, type SimLog } from './log.ts';
import { createSimNetwork, type SimNetwork } from './network.ts';
import { createPrng, type Prng } from './prng.ts';
import { createSimRandom } from './random.ts';
import { createSimRuntime, createSimRuntimeHost, loseSandbox, type SimRuntimeHost } from './runtime.ts';
import { createTrace, type Trace } from './trace.ts';

export const apiPort = 6443;
const peerPort = 7443;
/** A process that ended by itself is started again after this, as a supervisor does. */
const restartMs = 500;
const violationsMax = 20;
const filePollMs = 20;
/** What JavaScript says of a broken program, never of a broken world. */
const mistake =
  /Cannot (access|read|set|destructure|convert)|is not (a function|iterable|defined|a constructor)|Assertion/;

export interface SimClusterOptions {
  seed: number;
  nodes: number;
  /** Let every promise settle that can; the embedder's way to yield (test/support/virtual.ts). */
  settle: () => Promise<void>;
  mutations?: readonly ReplicaMutation[];
  replica?: Partial<ReplicaSettings>;
  /** How far the nodes' clocks are apart. Default: not at all. */
  clocks?: { wallOffsetMs: number; driftPpm: number };
  /** The last so many nodes do not join in `up`, but when they are started. */
  late?: number;
}

/** A process of a node. */
export interface Incarnation {
  readonly clock: NodeClock;
  readonly disk: SimDisk;
  readonly log: SimLog;
  readonly dataplane: SimDataplane;
  readonly node: Node;
  stage: 'starting' | 'running' | 'dead';
}

/** One machine and the node on it. */
export interface SimNode {
  readonly name: string;
  readonly host: string;
  readonly config: NodeConfig;
  /** The container engine; it goes on when the node's process dies. */
  readonly engine: SimRuntimeHost;
  readonly dataplaneHost: SimDataplaneHost;
  medium: DiskMedium | undefined;
  incarnations: number;
  /** Undefined while it is down. */
  process: Incarnation | undefined;
  /** Times that the process ended itself. */
  fatals: string[];
}

export interface SimCluster {
  readonly world: World;
  readonly prng: Prng;
  readonly network: SimNetwork;
  readonly trace: Trace;
  readonly nodes: readonly SimNode[];
  readonly violations: Violation[];
  /** Terms that had a leader. */
  readonly leaders: ReadonlyMap<number, string>;
  readonly events: number;
  /** Rare situations met, and how often. */
  readonly marks: ReadonlyMap<string, number>;
  /** Run after every event; they report what they find. */
  readonly checks: (() => void)[];
  node(name: string): SimNode;
  /** Bootstrap and join. Resolves when every node votes or stands by and is ready. */
  up(): Promise<void>;
  start(name: string): void;
  crash(name: string, kind: 'power' | 'process'): void;
  /** A client outside, with the administrator's certificate. */
  client(name: string): AdminClient;
  /** One event and its consequences; false when nothing is left to happen. */
  step(): Promise<boolean>;
  /** Run until it holds; false when it does not within this virtual time. */
  until(holds: () => boolean, withinMs: number): Promise<boolean>;
  report(violation: Violation): void;
}

export interface AdminClient {
  readonly http: SimHttpClient;
  readonly clock: NodeClock;
  readonly authorityPem: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

interface AdminFile {
  authorityPem: string;
  certificatePem: string;
  privateKeyPem: string;
}

export function createSimCluster(options: SimClusterOptions): SimCluster {
  return new Cluster(options);
}

class Cluster implements SimCluster {
  readonly world = createWorld();
  readonly prng: Prng;
  readonly network: SimNetwork;
  readonly trace = createTrace();
  readonly nodes: readonly SimNode[];
  readonly violations: Violation[] = [];
  readonly leaders = new Map<number, string>();
  readonly marks = new Map<string, number>();
  readonly checks: (() => void)[] = [];
  readonly #http: SimHttp;
  readonly #options: SimClusterOptions;
  readonly #checker = createClusterChecker();
  /** Hash of the state at each applied index, by whoever was there first. */
  readonly #hashes = new Map<number, { hash: number; by: string }>();
  readonly #hashedIndex = new Map<Replica, number>();
  #admin: AdminFile | undefined;
  #events = 0;

  constructor(options: SimClusterOptions) {
    this.#options = options;
    this.prng = createPrng(options.seed);
    this.network = createSimNetwork({ world: this.world, prng: this.prng.fork('network') });
    this.network.fabric.observe = ({ from, to, bytes }) => {
      this.trace.text(`${from}>${to}`);
      this.trace.number(bytes);
    };
    this.#http = createSimHttp({ network: this.network });
    this.nodes = Array.from({ length: options.nodes }, (_, i) => simNode(this.world, i + 1));
  }

  get events(): number {
    return this.#events;
  }

  node(name: string): SimNode {
    const found = this.nodes.find((one) => one.name === name);
    if (!found) throw new Fault('SIM_NODE', `there is no node '${name}' in this cluster`, 'never');
    return found;
  }

  async up(): Promise<void> {
    const [first, ...others] = this.nodes;
    if (!first) throw new Fault('SIM_NODES', 'a cluster has at least one node', 'never');
    const early = this.nodes.slice(0, this.nodes.length - (this.#options.late ?? 0));
    this.start(first.name);
    const token = await this.#fileOf(first, 'join-token');
    this.#admin = JSON.parse(await this.#fileOf(first, 'admin.json')) as AdminFile;
    for (const node of others) {
      node.config.join = { server: `https://${first.host}:${apiPort}`, token: token.trim() };
      if (early.includes(node)) this.start(node.name);
    }
    const ready = (): boolean => early.every((node) => isReady(node)) && this.#allVote(early);
    if (!(await this.until(ready, 30_000)))
      throw new Fault('SIM_UP', `the cluster did not come up:\n${this.#tell()}`, 'never');
  }

  /** Every node knows that all have the vote that they will get. */
  #allVote(early: readonly SimNode[]): boolean {
    const count = early.length;
    // As cluster/voters.ts decides: an odd number from three on, at most five.
    const wanted = count <= 3 ? count : Math.min(5, count % 2 === 0 ? count - 1 : count);
    return early.every(({ process }) => {
      const status = process?.node.inspect()?.status();
      return status?.voters.length === wanted && status.appliedIndex === status.lastIndex;
    });
  }

  start(name: string): void {
    const node = this.node(name);
    if (node.process) return;
    node.incarnations += 1;
    const process = this.#spawn(node);
    node.process = process;
    this.trace.text(`start ${name}`);
    process.node.start().then(
      () => {
        if (process.stage === 'starting') process.stage = 'running';
      },
      (error: unknown) => this.#ended(node, process, messageOf(error)),
    );
  }

  #spawn(node: SimNode): Incarnation {
    const { name, host, config, engine, medium } = node;
    const { clocks, mutations, replica } = this.#options;
    const prng = this.prng.fork(`${name}/${node.incarnations}`);
    const skew = this.prng.fork(`${name}/clock`);
    const between = (max: number): number => (max === 0 ? 0 : skew.below(2 * max + 1) - max);
    const clock = this.world.clock({
      wallOffsetMs: between(clocks?.wallOffsetMs ?? 0),
      driftPpm: between(clocks?.driftPpm ?? 0),
    });
    const disk = createSimDisk({ clock, prng: prng.fork('disk'), ...(medium ? { medium } : {}) });
    const log = createSimLog(clock, (line) => this.#checkLine(name, line));
    const dataplane = createSimDataplane(node.dataplaneHost);
    const ports: Ports = {
      clock,
      disk,
      log,
      dataplane,
      random: createSimRandom(prng.fork('random')),
      crypto: createSimCrypto({ clock, prng: prng.fork('crypto') }),
      network: this.network.of(name, clock, host),
      http: this.#http.of(name),
      runtime: createSimRuntime(engine, { clock, node: name }),
    };
    const process: Incarnation = {
      clock,
      disk,
      log,
      dataplane,
      stage: 'starting',
      node: createNode({
        ports,
        config,
        host: { cpuMillis: 8000, memoryBytes: 2 ** 34, pid: node.incarnations },
        manifests: [],
        onFatal: (fault) => this.#ended(node, process, fault.message),
        mark: (mark) => this.marks.set(mark, (this.marks.get(mark) ?? 0) + 1),
        walSegmentBytes: 256 * 1024,
        ...(mutations ? { mutations: new Set(mutations) } : {}),
        ...(replica ? { replica } : {}),
      }),
    };
    return process;
  }

  /** The process ends itself; a supervisor starts it again. */
  #ended(node: SimNode, process: Incarnation, why: string): void {
    if (process.stage === 'dead') return;
    node.fatals.push(why);
    this.trace.text(`fatal ${node.name} ${why}`);
    this.world.after(0, () => {
      if (node.process === process) this.crash(node.name, 'process');
    });
    this.world.after(restartMs, () => this.start(node.name));
  }

  crash(name: string, kind: 'power' | 'process'): void {
    const node = this.node(name);
    const { process } = node;
    if (!process) return;
    this.trace.text(`crash ${name} ${kind}`);
    process.stage = 'dead';
    node.process = undefined;
    node.medium = process.disk.crash(kind);
    process.clock.revoke();
    process.dataplane.crash();
    this.network.crash(name, kind);
    node.engine.listeners.clear();
    if (kind === 'power') for (const id of node.engine.sandboxes.keys()) loseSandbox(node.engine, id);
  }

  client(name: string): AdminClient {
    const admin = this.#admin;
    if (!admin) throw new Fault('SIM_NOT_UP', 'the cluster has no administrator before up()', 'never');
    const clock = this.world.clock();
    this.network.of(name, clock);
    return { http: this.#http.of(name), clock, ...admin };
  }

  async step(): Promise<boolean> {
    let more: boolean;
    try {
      more = this.world.runNext();
      await this.#options.settle();
    } catch (error) {
      // An assertion of some node failed: the process would have ended with it.
      this.report({ kind: 'consensus', message: (error instanceof Error && error.stack) || messageOf(error) });
      return true;
    }
    if (!more) return false;
    this.#events += 1;
    this.trace.number(this.world.nowMs());
    this.#check();
    return true;
  }

  async until(holds: () => boolean, withinMs: number): Promise<boolean> {
    const endMs = this.world.nowMs() + withinMs;
    let over = false;
    const timer = this.world.after(withinMs, () => (over = true));
    await this.#options.settle();
    while (!holds()) {
      if (over || this.world.nowMs() > endMs || !(await this.step())) return false;
    }
    timer.cancel();
    return true;
  }

  report(violation: Violation): void {
    if (this.violations.length >= violationsMax) return;
    // What still holds after the next event is the same finding.
    if (!this.violations.some(({ message }) => message === violation.message)) this.violations.push(violation);
  }

  /** A mistake of ours that somebody caught and lived with; only the log shows it. */
  #checkLine(name: string, { subsystem, message, fields }: LogLine): void {
    const told = Object.values(fields).find((value) => typeof value === 'string' && mistake.test(value));
    if (told === undefined) return;
    this.report({ kind: 'mistake', message: `${name} ${subsystem}: ${message}: ${String(told)}` });
  }

  #check(): void {
    const replicas: Replica[] = [];
    for (const { process } of this.nodes) {
      const replica = process?.node.inspect();
      if (replica) replicas.push(replica);
    }
    const rafts = replicas.map((replica) => replica.raft);
    for (const message of this.#checker.check(rafts)) this.report({ kind: 'consensus', message });
    for (const raft of rafts) {
      if (raft.role !== 'leader' || this.leaders.has(raft.currentTerm)) continue;
      this.leaders.set(raft.currentTerm, raft.id);
      this.trace.text(`leader ${raft.id} ${raft.currentTerm}`);
    }
    for (const replica of replicas) this.#checkHash(replica);
    for (const check of this.checks) check();
  }

  #checkHash(replica: Replica): void {
    const { appliedIndex } = replica.store;
    if (this.#hashedIndex.get(replica) === appliedIndex) return;
    this.#hashedIndex.set(replica, appliedIndex);
    const hash = replica.store.stateHash();
    this.trace.number(hash);
    const known = this.#hashes.get(appliedIndex);
    if (!known) this.#hashes.set(appliedIndex, { hash, by: replica.raft.id });
    else if (known.hash !== hash) {
      const message = `the states of ${known.by} and ${replica.raft.id} differ at applied index ${appliedIndex}`;
      this.report({ kind: 'diverged', message });
    }
  }

  /** What the first node leaves on its disk for its operator. */
  async #fileOf(node: SimNode, path: string): Promise<string> {
    let text: string | undefined;
    const read = async (disk: SimDisk): Promise<void> => {
      if (!(await disk.exists(path))) return;
      const file = await disk.open(path);
      text = new TextDecoder().decode(await file.read(0, await file.size()));
    };
    // A disk that crashes meanwhile never answers: each look is one of its own.
    const look = (): void => {
      if (text !== undefined) return;
      const disk = node.process?.disk;
      if (disk) void read(disk);
      this.world.after(filePollMs, look);
    };
    look();
    if (!(await this.until(() => text !== undefined, 30_000)))
      throw new Fault('SIM_UP', `${node.name} did not write ${path}:\n${this.#tell()}`, 'never');
    return text ?? '';
  }

  #tell(): string {
    return describeNodes(this.nodes);
  }
}

/** The state of every node and the end of its log, for a failure's message. */
export function describeNodes(nodes: readonly SimNode[]): string {
  return nodes
    .map(({ name, process, fatals }) => {
      const replica = process?.node.inspect()?.status();
      const state = replica
        ? `${replica.role} term ${replica.term} leader ${replica.leader} applied ${replica.appliedIndex}/${replica.commitIndex}/${replica.lastIndex}`
        : (process?.stage ?? 'down');
      const lines = (process?.log.lines ?? [])
        .slice(-12)
        .map(
          (line) =>
            `    ${line.atMs.toFixed(1)} ${line.level} ${line.subsystem} ${line.message} ${JSON.stringify(line.fields)}`,
        );
      return [`  ${name} ${state} ${fatals.join('; ')}`, ...lines].join('\n');
    })
    .join('\n');
}

function simNode(world: World, index: number): SimNode {
  const host = `10.0.0.${index}`;
  return {
    name: `n${index}`,
    host,
    config: parseNodeConfig({ name: `n${index}`, api: { host, port: apiPort }, peer: { host, port: peerPort } }),
    engine: createSimRuntimeHost(world),
    dataplaneHost: createSimDataplaneHost(),
    medium: undefined,
    incarnations: 0,
    process: undefined,
    fatals: [],
  };
}

/** Serves, knows a leader and is Ready in the API. */
export function isReady({ process }: SimNode): boolean {
  if (process?.stage !== 'running') return false;
  try {
    return process.node.status().ready;
  } catch (error) {
    if (isFault(error, 'NODE_NOT_STARTED')) return false;
    throw error;
  }
}
