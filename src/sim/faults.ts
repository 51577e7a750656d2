/**
 * What goes wrong, drawn from the seed: each fault has a beginning and an end, and the next one
 * need not wait for it. Faults prefer the leader, for there they hurt.
 * Imports: this folder.
 */
import type { Incarnation, SimCluster, SimNode } from './cluster.ts';
import type { Quality } from './fabric.ts';
import type { Prng } from './prng.ts';

export type Profile = 'calm' | 'flaky' | 'hostile';
export const profiles: readonly Profile[] = ['calm', 'flaky', 'hostile'];

export type FaultKind =
  | 'kill'
  | 'power'
  | 'power-all'
  | 'isolate'
  | 'one-way'
  | 'cut-pair'
  | 'cut-client'
  | 'no-bulk'
  | 'pause'
  | 'slow-disk'
  | 'hung-disk'
  | 'broken-sync'
  | 'full-disk'
  | 'wall-jump';

interface ProfileFacts {
  /** Time from one fault to the next, at most. */
  everyMs: number;
  lastsMs: number;
  weights: Partial<Record<FaultKind, number>>;
  quality: Quality;
  clocks: { wallOffsetMs: number; driftPpm: number };
}

export const profileFacts: Record<Profile, ProfileFacts> = {
  calm: {
    everyMs: 0,
    lastsMs: 0,
    weights: {},
    quality: { minMs: 0.1, jitterMs: 0.3, slowChance: 0, slowMs: 0 },
    clocks: { wallOffsetMs: 0, driftPpm: 0 },
  },
  flaky: {
    everyMs: 1200,
    lastsMs: 1200,
    weights: { kill: 4, power: 3, isolate: 3, 'cut-pair': 2, pause: 2, 'slow-disk': 1, 'cut-client': 1 },
    quality: { minMs: 0.2, jitterMs: 1, slowChance: 0.01, slowMs: 40 },
    clocks: { wallOffsetMs: 500, driftPpm: 200 },
  },
  hostile: {
    everyMs: 800,
    lastsMs: 1200,
    weights: {
      kill: 4,
      power: 5,
      'power-all': 1,
      isolate: 4,
      'one-way': 3,
      'cut-pair': 3,
      'cut-client': 1,
      'no-bulk': 2,
      pause: 3,
      'slow-disk': 2,
      'hung-disk': 1,
      'broken-sync': 1,
      'full-disk': 1,
      'wall-jump': 1,
    },
    quality: { minMs: 0.2, jitterMs: 4, slowChance: 0.03, slowMs: 150 },
    clocks: { wallOffsetMs: 2000, driftPpm: 1000 },
  },
};

const leaderChance = 0.6;
const maxSlowSyncMs = 120;
const maxWallJumpMs = 20_000;
const nextLeaderMs = 20;

export interface Faults {
  readonly byKind: Partial<Record<FaultKind, number>>;
  start(): void;
  /** No new faults; what is broken stays so. */
  stop(): void;
  /** Mend everything, start everyone. */
  heal(): void;
}

export function createFaults(cluster: SimCluster, profile: Profile): Faults {
  return new RandomFaults(cluster, profileFacts[profile]);
}

class RandomFaults implements Faults {
  readonly byKind: Partial<Record<FaultKind, number>> = {};
  readonly #cluster: SimCluster;
  readonly #facts: ProfileFacts;
  readonly #prng: Prng;
  readonly #hung = new Map<Incarnation, string>();
  #running = false;

  constructor(cluster: SimCluster, facts: ProfileFacts) {
    this.#cluster = cluster;
    this.#facts = facts;
    this.#prng = cluster.prng.fork('faults');
    cluster.network.setQuality(facts.quality);
  }

  start(): void {
    if (this.#facts.everyMs === 0) return;
    this.#running = true;
    this.#next();
  }

  stop(): void {
    this.#running = false;
  }

  heal(): void {
    this.#running = false;
    const { nodes, network } = this.#cluster;
    network.healAll();
    for (const process of this.#hung.keys()) this.#unhang(process);
    network.setQuality(profileFacts.calm.quality);
    for (const node of nodes) {
      network.refuseBulk(node.name, false);
      mend(node);
      this.#cluster.start(node.name);
    }
  }

  #next(): void {
    this.#cluster.world.after(nextLeaderMs + this.#prng.below(this.#facts.everyMs), () => {
      if (!this.#running) return;
      this.#happen(this.#draw());
      this.#next();
    });
  }

