/**
 * Admission in Kubernetes' order: the plugins that change a new object, then (after the rules of its kind)
 * those that judge it; what counts against quotas comes last. Plugins look at one state of the store and
 * are synchronous; they run again when a write is planned anew.
 * Owns: the order. Read next: attributes.ts (what a plugin is), then a file per plugin.
 */
import type { AdmissionEffect, AdmissionPlugin, Attributes } from './attributes.ts';
import { compiles } from './compiles.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerations } from './default-tolerations.ts';
import { limitRanger } from './limit-ranger.ts';
import { nodeRestriction } from './node-restriction.ts';
import { podSecurity } from './pod-security.ts';
import { priority } from './priority.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { resourceQuota } from './resource-quota.ts';
import { serviceAccount } from './service-account.ts';
import { validatingPolicies } from './validating-policies.ts';
import { callMutating, callValidating } from './webhooks.ts';

/** kube-apiserver's RecommendedPluginOrder; NamespaceLifecycle is a condition of every create (namespaces.ts). */
const PLUGINS: readonly AdmissionPlugin[] = [
  limitRanger,
  serviceAccount,
  nodeRestriction,
  podSecurity,
  priority,
  defaultTolerations,
  defaultStorageClass,
  rbacEscalation,
  compiles,
  validatingPolicies,
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

/** A Promise only when webhooks are concerned. @throws ApiError. */
export function mutate(attributes: Attributes): Promise<void> | undefined {
  const plugins = (): void => {
    for (const plugin of PLUGINS) plugin.mutate?.(attributes);
  };
  plugins();
  return callMutating(attributes, plugins);
}

/** What the write has to carry beside the object; quotas are charged last. @throws ApiError. */
export function validate(attributes: Attributes): AdmissionEffect | Promise<AdmissionEffect> {
  const effect: AdmissionEffect = { conditions: [], operations: [] };
  const collect = (plugin: AdmissionPlugin): void => {
    const added = plugin.validate?.(attributes);
    effect.conditions.push(...(added?.conditions ?? []));
    effect.operations.push(...(added?.operations ?? []));
  };
  for (const plugin of PLUGINS) collect(plugin);
  return after(callValidating(attributes), () => {
    collect(resourceQuota);
    return effect;
  });
}

/** `next`, at once when there is nothing to wait for. */
export function after<A, T>(before: A | Promise<A>, next: (value: A) => T | Promise<T>): T | Promise<T> {
  return before instanceof Promise ? before.then(next) : next(before);
}
