/** The contract of Http on the real driver and the simulated one. */
import test from 'ava';

import { createCrypto } from '#src/drivers/crypto.ts';
import { createHttp } from '#src/drivers/http.ts';
import { createWorld } from '#src/sim/clock.ts';
import { createSimCrypto } from '#src/sim/crypto.ts';
import { createSimHttp } from '#src/sim/http.ts';
import { createSimNetwork } from '#src/sim/network.ts';
import { createPrng } from '#src/sim/prng.ts';
import { settle } from '#test/support/virtual.ts';
import { httpContract } from './contracts/http.ts';

const urlOf = (port: number): string => `https://127.0.0.1:${port}`;

httpContract(test, 'real http', () => {
  const http = createHttp();
  return { crypto: createCrypto(), server: http, client: http, urlOf, host: '127.0.0.1', run: (promise) => promise };
});

httpContract(test, 'simulated http', () => {
  const world = createWorld();
  const prng = createPrng(7);
  const network = createSimNetwork({ world, prng });
  const clock = world.clock();
  network.of('host', clock);
  const http = createSimHttp({ network }).of('host');
  const run = <T>(promise: Promise<T>): Promise<T> => settle(world, promise);
  return { crypto: createSimCrypto({ clock, prng }), server: http, client: http, urlOf, host: '127.0.0.1', run };
});