  #draw(): FaultKind {
    const entries = Object.entries(this.#facts.weights) as [FaultKind, number][];
    let at = this.#prng.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [kind, weight] of entries) {
      if (at < weight) return kind;
      at -= weight;
    }
    return 'kill';
  }

  #victim(): SimNode | undefined {
    const up = this.#cluster.nodes.filter(({ process }) => process?.stage === 'running');
    const leader = up.find(({ process }) => process?.node.inspect()?.raft.role === 'leader');
    if (leader && this.#prng.chance(leaderChance)) return leader;
    return up[this.#prng.below(Math.max(1, up.length))];
  }

  #happen(kind: FaultKind): void {
    const victim = this.#victim();
    if (!victim) return;
    const { world, trace } = this.#cluster;
    const lastsMs = 100 + this.#prng.below(this.#facts.lastsMs);
    this.byKind[kind] = (this.byKind[kind] ?? 0) + 1;
    trace.text(`fault ${kind} ${victim.name} ${lastsMs}`);
    const end = this.#begin(kind, victim);
    // What has ended by itself, or by `heal`, is ended again without harm.
    world.after(lastsMs, end);
  }

  /** Returns what ends the fault. */
  #begin(kind: FaultKind, victim: SimNode): () => void {
    const cluster = this.#cluster;
    const { nodes, network } = cluster;
    const { name, process } = victim;
    const others = nodes.filter((node) => node !== victim);
    const other = others[this.#prng.below(Math.max(1, others.length))];
    const restart = (): void => cluster.start(name);
    switch (kind) {
      case 'kill':
        cluster.crash(name, 'process');
        return restart;
      case 'power':
        cluster.crash(name, 'power');
        return restart;
      case 'power-all':
        for (const node of nodes) cluster.crash(node.name, 'power');
        return () => {
          for (const node of nodes) cluster.start(node.name);
        };
      case 'isolate':
        return this.#cut(
          others.flatMap((one) => [
            [name, one.name],
            [one.name, name],
          ]),
        );
      case 'one-way': {
        const inward = this.#prng.chance(0.5);
        return this.#cut(others.map((one) => (inward ? [one.name, name] : [name, one.name])));
      }
      case 'cut-pair':
        return other
          ? this.#cut([
              [name, other.name],
              [other.name, name],
            ])
          : () => undefined;
      case 'cut-client': {
        const clients = network.names().filter((one) => !nodes.some((node) => node.name === one));
        return this.#cut(
          clients
            .filter(() => this.#prng.chance(0.5))
            .flatMap((one) => [
              [name, one],
              [one, name],
            ]),
        );
      }
      case 'pause':
        process?.clock.pause();
        return () => process?.clock.resume();
      case 'slow-disk':
        if (process && process.disk.faults.syncDelayMs === 0)
          process.disk.faults.syncDelayMs = this.#prng.below(maxSlowSyncMs);
        return () => mend(victim);
      case 'hung-disk':
        return this.#hang(victim);
      case 'no-bulk':
        network.refuseBulk(name, true);
        return () => network.refuseBulk(name, false);
      case 'broken-sync':
        if (process) process.disk.faults.failSyncs = 1;
        return () => mend(victim);
      case 'full-disk':
        if (process) process.disk.faults.full = true;
        return () => mend(victim);
      case 'wall-jump':
        process?.clock.jumpWall(this.#prng.below(2 * maxWallJumpMs) - maxWallJumpMs);
        return () => undefined;
    }
  }

  /** What was asked of a hung disk is never answered: only a new process gets on. */
  #hang(victim: SimNode): () => void {
    const { process } = victim;
    if (!process) return () => undefined;
    process.disk.faults.syncDelayMs = Number.POSITIVE_INFINITY;
    this.#hung.set(process, victim.name);
    return () => this.#unhang(process);
  }

  #unhang(process: Incarnation): void {
    const name = this.#hung.get(process);
    if (name === undefined) return;
    this.#hung.delete(process);
    if (process.stage !== 'dead') this.#cluster.crash(name, 'process');
    this.#cluster.start(name);
  }

  #cut(ways: string[][]): () => void {
    const { network } = this.#cluster;
    for (const [from = '', to = ''] of ways) network.partition(from, to, { oneWay: true });
    return () => {
      for (const [from = '', to = ''] of ways) network.healWay(from, to);
    };
  }
}

function mend({ process }: SimNode): void {
  if (!process) return;
  process.clock.resume();
  if (process.disk.faults.syncDelayMs !== Number.POSITIVE_INFINITY) process.disk.faults.syncDelayMs = 0;
  process.disk.faults.failSyncs = 0;
  process.disk.faults.failWrites = 0;
  process.disk.faults.full = false;
}
