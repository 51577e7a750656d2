/**
 * Writes src/api/objects.ts and src/api/objects/ anew from the table of type facts: `node test/scripts/objects.ts`.
 * A kind that is to be served is added to FILES; test/api/documents.test.ts fails while the files and this differ.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findType, typeOf, type FieldFacts } from '#src/api/facts/facts.ts';

/** Kinds by file. A type stands in the first file that needs it; the later ones import it. */
const FILES: Record<string, readonly string[]> = {
  'objects.ts': [
    'core.v1.Namespace',
    'core.v1.Node',
    'core.v1.Pod',
    'core.v1.Service',
    'core.v1.ConfigMap',
    'core.v1.Secret',
    'core.v1.ServiceAccount',
    'core.v1.Event',
    'core.v1.Endpoints',
    'core.v1.Binding',
    'apps.v1.ReplicaSet',
    'apps.v1.Deployment',
    'discovery.v1.EndpointSlice',
    'events.v1.Event',
    'coordination.v1.Lease',
    'autoscaling.v1.Scale',
  ],
  'objects/storage.ts': [
    'core.v1.PersistentVolume',
    'core.v1.PersistentVolumeClaim',
    'storage.v1.StorageClass',
    'storage.v1.CSIDriver',
    'storage.v1.CSINode',
    'storage.v1.CSIStorageCapacity',
    'storage.v1.VolumeAttachment',
    'storage.v1.VolumeAttributesClass',
  ],
  'objects/workloads.ts': [
    'core.v1.PodTemplate',
    'core.v1.ReplicationController',
    'apps.v1.StatefulSet',
    'apps.v1.DaemonSet',
    'apps.v1.ControllerRevision',
    'batch.v1.CronJob',
    'batch.v1.Job',
  ],
  'objects/autoscaling-v1.ts': ['autoscaling.v1.HorizontalPodAutoscaler'],
  'objects/autoscaling-v2.ts': ['autoscaling.v2.HorizontalPodAutoscaler'],
  'objects/policy.ts': [
    'core.v1.LimitRange',
    'core.v1.ResourceQuota',
    'policy.v1.PodDisruptionBudget',
    'scheduling.v1.PriorityClass',
    'node.v1.RuntimeClass',
  ],
  'objects/flowcontrol.ts': ['flowcontrol.v1.FlowSchema', 'flowcontrol.v1.PriorityLevelConfiguration'],
  'objects/networking.ts': [
    'networking.v1.Ingress',
    'networking.v1.IngressClass',
    'networking.v1.NetworkPolicy',
    'networking.v1.IPAddress',
    'networking.v1.ServiceCIDR',
  ],
  'objects/access.ts': [
    'rbac.v1.Role',
    'rbac.v1.RoleBinding',
    'rbac.v1.ClusterRole',
    'rbac.v1.ClusterRoleBinding',
    'certificates.v1.CertificateSigningRequest',
    'authentication.v1.TokenReview',
    'authentication.v1.SelfSubjectReview',
    'authorization.v1.SubjectAccessReview',
    'authorization.v1.LocalSubjectAccessReview',
    'authorization.v1.SelfSubjectAccessReview',
    'authorization.v1.SelfSubjectRulesReview',
  ],
  'objects/admission.ts': [
    'admissionregistration.v1.MutatingWebhookConfiguration',
    'admissionregistration.v1.ValidatingWebhookConfiguration',
    'admissionregistration.v1.ValidatingAdmissionPolicy',
    'admissionregistration.v1.ValidatingAdmissionPolicyBinding',
    'admissionregistration.v1.MutatingAdmissionPolicy',
    'admissionregistration.v1.MutatingAdmissionPolicyBinding',
  ],
};

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** Two groups use the name; the one that came first keeps it. */
const RENAMED: Record<string, string> = {
  'io.k8s.api.events.v1.Event': 'EventsV1Event',
  'io.k8s.api.events.v1.EventSeries': 'EventsV1EventSeries',
  'io.k8s.api.core.v1.EndpointPort': 'EndpointsPort',
};

