/** A cluster begins and nodes join it, whatever crashes meanwhile. */
import test from 'ava';
import { createSimCluster, describeNodes } from '#src/sim/cluster.ts';
import { drained } from '#test/support/virtual.ts';

const crashes = 4;

/** Crash one node a few times within the given time; a moment later it is started again. */
async function begin(seed: number, victim: string, options: { afterMs: number; withinMs: number }) {
  const cluster = createSimCluster({ seed, nodes: 3, settle: drained });
  const prng = cluster.prng.fork('crashes');
  for (let i = 0; i < crashes; i += 1) {
    cluster.world.after(options.afterMs + prng.below(options.withinMs * 10) / 10, () => {
      if (!cluster.node(victim).process) return;
      cluster.crash(victim, prng.chance(0.5) ? 'power' : 'process');
      cluster.world.after(5, () => cluster.start(victim));
    });
  }
  const failure = await cluster.up().then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { failure, violations: cluster.violations, story: describeNodes(cluster.nodes) };
}

for (const [title, victim, options] of [
  ['the first node crashes while it makes the cluster', 'n1', { afterMs: 0, withinMs: 30 }],
  ['the first node crashes while it writes the first objects', 'n1', { afterMs: 200, withinMs: 500 }],
  ['a node crashes while it joins', 'n2', { afterMs: 300, withinMs: 400 }],
] as const) {
  test(`${title}: the cluster comes up all the same`, async (t) => {
    for (let seed = 1; seed <= 12; seed += 1) {
      const { failure, violations, story } = await begin(seed, victim, options);
      t.is(failure, undefined, `seed ${seed}`);
      t.deepEqual(violations, [], story);
    }
  });
}
