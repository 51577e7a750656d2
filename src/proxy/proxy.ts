/**
 * The service proxy: Services and EndpointSlices → the rules of this host's data plane.
 * Owns: the coalescing of changes into whole desired states; one owner a host applies them.
 * Imports: std, ports, api, registry's Client. Never: the kubelet, controllers, Docker, nft.
 * Read next: rules.ts (the pure part), ports/dataplane.ts.
 */
import type { EndpointSlice, Service } from '#src/api/objects.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Dataplane } from '#src/ports/dataplane.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Client } from '#src/registry/client.ts';
import { createInformer } from '#src/registry/informer.ts';
import { messageOf } from '#src/std/fault.ts';
import { serviceRules } from './rules.ts';

/** Changes within this time become one application. */
const COALESCE_MS = 20;
const RETRY_MS = 1000;
/** Rules are applied again this often even without a change, in case someone removed them. */
const REPAIR_MS = 30_000;

export interface Proxy {
  start(): void;
  stop(): Promise<void>;
}

export function createProxy(options: {
  client: Client;
  clock: Clock;
  random: Random;
  log: Log;
  dataplane: Dataplane;
}): Proxy {
  const { client, clock, random, dataplane } = options;
  const log = options.log.scope('proxy');
  const services = createInformer<Service>({
    client,
    clock,
    random,
    log,
    resource: { group: '', version: 'v1', resource: 'services' },
  });
  const slices = createInformer<EndpointSlice>({
    client,
    clock,
    random,
    log,
    resource: { group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' },
  });
  let state: 'idle' | 'waiting' | 'applying' | 'stopped' = 'idle';
  let dirty = false;
  let timer: Timer | undefined;

  function schedule(delayMs: number): void {
    dirty = true;
    if (state !== 'idle') return;
    state = 'waiting';
    timer?.cancel();
    timer = clock.after(delayMs, () => void apply());
  }

  async function apply(): Promise<void> {
    state = 'applying';
    dirty = false;
    let nextMs = REPAIR_MS;
    try {
      if (dataplane.owns()) await dataplane.applyServices(serviceRules(services.list(), slices.list()));
    } catch (error) {
      log.warn('the service rules could not be applied; trying again', { error: messageOf(error) });
      nextMs = RETRY_MS;
    }
    if (isStopped()) return;
    state = 'idle';
    if (dirty) schedule(COALESCE_MS);
    else timer = clock.after(nextMs, () => schedule(0));
  }

  // A function, so that the compiler does not assume the state from before an await.
  function isStopped(): boolean {
    return state === 'stopped';
  }

  async function own(): Promise<void> {
    await Promise.all([services.synced(), slices.synced()]);
    await dataplane.acquire();
    log.info('this node owns the data plane of its host');
    services.onChange(() => schedule(COALESCE_MS));
    slices.onChange(() => schedule(COALESCE_MS));
    schedule(0);
  }

  return {
    start() {
      services.start();
      slices.start();
      own().catch((error: unknown) => {
        if (!isStopped()) log.error('the data plane cannot be owned', { error: messageOf(error) });
      });
    },
    async stop() {
      state = 'stopped';
      timer?.cancel();
      services.stop();
      slices.stop();
      await dataplane.release();
    },
  };
}
