/**
 * What goes wrong in a group: drawn as the run goes on, or played from a list of records. Every decision is recorded,
 * so that a run can be repeated with some of them left out.
 * Read next: fault-record.ts, knobs.ts (which kinds a run has), shrink.ts.
 */
import type { NodeId } from '#src/raft/types.ts';
import type { Prng } from '../prng.ts';
import type { FaultKind, FaultRecord } from './fault-record.ts';
import { addressOf, type GroupProcess, type SimGroup } from './group.ts';
import { calmQuality } from './plain-network.ts';

const leaderChance = 0.5;
const maxSlowSyncMs = 400;
const maxWallJumpMs = 20_000;
const maxDriftPpm = 100_000;
const maxSpaceBytes = 200_000;
const maxCallsToCrash = 60;
const flapEveryMs = 60;
/** Longer than the log waits with its note. */
const quietMs = 120;
const rotReachBytes = 8 * 1024;
const restartMs = 50;
const promoteDeadlineMs = 3000;
/** A removed node is left alone so long, then ends for good. */
const removedLivesMs = 2000;
const membersMax = 9;
/** Nodes that there can be in all of a run. */
const nodesMax = 40;
const filtered = [
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'vote',
  'voteReply',
  'readIndex',
  'timeoutNow',
];

export class GroupFaults {
  readonly records: FaultRecord[] = [];
  readonly byKind: Partial<Record<FaultKind, number>> = {};
  readonly #group: SimGroup;
  readonly #prng: Prng;
  readonly #script: readonly FaultRecord[] | undefined;
  readonly #ends = new Map<FaultRecord, () => void>();
  #startedMs = 0;
  #running = false;

  /** With `script` nothing is drawn: those happen, at their times. */
  constructor(group: SimGroup, script?: readonly FaultRecord[]) {
    this.#group = group;
    this.#prng = group.prng.fork('faults');
    this.#script = script;
  }

  start(): void {
    const { world, knobs } = this.#group;
    this.#running = true;
    this.#startedMs = world.nowMs();
    if (this.#script !== undefined)
      for (const record of this.#script) world.after(record.atMs, () => this.#running && this.#happen(record));
    else if (knobs.faultEveryMs > 0) this.#next();
  }

  /** No new ones; what is broken stays so. */
  stop(): void {
    this.#running = false;
  }

  /** Mend all that concerns these nodes and what is between them; the rest of the world stays as it is. */
  healCore(core: readonly NodeId[]): void {
    this.stop();
    const { network } = this.#group;
    network.quality = calmQuality;
    network.filter = undefined;
    for (const from of core)
      for (const to of core) while (from !== to && network.isCut(from, to)) network.heal(from, to);
    for (const id of core) this.#mend(id);
  }

  heal(): void {
    this.stop();
    const { nodes, network } = this.#group;
    network.healAll();
    network.quality = calmQuality;
    for (const [, end] of [...this.#ends]) end();
    for (const id of nodes.keys()) this.#mend(id);
  }

  #mend(id: NodeId): void {
    const group = this.#group;
    const node = group.nodes.get(id);
    group.network.refuseStreams(id, false);
    const process = node?.process;
    if (process) {
      if (process.disk.faults.syncDelayMs === Number.POSITIVE_INFINITY) group.crash(id, 'process');
      else mendProcess(process);
    }
    group.start(id);
  }

  #next(): void {
    const { world, knobs } = this.#group;
    world.after(5 + this.#prng.below(knobs.faultEveryMs), () => {
      if (!this.#running) return;
      const record = this.#draw();
      if (record) this.#happen(record);
      this.#next();
    });
  }

  #draw(): FaultRecord | undefined {
    const { knobs, world } = this.#group;
    const entries = Object.entries(knobs.weights) as [FaultKind, number][];
    if (entries.length === 0) return undefined;
    let at = this.#prng.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    const [kind] = entries.find(([, weight]) => (at -= weight) < 0) ?? entries[0]!;
    const nodes = this.#victims(kind);
    if (nodes.length === 0) return undefined;
    return {
      atMs: world.nowMs() - this.#startedMs,
      kind,
      nodes,
      lastsMs: 20 + this.#prng.below(knobs.faultLastsMs),
      amount: this.#amount(kind),
    };
  }

  #amount(kind: FaultKind): number {
    const prng = this.#prng;
    switch (kind) {
      case 'crash-in-call':
        return 1 + prng.below(maxCallsToCrash);
      case 'one-way':
        return prng.below(2);
      case 'filter':
        return prng.below(filtered.length);
      case 'drift':
        return prng.below(2 * maxDriftPpm) - maxDriftPpm;
      case 'wall-jump':
        return prng.below(2 * maxWallJumpMs) - maxWallJumpMs;
      case 'slow-disk':
      case 'late-power':
        return prng.below(maxSlowSyncMs);
      case 'little-space':
        return prng.below(maxSpaceBytes);
      case 'bit-flip':
        return prng.below(2 ** 30);
      case 'set-address':
        return 2 + prng.below(5);
      case 'set-version':
        return 1 + prng.below(2);
      case 'broken-sync':
      case 'failed-write':
        return 1;
      default:
        return 0;
    }
  }

