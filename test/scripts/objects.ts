/**
 * Writes src/api/objects.ts anew from the table of type facts: `node test/scripts/objects.ts > src/api/objects.ts`.
 * A kind that is to be served is added to ROOTS; test/api/documents.test.ts fails while the file and this differ.
 */
import { pathToFileURL } from 'node:url';
import { findType, typeOf, type FieldFacts } from '#src/api/facts/facts.ts';

const ROOTS = [
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
].map((name) => `io.k8s.api.${name}`);

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
function visit(typeName: string, seen: Set<string>): void {
  if (seen.has(typeName) || typeName === OBJECT_META || findType(typeName) === undefined) return;
  seen.add(typeName);
  for (const field of typeOf(typeName).fields) visit(field.type, seen);
}

export function objectsSource(): string {
  const types = new Set<string>();
  for (const root of ROOTS) visit(root, types);
  const header = `/**
 * TypeScript shapes of the served kinds and what they are made of, after Kubernetes 1.36.
 * Times are RFC 3339 text, quantities are canonical text, bytes are base64 text.
 * Made by test/scripts/objects.ts from the table of type facts.
 */
import type { ObjectMeta } from './object.ts';
`;
  return [header, ...[...types].map((name) => `${interfaceOf(name)}\n`)].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.stdout.write(objectsSource());
