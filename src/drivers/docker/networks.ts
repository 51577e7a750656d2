/** The Docker network of a cluster, for nodes that may not make network devices themselves. */
import { call, callOr, engineFault, statusOf, type Engine } from './engine.ts';

export interface Networks {
  name: string;
  ensure(): Promise<void>;
  /** With the last Pod goes the network: the engine's ranges are few. */
  removeWhenEmpty(): Promise<void>;
}

export function createNetworks(engine: Engine, clusterLabel: string): Networks {
  const name = `kontiki-${clusterLabel}`;
  return {
    name,
    async ensure() {
      if (await callOr(engine, `network ${name}`, engine.calls.getNetwork(name).inspect(), undefined)) return;
      const wanted = {
        Name: name,
        Driver: 'bridge',
        CheckDuplicate: true,
        Labels: { 'kontiki.cluster': clusterLabel },
      };
      try {
        await engine.calls.createNetwork(wanted);
      } catch (error) {
        if (statusOf(error) !== 409) throw engineFault(engine, error, `network ${name}`); // 409: another node made it.
      }
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
