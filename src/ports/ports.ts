/**
 * The ports: every effect a node can have on the world, as interfaces. `drivers/` has the
 * real ones, `sim/` the simulated ones; one contract suite under test/ports runs on both.
 * Owns: interfaces only. Imports: std.
 * Read next: clock.ts, disk.ts, network.ts, http.ts, runtime.ts, dataplane.ts.
 */
import type { Clock } from './clock.ts';
import type { Crypto } from './crypto.ts';
import type { Dataplane } from './dataplane.ts';
import type { Disk } from './disk.ts';
import type { Http } from './http.ts';
import type { Log } from './log.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { Runtime } from './runtime.ts';

/** Everything a node is given; the composition root takes nothing else but its config. */
export interface Ports {
  clock: Clock;
  random: Random;
  crypto: Crypto;
  disk: Disk;
  network: Network;
  http: Http;
  runtime: Runtime;
  dataplane: Dataplane;
  log: Log;
}
