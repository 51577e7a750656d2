/** DefaultTolerationSeconds: how long a Pod stays on a node that is not ready or unreachable. */
import type { Pod, Toleration } from '#src/api/objects.ts';
import { isPodKind, type AdmissionPlugin } from './attributes.ts';

const UNREACHABLE_TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

export const defaultTolerations: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  mutate({ operation, kind, object, core }) {
    const spec = (object as Pod | undefined)?.spec;
    if (operation !== 'CREATE' || !isPodKind(kind) || spec === undefined) return;
    const seconds = core.config.evictionTolerationSeconds;
    const tolerations = spec.tolerations ?? [];
    const missing = UNREACHABLE_TAINTS.filter((key) => !tolerations.some((one) => tolerates(one, key)));
    if (missing.length === 0) return;
    spec.tolerations = [
      ...tolerations,
      ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds })),
    ];
  },
};

function tolerates(toleration: Toleration, key: string): boolean {
  const sameKey = toleration.key === key || toleration.key === undefined || toleration.key === '';
  const sameEffect = toleration.effect === undefined || toleration.effect === '' || toleration.effect === 'NoExecute';
  return sameKey && sameEffect;
}
