/** A log on a simulated disk, through crashes: each `start` is the next incarnation of the node. */
import type { Entry, SnapshotMeta } from '#src/raft/types.ts';
import { createWorld, type NodeClock, type World } from '#src/sim/clock.ts';
import { createSimDisk, type DiskMedium, type SimDisk, type SimDiskOptions } from '#src/sim/disk.ts';
import { createSimLog, type SimLog } from '#src/sim/log.ts';
import { createPrng, type Prng } from '#src/sim/prng.ts';
import { openWal, type Recovered, type Wal, type WalOptions } from '#src/wal/wal.ts';
import { runFor, settle } from './virtual.ts';

export interface Lab {
  readonly world: World;
  readonly prng: Prng;
  /** Of the present incarnation. */
  disk: SimDisk;
  log: SimLog;
  run: <T>(promise: Promise<T>) => Promise<T>;
  open(options?: Partial<WalOptions>): Promise<{ wal: Wal; recovered: Recovered }>;
  /** End this incarnation and mount what is left for the next. */
  crash(kind?: 'power' | 'process'): void;
}

export function createLab(seed = 1, diskOptions: Partial<SimDiskOptions> = {}): Lab {
  const world = createWorld();
  const prng = createPrng(seed);
  let clock: NodeClock = world.clock();
  const mount = (medium?: DiskMedium): SimDisk =>
    createSimDisk({ clock, prng, ...diskOptions, ...(medium === undefined ? {} : { medium }) });
  const lab: Lab = {
    world,
    prng,
    disk: mount(),
    log: createSimLog(clock),
    run: (promise) => settle(world, promise),
    open: async (options = {}) => {
      const opened = await settle(world, openWal({ ...walOptions(lab), clock, ...options }));
      await runFor(world, 100); // the spare is made
      return opened;
    },
    crash: (kind = 'power') => {
      const medium = lab.disk.crash(kind);
      clock.revoke();
      clock = world.clock();
      lab.disk = mount(medium);
      lab.log = createSimLog(clock);
    },
  };
  return lab;
}

export function walOptions(lab: Pick<WalOptions, 'disk' | 'log'>): WalOptions {
  return { disk: lab.disk, log: lab.log, directory: 'wal', clusterId: 'c1', nodeId: 'n1', segmentBytes: 8192 };
}

/** Entries `from` to `to`, with data that names index and term. */
export function entries(from: number, to: number, options: { term?: number; bytes?: number } = {}): Entry[] {
  const { term = 1, bytes = 20 } = options;
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const data = new Uint8Array(bytes).fill((from + i) & 0xff);
    return { index: from + i, term, type: 'command' as const, data };
  });
}

export function metaAt(index: number, term = 1): SnapshotMeta {
  const configuration = { voters: ['n1'], votersOutgoing: [], learners: [], addresses: { n1: '127.0.0.1:1' } };
  return { index, term, configuration, configurationIndex: 1 };
}

export async function readAll(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return new Uint8Array(parts.flatMap((part) => [...part]));
}