const LEAVES: Record<string, string> = {
  boolean: 'boolean',
  int32: 'number',
  int64: 'number',
  double: 'number',
  IntOrString: 'number | string',
  RawExtension: 'unknown',
  FieldsV1: 'Record<string, unknown>',
};

export function interfaceName(typeName: string): string {
  return RENAMED[typeName] ?? typeName.slice(typeName.lastIndexOf('.') + 1);
}

function valueType(type: string): string {
  return findType(type) === undefined ? (LEAVES[type] ?? 'string') : interfaceName(type);
}

function fieldLine(field: FieldFacts, isKind: boolean): string {
  const value = valueType(field.type);
  const item = value.includes(' ') ? `(${value})` : value;
  const types = {
    single: value,
    list: `${item}[]`,
    map: `Record<string, ${value}>`,
    mapOfLists: `Record<string, ${item}[]>`,
  };
  // Objects in hand always have metadata, whatever the type allows.
  const present = (field.required && !field.omitEmpty) || (isKind && field.type === OBJECT_META);
  return `  ${field.name}${present ? '' : '?'}: ${types[field.shape]};`;
}

function interfaceOf(typeName: string): string {
  const { fields, byName } = typeOf(typeName);
  const isKind = byName.has('kind') && byName.has('metadata');
  const lines = fields.map((field) => fieldLine(field, isKind));
  // TypeMeta has the kind first, people the version.
  if (isKind) lines.splice(0, 2, '  apiVersion?: string;', '  kind?: string;');
  return [`export interface ${interfaceName(typeName)} {`, ...lines, '}'].join('\n');
}

/** Each type before what it is made of, once. */
function visit(typeName: string, seen: Map<string, string>, file: string): void {
  if (seen.has(typeName) || typeName === OBJECT_META || findType(typeName) === undefined) return;
  seen.set(typeName, file);
  for (const field of typeOf(typeName).fields) visit(field.type, seen, file);
}

/** The imports of a file: what it uses of the files before it, and the shape of metadata. */
function importsOf(file: string, types: readonly string[], homes: ReadonlyMap<string, string>): string[] {
  const used = new Map<string, Set<string>>();
  for (const field of types.flatMap((name) => typeOf(name).fields)) {
    const home = field.type === OBJECT_META ? 'object.ts' : homes.get(field.type);
    if (home === undefined || home === file) continue;
    used.set(home, (used.get(home) ?? new Set()).add(interfaceName(field.type)));
  }
  const up = file.includes('/') ? '../' : './';
  const pathOf = (home: string): string => (home.includes('/') ? `./${home.split('/')[1]}` : `${up}${home}`);
  const statements = [...used].map(([home, names]): [string, string[]] => [pathOf(home), [...names].sort()]);
  return statements.sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, names]) => importLine(path, names));
}

function importLine(path: string, names: string[]): string {
  const line = `import type { ${names.join(', ')} } from '${path}';`;
  return line.length <= 120 ? line : `import type {\n${names.map((name) => `  ${name},\n`).join('')}} from '${path}';`;
}

/** The text of each file. */
export function objectsSources(): Map<string, string> {
  const homes = new Map<string, string>();
  const sources = new Map<string, string>();
  for (const [file, roots] of Object.entries(FILES)) {
    for (const root of roots) visit(`io.k8s.api.${root}`, homes, file);
    const types = [...homes].filter(([, home]) => home === file).map(([name]) => name);
    const header = `/**
 * TypeScript shapes of the served kinds and what they are made of, after Kubernetes 1.36.
 * Times are RFC 3339 text, quantities are canonical text, bytes are base64 text.
 * Made by test/scripts/objects.ts from the table of type facts.
 */
${importsOf(file, types, homes).join('\n')}
`;
    sources.set(file, [header, ...types.map((name) => `${interfaceOf(name)}\n`)].join('\n'));
  }
  return sources;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [file, text] of objectsSources()) {
    writeFileSync(fileURLToPath(new URL(`../../src/api/${file}`, import.meta.url)), text);
  }
}
