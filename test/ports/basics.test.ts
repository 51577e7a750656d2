/** The contracts of Clock, Random, Disk and Crypto, on the real drivers and on the simulated ones. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createDisk } from '#src/drivers/disk.ts';
import { createRandom } from '#src/drivers/random.ts';
import { createWorld } from '#src/sim/clock.ts';
import { createSimCrypto } from '#src/sim/crypto.ts';
import { createSimDisk } from '#src/sim/disk.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { settle } from '#test/support/virtual.ts';
import { clockContract } from './contracts/clock.ts';
import { cryptoContract } from './contracts/crypto.ts';
import { diskContract } from './contracts/disk.ts';
import { randomContract } from './contracts/random.ts';

clockContract(test, 'real clock', () => ({ clock: createClock(), run: (promise) => promise }));
clockContract(test, 'virtual clock', () => {
  const world = createWorld();
  return { clock: world.clock(), run: (promise) => settle(world, promise) };
});

randomContract(test, 'real random', createRandom);
randomContract(test, 'seeded random', () => createSimRandom(createPrng(7)));

cryptoContract(test, 'real crypto', () => ({ crypto: createCrypto(), nowMs: Date.now() }));
cryptoContract(test, 'simulated crypto', () => {
  const clock = createWorld().clock();
  return { crypto: createSimCrypto({ clock, prng: createPrng(7) }), nowMs: clock.wallMs() };
});

diskContract(test, 'real disk', async () => {
  const root = await mkdtemp(join(tmpdir(), 'kontiki-disk-'));
  const dispose = (): Promise<void> => rm(root, { recursive: true });
  return { disk: createDisk(root), second: createDisk(root), run: (promise) => promise, dispose };
});
diskContract(test, 'simulated disk', async () => {
  const world = createWorld();
  const disk = createSimDisk({ clock: world.clock(), prng: createPrng(7) });
  return { disk, run: (promise) => settle(world, promise) };
});
