/** The contract of Network on the real driver and the simulated one. */
import test from 'ava';

import { createCrypto } from '#src/drivers/crypto.ts';
import { createNetwork } from '#src/drivers/network.ts';
import { createWorld } from '#src/sim/clock.ts';
import { createSimCrypto } from '#src/sim/crypto.ts';
import { createSimNetwork } from '#src/sim/network.ts';
import { createPrng } from '#src/sim/prng.ts';
import { settle } from '#test/support/virtual.ts';
import { networkContract } from './contracts/network.ts';

networkContract(test, 'real network', () => {
  const network = createNetwork();
  return {
    crypto: createCrypto(),
    server: network,
    client: network,
    addressOf: (port) => `127.0.0.1:${port}`,
    run: (promise) => promise,
  };
});

networkContract(test, 'simulated network', () => {
  const world = createWorld();
  const prng = createPrng(7);
  const network = createSimNetwork({ world, prng });
  const clock = world.clock();
  const port = network.of('host', clock);
  return {
    crypto: createSimCrypto({ clock, prng }),
    server: port,
    client: port,
    addressOf: (at) => `127.0.0.1:${at}`,
    run: (promise) => settle(world, promise),
  };
});
