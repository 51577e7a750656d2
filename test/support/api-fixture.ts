/** A registry and its server over a memory replica, in virtual time, with the first namespaces made. */
import { createPrng } from '#src/sim/prng.ts';
import { createWorld, type NodeClock, type World } from '#src/sim/clock.ts';
import { createSimLog } from '#src/sim/log.ts';
import { createSimRandom } from '#src/sim/random.ts';
import type { Client, Identity } from '#src/registry/client.ts';
import { applyFirstObjects, firstNamespaces } from '#src/registry/first-objects.ts';
import { createRegistry, type Registry, type RegistryPorts } from '#src/registry/registry.ts';
import { memoryReplica, type MemoryReplica } from './memory-replica.ts';
import { settle } from './virtual.ts';

export const ADMIN: Identity = { user: 'admin', groups: ['system:masters', 'system:authenticated'] };

export interface ApiFixture {
  world: World;
  clock: NodeClock;
  replica: MemoryReplica;
  registry: Registry;
  admin: Client;
  log: ReturnType<typeof createSimLog>;
  /** Let virtual time run until it settles. */
  run<T>(promise: Promise<T>): Promise<T>;
}

export async function apiFixture(options: Pick<RegistryPorts, 'http'> = {}): Promise<ApiFixture> {
  const world = createWorld();
  const clock = world.clock();
  const log = createSimLog(clock);
  const replica = memoryReplica();
  const random = createSimRandom(createPrng(1));
  const { proposer, reader } = replica;
  const registry = createRegistry({
    ...options,
    clock,
    random,
    log,
    proposer,
    reader,
    config: { serviceCidr: '10.96.0.0/16' },
  });
  const admin = registry.clientFor(ADMIN);
  const run = async <T>(promise: Promise<T>): Promise<T> => await settle(world, promise);
  await run(applyFirstObjects(admin, firstNamespaces()));
  return { world, clock, replica, registry, admin, log, run };
}
