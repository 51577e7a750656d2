/** Everything at once: also power cuts of all nodes, one-way partitions, failing syncs, full disks, jumping clocks. */
import test from 'ava';
import { seedsOf, testSeeds } from './seeds.ts';

testSeeds(test, { profile: 'hostile', first: 1001, count: seedsOf(0.35) });
