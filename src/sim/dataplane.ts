/** The data plane of the simulator: remembers what it was told; the owner is chosen in order of asking. */
import type { Dataplane, NodeNetwork, PodAttachment, ServicePort } from '#src/ports/dataplane.ts';
import { assert } from '#src/std/assert.ts';

/** Shared by the nodes of one simulated host. */
export interface SimDataplaneHost {
  owner: object | undefined;
  waiting: { who: object; take: () => void }[];
  services: ServicePort[];
  pods: Map<string, PodAttachment>;
}

export function createSimDataplaneHost(): SimDataplaneHost {
  return { owner: undefined, waiting: [], services: [], pods: new Map() };
}

export interface SimDataplane extends Dataplane {
  /** What the kernel does at kill -9: the lock is free, the rules stay. */
  crash(): void;
}

export function createSimDataplane(host: SimDataplaneHost): SimDataplane {
  const me = {};
  let network: NodeNetwork | undefined;

  function give(): void {
    if (host.owner === me) {
      const next = host.waiting.shift();
      host.owner = next?.who;
      next?.take();
    } else {
      host.waiting = host.waiting.filter((waiting) => waiting.who !== me);
    }
  }

  return {
    capabilities: () => Promise.resolve({ mode: 'sim', limits: [] }),
    prepareNode(next) {
      network = next;
      return Promise.resolve();
    },
    acquire() {
      assert(network, 'prepareNode comes before acquire');
      if (host.owner === undefined || host.owner === me) {
        host.owner = me;
        return Promise.resolve();
      }
      return new Promise((take) => host.waiting.push({ who: me, take }));
    },
    owns: () => host.owner === me,
    attachPod(pod) {
      host.pods.set(pod.podUid, pod);
      return Promise.resolve();
    },
    detachPod(podUid) {
      host.pods.delete(podUid);
      return Promise.resolve();
    },
    applyServices(services) {
      assert(host.owner === me, 'only the owner of the data plane applies rules');
      host.services = services;
      return Promise.resolve();
    },
    applyRoutes: () => Promise.resolve(),
    release() {
      give();
      return Promise.resolve();
    },
    removeAll() {
      host.pods.clear();
      host.services = [];
      return Promise.resolve();
    },
    crash: give,
  };
}
