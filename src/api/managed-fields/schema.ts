/** What of a type is one value and what is taken apart, from the table of type facts. */
import { findType, type FieldFacts, type TypeFacts } from '../facts/facts.ts';

export type Schema =
  | { shape: 'leaf' }
  | { shape: 'struct'; type: TypeFacts }
  /** An object of named members; `rest` is what the others are, `always` those that are there even when absent. */
  | {
      shape: 'members';
      fields: ReadonlyMap<string, Schema>;
      rest: Schema | undefined;
      always: ReadonlySet<string>;
    }
  /** Of no known type: objects are taken apart, other values are leaves. */
  | { shape: 'untyped' }
  | { shape: 'map'; element: Schema }
  | { shape: 'set' }
  | { shape: 'list'; keys: readonly string[]; defaults: Readonly<Record<string, unknown>>; element: Schema };

const LEAF: Schema = { shape: 'leaf' };

/** Structs that one manager owns as a whole (`+structType=atomic` in Kubernetes). */
const ATOMIC_STRUCTS = new Set([
  'io.k8s.api.core.v1.ConfigMapKeySelector',
  'io.k8s.api.core.v1.FileKeySelector',
  'io.k8s.api.core.v1.LocalObjectReference',
  'io.k8s.api.core.v1.NodeSelector',
  'io.k8s.api.core.v1.NodeSelectorTerm',
  'io.k8s.api.core.v1.ObjectFieldSelector',
  'io.k8s.api.core.v1.ObjectReference',
  'io.k8s.api.core.v1.ResourceFieldSelector',
  'io.k8s.api.core.v1.ScopeSelector',
  'io.k8s.api.core.v1.SecretKeySelector',
  'io.k8s.api.core.v1.SecretReference',
  'io.k8s.api.core.v1.TopologySelectorTerm',
  'io.k8s.api.core.v1.TypedLocalObjectReference',
  'io.k8s.api.discovery.v1.EndpointConditions',
  'io.k8s.api.networking.v1.IngressClassParametersReference',
  'io.k8s.api.rbac.v1.RoleRef',
  'io.k8s.api.rbac.v1.Subject',
  'io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector',
  'io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference',
]);

/**
 * Structs that are plain values in Go: they are always there, so that nobody adds or removes them as such. Others
 * are pointers, whose coming is a change of its own ('.' in the field set).
 */
const PLAIN_STRUCTS = new Set([
  'ContainerState',
  'DaemonEndpoint',
  'DaemonSetUpdateStrategy',
  'DeploymentStrategy',
  'JobTemplateSpec',
  'LoadBalancerStatus',
  'NodeDaemonEndpoints',
  'NodeSystemInfo',
  'ObjectMeta',
  'PodTemplateSpec',
  'ResourceRequirements',
  'StatefulSetUpdateStrategy',
  'VolumeResourceRequirements',
]);

/** The schema of a kind, from the type table or its own. */
export function schemaOfKind(kind: { typeName: string; custom?: { managedSchema: Schema } }): Schema {
  return kind.custom?.managedSchema ?? schemaOfType(kind.typeName);
}

/** The schema of a member of an object. */
export function schemaOfMember(schema: Schema, key: string): Schema {
  if (schema.shape === 'map') return schema.element;
  if (schema.shape === 'untyped') return schema;
  if (schema.shape === 'members') return schema.fields.get(key) ?? schema.rest ?? LEAF;
  const field = schema.shape === 'struct' ? schema.type.byName.get(key) : undefined;
  return field === undefined ? LEAF : schemaOfField(field);
}

export function schemaOfType(typeName: string): Schema {
  const type = ATOMIC_STRUCTS.has(typeName) ? undefined : findType(typeName);
  return type === undefined ? LEAF : { shape: 'struct', type };
}

export function schemaOfField(field: FieldFacts): Schema {
  switch (field.shape) {
    case 'single':
      return schemaOfType(field.type);
    case 'map':
      return field.mapType === 'atomic' ? LEAF : { shape: 'map', element: schemaOfType(field.type) };
    case 'mapOfLists':
      return field.mapType === 'atomic' ? LEAF : { shape: 'map', element: LEAF };
    case 'list':
      if (field.listType === 'set') return { shape: 'set' };
      if (field.listType !== 'map') return LEAF;
      return { shape: 'list', keys: field.mapKeys, defaults: keyDefaults(field), element: schemaOfType(field.type) };
  }
}

/** Whether the field is there even when JSON leaves it out. */
export function isAlwaysThere(field: FieldFacts): boolean {
  if (field.shape !== 'single') return !field.omitEmpty;
  const short = field.type.slice(field.type.lastIndexOf('.') + 1);
  return (
    PLAIN_STRUCTS.has(short) || (/(Spec|Status)$/.test(short) && (field.name === 'spec' || field.name === 'status'))
  );
}

/** A key that is left out has its default: `protocol` of a port is TCP. */
function keyDefaults(field: FieldFacts): Record<string, unknown> {
  const type = findType(field.type);
  const defaults: Record<string, unknown> = {};
  for (const key of field.mapKeys) {
    const value = type?.byName.get(key)?.default;
    if (value !== undefined) defaults[key] = value;
  }
  return defaults;
}
