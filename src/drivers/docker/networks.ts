/** The Docker network of a cluster, for nodes that may not make network devices themselves. */
import type { Log } from '#src/ports/log.ts';
import { call, callOr, engineFault, statusOf, type Engine } from './engine.ts';
import { onceOnEngine } from './once.ts';

export interface Networks {
  name: string;
  ensure(): Promise<void>;
  /** With the last Pod goes the network: the engine's ranges are few. */
  removeWhenEmpty(): Promise<void>;
}

export function createNetworks(options: {
  engine: Engine;
  clusterLabel: string;
  /** Any image that is present. */
  image: () => Promise<string>;
  log: Log;
}): Networks {
  const { engine, clusterLabel, image, log } = options;
  const name = `kontiki-${clusterLabel}`;
  const wanted = { Name: name, Driver: 'bridge', CheckDuplicate: true, Labels: { 'kontiki.cluster': clusterLabel } };
  const look = (): Promise<object | undefined> =>
    callOr(engine, `network ${name}`, engine.calls.getNetwork(name).inspect() as Promise<object>, undefined);
  return {
    name,
    async ensure() {
      await onceOnEngine(engine, log, {
        name: `${name}-network`,
        image,
        done: look,
        work: async () => void (await call(engine, `network ${name}`, engine.calls.createNetwork(wanted))),
      });
    },
    async removeWhenEmpty() {
      const filters = { network: [name] };
      const users = await call(engine, 'list', engine.calls.listContainers({ all: true, filters }));
      if (users.length > 0) return;
      try {
        await engine.calls.getNetwork(name).remove();
      } catch (error) {
        // Gone, or a Pod came meanwhile.
        if (statusOf(error) === undefined) throw engineFault(engine, error, `network ${name}`);
      }
    },
  };
}
