/** What the leader does, and only while it leads: first objects, controllers, scheduler (DESIGN §4.12, §5). */
import type { KubeObject } from '#src/api/object.ts';
import { createControllers } from '#src/controllers/controllers.ts';
import type { ActorView } from '#src/controllers/controllers.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Client } from '#src/registry/client.ts';
import { applyFirstObjects, firstNamespaces, kubernetesService } from '#src/registry/first-objects.ts';
import type { QuotaKeeper } from '#src/registry/quota-keeper.ts';
import type { Membership } from '#src/replica/membership.ts';
import type { Proposer } from '#src/replica/proposer.ts';
import { createScheduler } from '#src/scheduler/scheduler.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Metrics } from '#src/std/metrics.ts';
import { createApiEndpointsKeeper } from './api-endpoints.ts';
import { finishBirth, type Life } from './birth.ts';
import type { Disk } from '#src/ports/disk.ts';
import type { NodeTimes } from './config.ts';

const RETRY_MS = 200;
const BIRTH_DEADLINE_MS = 10_000;

export interface LeaderDuties {
  start(): void;
  stop(): void;
  /** Empty on followers. */
  listActors(): ActorView[];
}

export function createDuties(options: {
  clientOf: (user: string, ...groups: string[]) => Client;
  clock: Clock;
  random: Random;
  log: Log;
  membership: Membership;
  proposer: Proposer;
  quotas: QuotaKeeper;
  disk: Disk;
  life: Life;
  times: NodeTimes;
  manifests: KubeObject[];
  apiPort: number;
  metrics?: Metrics | undefined;
}): LeaderDuties {
  const { clientOf, clock, random, life, times } = options;
  const log = options.log.scope('duties');
  const controllers = createControllers({
    client: clientOf('system:kube-controller-manager'),
    clock,
    random,
    log: options.log,
    metrics: options.metrics,
    config: {
      nodeMonitorGraceMs: times.nodeGraceMs,
      podEvictionMs: times.podEvictionMs,
      rootCa: life.keys.trust.serving,
    },
  });
  const scheduler = createScheduler({ client: clientOf('system:kube-scheduler'), clock, random, log: options.log });
  const admin = clientOf('system:apiserver', 'system:masters');
  let unsubscribe: (() => void) | undefined;
  let retry: Timer | undefined;
  let leading: number | undefined;
  const endpoints = createApiEndpointsKeeper({ client: admin, clock, log, term: () => leading });

  /** Idempotent; again after a failure for as long as this term lasts. */
  async function firstObjects(term: number): Promise<void> {
    try {
      if (life.birth) await options.proposer.propose([life.birth.transaction], { deadlineMs: BIRTH_DEADLINE_MS });
      const objects = [
        ...firstNamespaces(),
        ...options.manifests,
        kubernetesService({ serviceCidr: life.identity.ranges.services, apiServerPort: options.apiPort }),
      ];
      const created = await applyFirstObjects(admin, objects, { term });
      if (created > 0) log.info('created the objects a cluster starts with', { created });
      if (life.birth) await finishBirth(options, life.birth);
    } catch (error) {
      if (leading !== term) return;
      log.warn('the first objects are not there yet; trying again', { error: messageOf(error) });
      retry = clock.after(RETRY_MS, () => void firstObjects(term));
    }
  }

  return {
    start() {
      controllers.warm();
      scheduler.warm();
      unsubscribe = options.membership.onLeadership((term) => {
        retry?.cancel();
        controllers.stop();
        scheduler.stop();
        options.quotas.stop();
        endpoints.stop();
        leading = term;
        if (term === undefined) return;
        endpoints.start();
        log.info('leader duties begin', { term });
        void firstObjects(term);
        controllers.start(term);
        scheduler.start(term);
        options.quotas.start(term);
      });
    },
    stop() {
      unsubscribe?.();
      retry?.cancel();
      leading = undefined;
      endpoints.stop();
      controllers.close();
      scheduler.close();
      options.quotas.stop();
    },
    listActors: () => controllers.listActors(),
  };
}
