/**
 * What is taken, yet not recommended: for `Warning` headers, which kubectl prints.
 * Source: Kubernetes 1.36 pkg/api/pod/warnings.go and WarningsOnCreate of pkg/registry/<group>/<kind>/strategy.go.
 */
import type { Kind } from './kinds.ts';
import { isDns1123Label } from './names.ts';
import type { KubeObject } from './object.ts';
import type { Container, PodSpec, PodTemplateSpec } from './objects.ts';
import type { Ingress } from './objects/networking.ts';
import type { CronJob, Job, StatefulSet } from './objects/workloads.ts';

/** Warnings of one answer; the rest would help nobody. */
const WARNINGS_MAX = 20;
const INDEXED_COMPLETIONS = 100_000;
const INDEXED_PARALLELISM = 10_000;

type Warn = (text: string) => void;
type Looker = (object: never, warn: Warn) => void;

interface Templated extends KubeObject {
  spec?: { template?: PodTemplateSpec };
}

/** Its Pods are called after it, and they call themselves so. */
const POD_NAMES =
  'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended';
const HOSTNAME =
  "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";

function aboutName(object: KubeObject, text: string, warn: Warn): void {
  const problems = isDns1123Label(object.metadata?.name ?? '');
  if (problems.length > 0) warn(`${text}: [${problems.join(' ')}]`);
}

function workload(object: Templated, warn: Warn): void {
  aboutName(object, POD_NAMES, warn);
  aboutPodSpec('spec.template.spec', object.spec?.template?.spec, warn);
}

const LOOKERS: Record<string, Looker> = {
  'v1 Pod': (object: KubeObject & { spec?: PodSpec }, warn) => {
    aboutName(object, HOSTNAME, warn);
    aboutPodSpec('spec', object.spec, warn);
  },
  'v1 PodTemplate': (object: { template?: PodTemplateSpec }, warn) =>
    aboutPodSpec('template.spec', object.template?.spec, warn),
  'v1 ReplicationController': workload,
  'apps/v1 Deployment': workload,
  'apps/v1 ReplicaSet': workload,
  'apps/v1 DaemonSet': (object: Templated, warn) =>
    aboutPodSpec('spec.template.spec', object.spec?.template?.spec, warn),
  'apps/v1 StatefulSet': (object: StatefulSet, warn) => {
    workload(object, warn);
    if ((object.spec?.revisionHistoryLimit ?? 0) < 0) {
      warn('spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended');
    }
  },
  'batch/v1 Job': (object: Job, warn) => {
    workload(object, warn);
    const { completionMode, completions = 0, parallelism = 0 } = object.spec ?? {};
    if (completionMode === 'Indexed' && completions > INDEXED_COMPLETIONS && parallelism > INDEXED_PARALLELISM) {
      warn(
        'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail',
      );
    }
  },
  'batch/v1 CronJob': (object: CronJob, warn) => {
    aboutName(object, POD_NAMES, warn);
    aboutPodSpec('spec.jobTemplate.spec.template.spec', object.spec?.jobTemplate?.spec?.template?.spec, warn);
  },
  'networking.k8s.io/v1 Ingress': (object: Ingress, warn) => {
    if (object.metadata?.annotations?.['kubernetes.io/ingress.class'] === undefined) return;
    warn(`annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`);
  },
};

/** For a new object, or one whose spec has changed. */
export function warningsOf(kind: Kind, object: KubeObject): string[] {
  const look = LOOKERS[`${kind.apiVersion} ${kind.kind}`] as ((object: KubeObject, warn: Warn) => void) | undefined;
  const warnings: string[] = [];
  look?.(object, (text) => {
    if (warnings.length < WARNINGS_MAX) warnings.push(text);
  });
  return warnings;
}

const OLD_NODE_LABELS: Record<string, string> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

function aboutPodSpec(field: string, spec: PodSpec | undefined, warn: Warn): void {
  for (const key of Object.keys(spec?.nodeSelector ?? {})) {
    if (Object.hasOwn(OLD_NODE_LABELS, key)) warn(`${field}.nodeSelector[${key}]: ${OLD_NODE_LABELS[key]}`);
  }
  for (const [index, volume] of (spec?.volumes ?? []).entries()) {
    if (volume.gitRepo !== undefined) warn(`${field}.volumes[${index}].gitRepo: deprecated in v1.11`);
  }
  for (const group of ['initContainers', 'containers'] as const) {
    for (const [index, container] of (spec?.[group] ?? []).entries()) {
      aboutContainer(`${field}.${group}[${index}]`, container, warn);
    }
  }
}

function aboutContainer(field: string, container: Container, warn: Warn): void {
  const variables = new Set<string>();
  for (const [index, { name }] of (container.env ?? []).entries()) {
    if (variables.has(name)) {
      warn(
        `${field}.env[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
      );
    }
    variables.add(name);
  }
  const ports = new Map<string, number>();
  for (const [index, { containerPort, protocol, hostPort = 0, hostIP = '' }] of (container.ports ?? []).entries()) {
    const port = `${containerPort}/${protocol ?? 'TCP'}/${hostPort}/${hostIP}`;
    const before = ports.get(port);
    if (before === undefined) ports.set(port, index);
    else warn(`${field}.ports[${index}]: duplicate port definition with ${field}.ports[${before}]`);
  }
}
