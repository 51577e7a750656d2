/**
 * Admission in Kubernetes' order: the plugins that change a new object, then (after the rules of its kind)
 * those that judge it; what counts against quotas comes last. Plugins look at one state of the store and
 * are synchronous; they run again when a write is planned anew.
 * Owns: the order. Read next: attributes.ts (what a plugin is), then a file per plugin.
 */
import type { AdmissionEffect, AdmissionPlugin, Attributes } from './attributes.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerations } from './default-tolerations.ts';
import { limitRanger } from './limit-ranger.ts';
import { nodeRestriction } from './node-restriction.ts';
import { podSecurity } from './pod-security.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { serviceAccount } from './service-account.ts';

/** kube-apiserver's RecommendedPluginOrder; NamespaceLifecycle is a condition of every create (namespaces.ts). */
const PLUGINS: readonly AdmissionPlugin[] = [
  limitRanger,
  serviceAccount,
  nodeRestriction,
  podSecurity,
  priority,
  defaultTolerations,
  defaultStorageClass,
  resourceQuota,
];

export type { AdmissionEffect, Attributes } from './attributes.ts';

/** The options of the verb as webhooks and policies see them. */
export function optionsOf(
  kind: string,
  { dryRun, fieldManager }: { dryRun?: boolean | undefined; fieldManager?: string | undefined },
): Record<string, unknown> {
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...(dryRun === true ? { dryRun: ['All'] } : {}),
    ...(fieldManager === undefined ? {} : { fieldManager }),
  };
}

/** @throws ApiError. */
export function mutate(attributes: Attributes): void {
  for (const plugin of PLUGINS) plugin.mutate?.(attributes);
}

/** What the write has to carry beside the object. @throws ApiError. */
export function validate(attributes: Attributes): AdmissionEffect {
  const effect: AdmissionEffect = { conditions: [], operations: [] };
  for (const plugin of PLUGINS) {
    const added = plugin.validate?.(attributes);
    if (added === undefined) continue;
    effect.conditions.push(...added.conditions);
    effect.operations.push(...added.operations);
  }
  return effect;
}
