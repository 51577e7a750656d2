/**
 * The control loops: informers that stay warm on every voter, and duties that run on the leader only, each write
 * fenced by its term. A new leader starts by observing: everything is derived from stored objects.
 * Owns: the informers, the actor hosts, the sweeps. Reads and writes only through the Client.
 * Imports: std, ports, api, actors, registry's Client and informer. Never: kubelet, scheduler, the store.
 * Read next: actor-host.ts (how an actor lives), informers.ts, garbage-collector.ts.
 */
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Client } from '#src/registry/client.ts';
import { createEventRecorder, type EventRecorder } from '#src/registry/event-recorder.ts';
import { objectKey } from '#src/registry/informer.ts';
import type { Metrics } from '#src/std/metrics.ts';
import type { ActorHost, ActorView } from './actor-host.ts';
import { DEFAULT_CONFIG, type ControllerConfig } from './config.ts';
import type { ControllerContext } from './context.ts';
import { hostDeployments } from './deployment.ts';
import { cleanUpDefinitions } from './definitions.ts';
import { collectGarbage } from './garbage-collector.ts';
import { createInformers } from './informers.ts';
import { hostNamespaces } from './namespace.ts';
import { hostNodes } from './node.ts';
import { hostReplicaSets } from './replicaset.ts';
import { hostServices } from './service.ts';
import { collectOrphanedPods, expireEvents, furnishNamespaces } from './sweeps.ts';
import { createWriter } from './writer.ts';

export { DEFAULT_CONFIG, LOCAL_CONFIG, type ControllerConfig } from './config.ts';
export type { ActorView, Transition } from './actor-host.ts';

/**
 * After taking office, before the first intent: the local copies receive what the last leader wrote. Its entries are
 * applied here before our no-op, but their watch events may still be on the way.
 */
export const TAKE_OFFICE_MS = 250;

export interface ControllersSetup {
  /** Identity system:kube-controller-manager or system:masters. */
  client: Client;
  clock: Clock;
  log: Log;
  random: Random;
  config?: Partial<ControllerConfig>;
  metrics?: Metrics | undefined;
}

export interface Controllers {
  /** Lists and watches, on every voter, from the start. Idempotent. */
  warm(): void;
  /** Leader duties of this term begin, once the informers are synced. Call when the term's no-op is applied. */
  start(term: number): void;
  /** Leader duties end: timers are cancelled, actors dropped. The informers stay warm. */
  stop(): void;
  /** stop(), and the informers too. */
  close(): void;
  /** Live actors, for `kontiki actors`. Empty on followers. */
  listActors(): ActorView[];
  /** Changes settings in place, e.g. the root CA once it is known. Values apply from the next decision on. */
  configure(config: Partial<ControllerConfig>): void;
}

/** A duty that is not a set of actors. */
export interface Duties {
  start(term: number): void;
  stop(): void;
}

export function createControllers(setup: ControllersSetup): Controllers {
  const { client, clock, random } = setup;
  const log = setup.log.scope('controllers');
  const informers = createInformers({ client, clock, log, random });
  const recorders = new Map<string, EventRecorder>();
  const config = { ...DEFAULT_CONFIG, ...setup.config };
  const context: ControllerContext = {
    client,
    clock,
    log,
    random,
    config,
    metrics: setup.metrics,
    informers,
    writer: createWriter(client),
    recorder(component) {
      const recorder = recorders.get(component) ?? createEventRecorder({ client, clock, log, random, component });
      recorders.set(component, recorder);
      return recorder;
    },
  };
  const hosts: { host: ActorHost; keys: () => string[] }[] = [
    { host: hostDeployments(context), keys: () => informers.deployments.list().map(objectKey) },
    { host: hostReplicaSets(context), keys: () => informers.replicaSets.list().map(objectKey) },
    { host: hostServices(context), keys: () => informers.services.list().map(objectKey) },
    { host: hostNodes(context), keys: () => informers.nodes.list().map(objectKey) },
    { host: hostNamespaces(context), keys: () => informers.namespaces.list().map(objectKey) },
  ];
  const furniture = furnishNamespaces(context);
  const duties: Duties[] = [
    cleanUpDefinitions(context),
    collectGarbage(context),
    furniture,
    expireEvents(context),
    collectOrphanedPods(context),
  ];
  let office: Timer | undefined;
  let run = 0;

  const begin = (term: number) => {
    office = undefined;
    log.info('leader duties begin', { term });
    for (const { host, keys } of hosts) {
      host.start(term);
      for (const key of keys()) host.changed(key);
    }
    for (const duty of duties) duty.start(term);
  };

  const stop = () => {
    run += 1;
    office?.cancel();
    office = undefined;
    for (const { host } of hosts) host.stop();
    for (const duty of duties) duty.stop();
    for (const recorder of recorders.values()) recorder.stop();
  };

  return {
    warm: () => informers.start(),
    start(term) {
      stop();
      informers.start();
      const thisRun = run;
      void informers.synced().then(() => {
        if (thisRun === run) office = clock.after(TAKE_OFFICE_MS, () => begin(term));
      });
    },
    stop,
    close() {
      stop();
      informers.stop();
    },
    listActors: () => hosts.flatMap(({ host }) => host.list()),
    configure(changes) {
      Object.assign(config, changes);
      furniture.refresh();
    },
  };
}
