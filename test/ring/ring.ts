/**
 * The second ring: real processes, real sockets and disks under faults, judged by the checkers
 * of the simulator. What the simulator cannot know (the kernel, TLS, the drivers) is met here.
 *   node test/ring/ring.ts [--seed N] [--seconds N] [--nodes N]
 * Prints one line of JSON; exit code 1 when the history is not that of one correct store. As root
 * it mounts a small tmpfs for each node (inside a mount namespace of its caller) for full disks.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { checkHistory } from '#src/sim/history.ts';
import { createPrng, type Prng } from '#src/sim/prng.ts';
import { Clients } from './clients.ts';
import { Ring } from './nodes.ts';

const RECOVERY_MS = 60_000;
const kinds = ['kill', 'stop', 'hole', 'one-way', 'cut', 'slow', 'corrupt', 'full-disk', 'kill-two'] as const;
type Kind = (typeof kinds)[number];

/** Begin a fault at `victim`; what is returned ends it. */
async function begin(ring: Ring, kind: Kind, victim: string, prng: Prng): Promise<() => Promise<void> | void> {
  const others = ring.nodes.map(({ name }) => name).filter((name) => name !== victim);
  const other = others[prng.below(others.length)] ?? victim;
  const { ways } = ring;
  switch (kind) {
    case 'kill':
      await ring.kill(victim);
      return () => ring.start(victim);
    case 'kill-two':
      await Promise.all([ring.kill(victim), ring.kill(other)]);
      return () => {
        ring.start(victim);
        ring.start(other);
      };
    case 'stop':
      ring.signal(victim, 'SIGSTOP');
      return () => ring.signal(victim, 'SIGCONT');
    case 'hole':
      for (const one of others) {
        ways.set(one, victim, { state: 'hole' });
        ways.set(victim, one, { state: 'hole' });
      }
      return () => ways.healAll();
    case 'one-way': {
      const inward = prng.chance(0.5);
      for (const one of others) ways.set(inward ? one : victim, inward ? victim : one, { state: 'hole' });
      return () => ways.healAll();
    }
    case 'cut':
      ways.set(victim, other, { state: 'cut' });
      ways.set(other, victim, { state: 'cut' });
      return () => ways.healAll();
    case 'slow':
      for (const one of others) {
        ways.set(one, victim, { delayMs: 20 + prng.below(100) });
        ways.set(victim, one, { delayMs: 20 + prng.below(100) });
      }
      return () => ways.healAll();
    case 'corrupt':
      ways.set(other, victim, { corrupt: true });
      return () => undefined;
    case 'full-disk':
      return ring.fillDisk(victim);
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seconds: { type: 'string' },
      nodes: { type: 'string' },
      keep: { type: 'boolean' },
    },
  });
  const seed = Number(values.seed ?? 1);
  const seconds = Number(values.seconds ?? 60);
  const prng = createPrng(seed);
  const directory = mkdtempSync(join(tmpdir(), `kt-ring-${process.pid}-`));
  const smallDisks = process.getuid?.() === 0 && process.env['KONTIKI_RING_MOUNTS'] === '1';
  const ring = new Ring({
    directory,
    count: Number(values.nodes ?? 3),
    basePort: 21_000 + (process.pid % 400) * 100,
    smallDisks,
  });
  const clients = new Clients(ring, prng);
  const faultsByKind: Partial<Record<Kind, number>> = {};
  const violations: { kind: string; message: string }[] = [];
  const terms = new Set<number>();
  try {
    await ring.up();
    clients.start({ writers: 6, readers: 3, watchers: 2 });
    const endMs = performance.now() + seconds * 1000;
    // Every kind in turn, in an order of the seed's.
    let left: Kind[] = [];
    while (performance.now() < endMs) {
      if (left.length === 0) left = kinds.filter((kind) => kind !== 'full-disk' || smallDisks);
      const [kind = 'kill'] = left.splice(prng.below(left.length), 1);
      const leader = await ring.leader();
      const random = ring.nodes[prng.below(ring.nodes.length)]?.name ?? '';
      const victim = leader !== undefined && prng.chance(0.6) ? leader : random;
      faultsByKind[kind] = (faultsByKind[kind] ?? 0) + 1;
      const lastsMs = 500 + prng.below(2500);
      console.error(
        `fault ${kind} ${victim}${victim === leader ? ' (leader)' : ''} for ${lastsMs} ms, ${clients.acknowledged} acknowledged`,
      );
      const end = await begin(ring, kind, victim, prng);
      let over = false;
      const others = ring.nodes.filter(({ name }) => name !== victim);
      const stuffed = kind === 'full-disk' ? clients.stuff(others[0] ?? ring.node(victim), () => over) : undefined;
      await sleep(kind === 'full-disk' ? 2 * lastsMs + 2000 : lastsMs);
      over = true;
      await stuffed;
      await end();
      await sleep(300 + prng.below(1500));
      for (const { name } of ring.nodes) {
        const answer = await ring.status(name);
        if (answer?.replica.role === 'leader') terms.add(answer.replica.term);
      }
    }
    ring.ways.healAll();
    await clients.finish(RECOVERY_MS);
    await ring.ready(RECOVERY_MS);
    violations.push(...checkHistory({ ...clients.history, finals: await clients.finals() }));
    violations.push(...clients.wrong.map((message) => ({ kind: 'answer', message })));
  } catch (error) {
    violations.push({ kind: 'liveness', message: error instanceof Error ? error.message : String(error) });
  } finally {
    await ring.down();
  }
  const { writes, reads, watches } = clients.history;
  const result = {
    seed,
    seconds,
    acknowledged: clients.acknowledged,
    unknown: clients.unknown,
    reads: reads.length,
    watched: watches.reduce((sum, watch) => sum + watch.events.length, 0),
    writes: writes.length,
    terms: terms.size,
    faultsByKind,
    /** Nodes that noticed that their disk was full, as their logs tell. */
    full: ring.nodes.filter(({ name }) => ring.logOf(name).includes('the disk is full')).length,
    deaths: ring.nodes.flatMap((node) => node.deaths),
    violations,
  };
  console.log(JSON.stringify(result));
  if (violations.length === 0 && !values.keep) rmSync(directory, { recursive: true, force: true });
  else console.error(`kept: ${directory}`);
  return violations.length === 0 ? 0 : 1;
}

process.exit(await main());