  /** The first is the one the fault is about; others take part in it. */
  #victims(kind: FaultKind): NodeId[] {
    const group = this.#group;
    const { knobs } = group;
    const prng = this.#prng;
    const running = [...group.running()].map(({ id }) => id);
    const leader = group.leader();
    const shuffled = shuffle(running, prng);
    const any = leader && prng.chance(leaderChance) ? leader.id : shuffled[0];
    if (any === undefined) return [];
    const rest = shuffled.filter((id) => id !== any);
    const configuration = leader?.process.replica.raft.configuration;
    switch (kind) {
      case 'cut-pair':
      case 'broken-link':
        return rest.length > 0 ? [any, rest[0]!] : [];
      case 'bit-flip':
        return knobs.rotten === undefined ? [] : [knobs.rotten];
      case 'split':
        return [any, ...rest.slice(0, prng.below(Math.max(1, rest.length)))];
      case 'power-all':
      case 'bridge':
      case 'swizzle':
        return [any, ...rest];
      case 'join':
        return this.#newcomer(configuration);
      case 'set-voters': {
        const members = shuffle([...(configuration?.voters ?? []), ...(configuration?.learners ?? [])], prng);
        return members.slice(0, 1 + prng.below(Math.max(1, members.length)));
      }
      case 'promote':
        return choose(configuration?.learners ?? [], prng);
      case 'remove':
        return choose([...(configuration?.voters ?? []), ...(configuration?.learners ?? [])], prng);
      case 'remove-while-down': {
        const members = [...(configuration?.voters ?? []), ...(configuration?.learners ?? [])];
        return choose(
          members.filter((id) => group.nodes.get(id)?.process === undefined || id !== leader?.id),
          prng,
        );
      }
      default:
        return [any];
    }
  }

  /** A node that was started but never came in, or a new one. */
  #newcomer(configuration: { voters: NodeId[]; learners: NodeId[] } | undefined): NodeId[] {
    const { nodes } = this.#group;
    if (configuration === undefined || configuration.voters.length + configuration.learners.length >= membersMax)
      return [];
    if (nodes.size >= nodesMax) return [];
    return [`n${nodes.size + 1}`];
  }

  #happen(record: FaultRecord): void {
    const { world, trace, nodes } = this.#group;
    const { kind } = record;
    // A list with parts left out may name who never came to be.
    if (kind !== 'join' && record.nodes.some((id) => !nodes.has(id))) return;
    this.records.push(record);
    this.byKind[kind] = (this.byKind[kind] ?? 0) + 1;
    trace.text(`fault ${kind} ${record.nodes.join()} ${record.lastsMs} ${record.amount}`);
    const undo = this.#begin(record);
    const end = (): void => {
      if (this.#ends.delete(record)) undo();
    };
    this.#ends.set(record, end);
    world.after(record.lastsMs, () => {
      // After the safety phase what is broken stays so, until it is mended.
      if (this.#running) end();
    });
  }

  /** Returns what ends it. */
  #begin({ kind, nodes, amount, lastsMs }: FaultRecord): () => void {
    const group = this.#group;
    const { network } = group;
    const [victim = '', ...others] = nodes;
    const process = group.nodes.get(victim)?.process;
    const everyone = [...group.nodes.keys()];
    const rest = everyone.filter((id) => id !== victim);
    const nothing = (): void => undefined;
    const restart = (): void => group.start(victim);
    switch (kind) {
      case 'kill':
        group.crash(victim, 'process');
        return restart;
      case 'power':
        group.crash(victim, 'power');
        return restart;
      case 'power-all':
        for (const id of nodes) group.crash(id, 'power');
        return () => {
          for (const id of nodes) group.start(id);
        };
      case 'crash-in-call':
        if (process) process.disk.faults.crashInCalls = amount;
        return nothing;
      case 'pause':
        process?.clock.pause();
        return () => process?.clock.resume();
      case 'isolate':
        return this.#cut(both([victim], rest));
      case 'freeze-alone': {
        const undo = this.#cut(both([victim], rest));
        process?.clock.freeze();
        return () => {
          process?.clock.thaw();
          undo();
        };
      }
      case 'one-way':
        return this.#cut(rest.map((id) => (amount === 1 ? [id, victim] : [victim, id])));
      case 'cut-pair':
        return this.#cut(both([victim], others));
      case 'split':
        return this.#cut(
          both(
            nodes,
            everyone.filter((id) => !nodes.includes(id)),
          ),
        );
      case 'bridge': {
        const middle = Math.floor(others.length / 2);
        return this.#cut(both(others.slice(0, middle), others.slice(middle)));
      }
      case 'flapping':
        return this.#flap(both([victim], rest), lastsMs);
      case 'swizzle':
        return this.#swizzle(nodes, everyone, lastsMs);
      case 'filter':
        return this.#filter(victim, filtered[amount] ?? '');
      case 'broken-link':
        network.breakLink(victim, others[0] ?? victim);
        return nothing;
      case 'no-streams':
        network.refuseStreams(victim, true);
        return () => network.refuseStreams(victim, false);
      default:
        return this.#beginInside(kind, nodes, process, amount);
    }
  }

  /** Faults of one machine, and changes of the group. */
  #beginInside(
    kind: FaultKind,
    nodes: readonly NodeId[],
    process: GroupProcess | undefined,
    amount: number,
  ): () => void {
    const group = this.#group;
    const [victim = ''] = nodes;
    const nothing = (): void => undefined;
    const mend = (): void => {
      if (process && process.disk.faults.syncDelayMs !== Number.POSITIVE_INFINITY) mendProcess(process);
    };
    switch (kind) {
      case 'freeze':
        process?.clock.freeze();
        return () => process?.clock.thaw();
      case 'drift':
        process?.clock.setDrift(amount);
        return () => process?.clock.setDrift(0);
      case 'wall-jump':
        process?.clock.jumpWall(amount);
        return nothing;
      case 'slow-disk':
        if (process?.disk.faults.syncDelayMs === 0) process.disk.faults.syncDelayMs = amount;
        return mend;
      case 'late-power':
        if (process?.disk.faults.syncDelayMs === 0) process.disk.faults.syncDelayMs = amount;
        return () => {
          if (process && !process.dead) group.crash(victim, 'power');
          group.world.after(restartMs, () => group.start(victim));
        };
      case 'bit-flip':
        return this.#rotAway(victim, amount);
      case 'hung-disk':
        if (process) process.disk.faults.syncDelayMs = Number.POSITIVE_INFINITY;
        // What was asked of a hung disk is never answered: only a new process gets on.
        return () => {
          if (process && !process.dead) group.crash(victim, 'process');
          group.start(victim);
        };
      case 'broken-sync':
        if (process) process.disk.faults.failSyncs = amount;
        return mend;
      case 'failed-write':
        if (process) process.disk.faults.failWrites = amount;
        return mend;
      case 'full-disk':
        if (process) process.disk.faults.full = true;
        return mend;
      case 'little-space':
        if (process) process.disk.faults.spaceBytes = amount;
        return mend;
      default:
        this.#change(kind, nodes, amount);
        return nothing;
    }
  }

  /**
   * Not the newest batch in the moment of its sync: damage there looks like a torn tail, until the log's note of it is
   * written (the limit of every log without a second disk). So the node is left alone for a moment, and then killed.
   */
  #rotAway(victim: NodeId, amount: number): () => void {
    const group = this.#group;
    const others = [...group.nodes.keys()].filter((id) => id !== victim);
    const heal = this.#cut(both([victim], others));
    const node = group.nodes.get(victim);
    const life = node?.process === undefined ? undefined : node.incarnations;
    group.world.after(quietMs, () => {
      heal();
      // When all is being mended nothing new may break.
      if (!this.#running) return;
      // It may have gone down meanwhile, in the middle of a batch that nothing has noted.
      if (life === undefined || node?.process === undefined || node.incarnations !== life) return;
      group.crash(victim, 'process');
      this.#rot(victim, amount);
    });
    return () => void group.world.after(quietMs, () => group.start(victim));
  }

  /** `amount` says where: which file, which byte, which bit. */
  #rot(victim: NodeId, amount: number): void {
    const names = this.#group.nodes.get(victim)?.medium?.names;
    if (names === undefined) return;
    const paths = names.list('raft').map((name) => `raft/${name}`);
    const file = names.file(paths[amount % Math.max(1, paths.length)] ?? '');
    if (file === undefined || file.size === 0) return;
    // Most bytes of a log are its zeros behind the end; the front is what hurts.
    const reach = amount % 3 === 0 ? file.size : Math.min(file.size, rotReachBytes);
    file.flipBit(amount % reach, amount % 8);
  }

  /** What an operator asks of the leader; what comes of it shows in the checks. */
  #change(kind: FaultKind, nodes: readonly NodeId[], amount: number): void {
    const group = this.#group;
    const [victim = ''] = nodes;
    const { world } = group;
    const replica = group.leader()?.process.replica;
    const ask = (begin: () => Promise<void>): void => {
      // Refused, timed out, or of unknown outcome: an operator looks again.
      begin().catch(() => undefined);
    };
    if (kind === 'join' && !group.nodes.has(victim)) {
      group.add(victim, false);
      group.start(victim);
    }
    if (!replica) return;
    if (kind === 'join') ask(() => replica.addLearner(victim, addressOf(victim)));
    if (kind === 'promote') ask(() => replica.promote(victim, { deadlineMs: promoteDeadlineMs }));
    if (kind === 'transfer') ask(() => replica.transferLeadership());
    if (kind === 'set-address') ask(() => replica.setAddress(victim, `${victim}:${amount}`));
    if (kind === 'set-voters') ask(() => replica.setVoters([...nodes]));
    if (kind === 'set-version') ask(() => replica.changeCommandVersion(amount));
    if (kind === 'remove-while-down') group.crash(victim, 'power');
    if (kind !== 'remove' && kind !== 'remove-while-down') return;
    ask(async () => {
      await replica.remove(victim);
      // It comes back, finds that nobody needs it, and is switched off.
      world.after(removedLivesMs / 2, () => group.start(victim));
      world.after(removedLivesMs, () => this.#retire(victim));
    });
  }

  /** Who is no member, by the newest leader's word, is switched off: an operator would not leave it running. */
  retireStrangers(): void {
    const group = this.#group;
    const configuration = group.leader()?.process.replica.raft.configuration;
    if (configuration === undefined || configuration.votersOutgoing.length > 0) return;
    const { voters, learners } = configuration;
    for (const { id, retired } of group.nodes.values())
      if (!retired && !voters.includes(id) && !learners.includes(id)) this.#retire(id);
  }

  #retire(id: NodeId): void {
    const node = this.#group.nodes.get(id);
    if (!node) return;
    this.#group.crash(id, 'process');
    node.retired = true;
    node.raft = undefined;
  }

  #cut(ways: (readonly [NodeId, NodeId])[]): () => void {
    const { network } = this.#group;
    for (const [from, to] of ways) network.cut(from, to);
    return () => {
      for (const [from, to] of ways) network.heal(from, to);
    };
  }

  #flap(ways: (readonly [NodeId, NodeId])[], lastsMs: number): () => void {
    const { world } = this.#group;
    const untilMs = world.nowMs() + lastsMs;
    let undo: (() => void) | undefined;
    let over = false;
    const turn = (): void => {
      if (over) return;
      if (undo) {
        undo();
        undo = undefined;
      } else undo = this.#cut(ways);
      if (world.nowMs() < untilMs || undo) world.after(flapEveryMs, turn);
    };
    turn();
    return () => {
      over = true;
      undo?.();
    };
  }

  /** FoundationDB's swizzle-clog: cut one after the other, healed in another order. */
  #swizzle(nodes: readonly NodeId[], everyone: readonly NodeId[], lastsMs: number): () => void {
    const { world } = this.#group;
    const undos = new Map<NodeId, () => void>();
    let over = false;
    const stepMs = lastsMs / (2 * nodes.length + 1);
    for (const [i, id] of nodes.entries()) {
      world.after(i * stepMs, () => {
        if (!over)
          undos.set(
            id,
            this.#cut(
              both(
                [id],
                everyone.filter((other) => other !== id),
              ),
            ),
          );
      });
      // The other order is that of every second node, which a seed cannot draw twice.
      world.after((nodes.length + ((i * 2) % nodes.length)) * stepMs, () => {
        undos.get(id)?.();
        undos.delete(id);
      });
    }
    return () => {
      over = true;
      for (const undo of undos.values()) undo();
      undos.clear();
    };
  }

  #filter(victim: NodeId, type: string): () => void {
    const { network } = this.#group;
    const filter: typeof network.filter = ({ from, to, message }) =>
      (from === victim || to === victim) && (message as { type?: string }).type === type;
    network.filter = filter;
    return () => {
      if (network.filter === filter) network.filter = undefined;
    };
  }
}

function mendProcess(process: GroupProcess): void {
  process.clock.resume();
  process.clock.thaw();
  process.clock.setDrift(0);
  const { faults } = process.disk;
  faults.syncDelayMs = 0;
  faults.failSyncs = 0;
  faults.failWrites = 0;
  faults.full = false;
  faults.spaceBytes = Number.POSITIVE_INFINITY;
  faults.crashInCalls = 0;
}

function both(some: readonly NodeId[], others: readonly NodeId[]): (readonly [NodeId, NodeId])[] {
  return some.flatMap((a) => others.flatMap((b) => [[a, b] as const, [b, a] as const]));
}

function shuffle<T>(values: T[], prng: Prng): T[] {
  for (let i = values.length - 1; i > 0; i -= 1) {
    const j = prng.below(i + 1);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}

function choose(ids: readonly NodeId[], prng: Prng): NodeId[] {
  return ids.length > 0 ? [ids[prng.below(ids.length)]!] : [];
}
