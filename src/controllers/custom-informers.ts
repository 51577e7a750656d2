/** A copy of every custom resource, for the garbage collector: one list and watch per storage, as definitions come and go. */
import type { Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Client } from '#src/registry/client.ts';
import { createInformer, type Informer } from '#src/registry/informer.ts';

type Follow = (kind: Kind, informer: Informer<KubeObject>) => void;

export interface CustomInformers {
  /** Called for each copy before it is filled, those to come included. */
  follow(listener: Follow): void;
  stop(): void;
}

export function createCustomInformers(setup: {
  client: Client;
  clock: Clock;
  log: Log;
  random: Random;
  /** The copy of the definitions. */
  definitions: Informer<KubeObject>;
}): CustomInformers {
  const { client, definitions } = setup;
  const listeners: Follow[] = [];
  const running = new Map<string, { kind: Kind; informer: Informer<KubeObject> }>();

  const begin = (kind: Kind) => {
    const informer = createInformer<KubeObject>({ ...setup, resource: kind });
    running.set(kind.storagePrefix, { kind, informer });
    for (const listener of listeners) listener(kind, informer);
    informer.start();
  };

  definitions.onChange(() => {
    const wanted = oncePerStorage(client.kinds().filter((kind) => kind.custom !== undefined));
    const names = new Map(wanted.map((kind) => [kind.storagePrefix, kind.apiVersion]));
    for (const [prefix, { kind, informer }] of running) {
      if (names.get(prefix) === kind.apiVersion) continue;
      informer.stop();
      running.delete(prefix);
    }
    for (const kind of wanted) if (!running.has(kind.storagePrefix)) begin(kind);
  });

  return {
    follow(listener) {
      listeners.push(listener);
      for (const { kind, informer } of running.values()) listener(kind, informer);
    },
    stop() {
      for (const { informer } of running.values()) informer.stop();
      running.clear();
    },
  };
}

/** One kind for each storage, the preferred version. */
export function oncePerStorage(kinds: readonly Kind[]): Kind[] {
  const found = new Map<string, Kind>();
  for (const kind of kinds) if (!found.has(kind.storagePrefix)) found.set(kind.storagePrefix, kind);
  return [...found.values()];
}
