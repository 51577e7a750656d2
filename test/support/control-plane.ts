/** The registry over a memory replica with the control loops and a kubelet that only says "Running": for tests of loops. */
import type { Pod } from '#src/api/objects.ts';
import { formatTime } from '#src/api/metadata.ts';
import { createControllers, type Controllers, type ControllerConfig } from '#src/controllers/controllers.ts';
import { PODS } from '#src/controllers/resources.ts';
import { createInformer } from '#src/registry/informer.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { apiFixture, type ApiFixture } from './api-fixture.ts';
import { runFor } from './virtual.ts';

export interface ControlPlane extends ApiFixture {
  controllers: Controllers;
  /** Lets virtual time pass. */
  pass(ms: number): Promise<void>;
  /** Bound Pods become Running and Ready after this long; undefined: never. Deleted ones end after it, too. */
  kubelet: { readyAfterMs: number | undefined; accepts: (pod: Pod) => boolean };
}

export async function controlPlane(config: Partial<ControllerConfig> = {}): Promise<ControlPlane> {
  const fixture = await apiFixture();
  const { clock, log, registry } = fixture;
  const random = createSimRandom(createPrng(7));
  const client = registry.clientFor({ user: 'system:kube-controller-manager', groups: ['system:authenticated'] });
  const controllers = createControllers({ client, clock, log, random, config });
  const kubelet: ControlPlane['kubelet'] = { readyAfterMs: 100, accepts: () => true };
  playKubelet(fixture, kubelet);
  controllers.warm();
  return { ...fixture, controllers, kubelet, pass: (ms) => runFor(fixture.world, ms) };
}

function playKubelet(fixture: ApiFixture, kubelet: ControlPlane['kubelet']): void {
  const { admin, clock, log } = fixture;
  const random = createSimRandom(createPrng(8));
  const pods = createInformer<Pod>({ client: admin, clock, log, random, resource: PODS });
  let nextIp = 1;
  const act = async (pod: Pod) => {
    const { namespace = '', name = '' } = pod.metadata;
    if (pods.get(namespace, name)?.metadata.uid !== pod.metadata.uid) return;
    if (pod.metadata.deletionTimestamp !== undefined) {
      await admin.delete(PODS, name, { namespace, gracePeriodSeconds: 0 });
      return;
    }
    nextIp += 1;
    const now = formatTime(clock.wallMs());
    const podIP = `10.244.${nextIp >> 8}.${nextIp & 255}`;
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: now }];
    const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions };
    await admin.patch(PODS, name, { type: 'merge', body: { status } }, { namespace, subresource: 'status' });
  };
  pods.onChange((type, pod, previous) => {
    if (type === 'DELETED' || !kubelet.accepts(pod) || kubelet.readyAfterMs === undefined) return;
    const ending = pod.metadata.deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined;
    const begun =
      pod.status?.phase !== 'Running' && (previous === undefined || previous.spec?.nodeName !== pod.spec?.nodeName);
    if (!ending && !begun) return;
    // A Pod that vanished or changed meanwhile is not this test kubelet's concern.
    clock.after(kubelet.readyAfterMs, () => void act(pod).catch(() => undefined));
  });
  pods.start();
}
