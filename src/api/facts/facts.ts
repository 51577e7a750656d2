/**
 * The table of type facts: what every API type looks like in JSON and in protobuf, after Kubernetes 1.36.
 *
 * One file per group/version, one line per type (continued lines are indented): the type's short name, then its fields:
 *
 *   name:TYPE#NUMBER FLAGS      a field with its protobuf number; `+TYPE#NUMBER` is an inlined struct, number 0: not in protobuf
 *   TYPE                        a scalar, a struct of this file, or `core-v1.Container`; `[]` list of, `{}` map to, `{}[]` map to lists
 *   ?  left out of JSON when empty     *  a pointer: zero is a value     ~  optional, yet always written     !  required, yet `?`
 *   @atomic @set @map(keys) @granular     list or map semantics of server-side apply
 *   ^merge:key                  strategy of strategic merge patch, and the key that tells the items apart
 *   =value                      default, in JSON or as plain text     |A|B   closed set of values (`_` for a space)
 */
import { admissionV1 } from './admission-v1.ts';
import { admissionregistrationV1 } from './admissionregistration-v1.ts';
import { apiextensionsV1 } from './apiextensions-v1.ts';
import { apiregistrationV1 } from './apiregistration-v1.ts';
import { appsV1 } from './apps-v1.ts';
import { authenticationV1 } from './authentication-v1.ts';
import { authorizationV1 } from './authorization-v1.ts';
import { autoscalingV1 } from './autoscaling-v1.ts';
import { autoscalingV2 } from './autoscaling-v2.ts';
import { batchV1 } from './batch-v1.ts';
import { certificatesV1 } from './certificates-v1.ts';
import { coordinationV1 } from './coordination-v1.ts';
import { coreV1 } from './core-v1.ts';
import { discoveryV1 } from './discovery-v1.ts';
import { eventsV1 } from './events-v1.ts';
import { flowcontrolV1 } from './flowcontrol-v1.ts';
import { metaV1 } from './meta-v1.ts';
import { metricsV1beta1 } from './metrics-v1beta1.ts';
import { networkingV1 } from './networking-v1.ts';
import { nodeV1 } from './node-v1.ts';
import { policyV1 } from './policy-v1.ts';
import { rbacV1 } from './rbac-v1.ts';
import { resourceV1 } from './resource-v1.ts';
import { schedulingV1 } from './scheduling-v1.ts';
import { storageV1 } from './storage-v1.ts';

/** Leaf types; every other type name is the full `io.k8s.…` name of a struct. */
export type ScalarType =
  | 'string'
  | 'bytes'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'Quantity'
  | 'IntOrString'
  | 'Time'
  | 'MicroTime'
  | 'Duration'
  | 'RawExtension'
  | 'FieldsV1';

export interface FieldFacts {
  /** JSON name; '' for an inlined struct. */
  readonly name: string;
  /** Protobuf number; 0 when the field is not in protobuf (TypeMeta). */
  readonly number: number;
  /** A ScalarType or the full name of a struct. */
  readonly type: string;
  readonly shape: 'single' | 'list' | 'map' | 'mapOfLists';
  /** Its fields melt into the parent in JSON, but it is a message of its own in protobuf. */
  readonly inline: boolean;
  /** Left out of JSON when empty (zero for a plain value, absent for a pointer). */
  readonly omitEmpty: boolean;
  /** A pointer in Go: zero is a value, absence is different. */
  readonly pointer: boolean;
  readonly required: boolean;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly mapKeys: readonly string[];
  readonly mapType: 'atomic' | 'granular' | undefined;
  readonly mergeKey: string | undefined;
  /** 'merge', 'replace', 'retainKeys' or both joined by a comma. */
  readonly patchStrategy: string | undefined;
  readonly enum: readonly string[] | undefined;
  readonly default: unknown;
}

export interface TypeFacts {
  /** Full name, `io.k8s.api.core.v1.Pod`. */
  readonly name: string;
  /** As declared: inlined structs are one entry. For protobuf. */
  readonly declared: readonly FieldFacts[];
  /** With inlined structs melted in. For JSON. */
  readonly fields: readonly FieldFacts[];
  readonly byName: ReadonlyMap<string, FieldFacts>;
  readonly byNumber: ReadonlyMap<number, FieldFacts>;
}

const GROUPS: Record<string, readonly [group: string, rows: string]> = {
  'admission-v1': ['io.k8s.api.admission.v1', admissionV1],
  'admissionregistration-v1': ['io.k8s.api.admissionregistration.v1', admissionregistrationV1],
  'apiextensions-v1': ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1', apiextensionsV1],
  'apiregistration-v1': ['io.k8s.kube-aggregator.pkg.apis.apiregistration.v1', apiregistrationV1],
  'apps-v1': ['io.k8s.api.apps.v1', appsV1],
  'authentication-v1': ['io.k8s.api.authentication.v1', authenticationV1],
  'authorization-v1': ['io.k8s.api.authorization.v1', authorizationV1],
  'autoscaling-v1': ['io.k8s.api.autoscaling.v1', autoscalingV1],
  'autoscaling-v2': ['io.k8s.api.autoscaling.v2', autoscalingV2],
  'batch-v1': ['io.k8s.api.batch.v1', batchV1],
  'certificates-v1': ['io.k8s.api.certificates.v1', certificatesV1],
  'coordination-v1': ['io.k8s.api.coordination.v1', coordinationV1],
  'core-v1': ['io.k8s.api.core.v1', coreV1],
  'discovery-v1': ['io.k8s.api.discovery.v1', discoveryV1],
  'events-v1': ['io.k8s.api.events.v1', eventsV1],
  'flowcontrol-v1': ['io.k8s.api.flowcontrol.v1', flowcontrolV1],
  'meta-v1': ['io.k8s.apimachinery.pkg.apis.meta.v1', metaV1],
  'metrics-v1beta1': ['io.k8s.metrics.pkg.apis.metrics.v1beta1', metricsV1beta1],
  'networking-v1': ['io.k8s.api.networking.v1', networkingV1],
  'node-v1': ['io.k8s.api.node.v1', nodeV1],
  'policy-v1': ['io.k8s.api.policy.v1', policyV1],
  'rbac-v1': ['io.k8s.api.rbac.v1', rbacV1],
  'resource-v1': ['io.k8s.api.resource.v1', resourceV1],
  'scheduling-v1': ['io.k8s.api.scheduling.v1', schedulingV1],
  'storage-v1': ['io.k8s.api.storage.v1', storageV1],
};

const SCALARS: ReadonlySet<string> = new Set<ScalarType>([
  'string',
  'bytes',
  'boolean',
  'int32',
  'int64',
  'double',
  'Quantity',
  'IntOrString',
  'Time',
  'MicroTime',
  'Duration',
  'RawExtension',
  'FieldsV1',
]);

const FIELD =
  /^(?:\+|(?<name>[^:]+):)(?<shape>\{\}\[\]|\{\}|\[\])?(?<type>[\w.-]+)#(?<number>\d+)(?<flags>[?*~!]*)(?:@(?<list>\w+)(?:\((?<keys>[^)]*)\))?)?(?:\^(?<strategy>[\w,]+)(?::(?<mergeKey>\w+))?)?(?:=(?<default>[^|]*))?(?:\|(?<enum>.*))?$/;

const SHAPES: Record<string, FieldFacts['shape']> = { '': 'single', '[]': 'list', '{}': 'map', '{}[]': 'mapOfLists' };

function parseDefault(type: string, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (text === '""') return '';
  return type === 'string' ? text : (JSON.parse(text) as unknown);
}

function fullName(type: string, group: string): string {
  if (SCALARS.has(type)) return type;
  const dot = type.indexOf('.');
  if (dot < 0) return `${group}.${type}`;
  return `${GROUPS[type.slice(0, dot)]?.[0]}.${type.slice(dot + 1)}`;
}

function parseField(text: string, group: string): FieldFacts {
  const part = FIELD.exec(text)?.groups;
  if (part === undefined) throw new Error(`type facts: cannot read field ${text} of ${group}`);
  const flags = part['flags'] ?? '';
  const type = fullName(part['type'] ?? '', group);
  const shape = SHAPES[part['shape'] ?? ''] ?? 'single';
  const listOrMapType = part['list'];
  return {
    name: part['name'] ?? '',
    number: Number(part['number']),
    type,
    shape,
    inline: part['name'] === undefined,
    omitEmpty: flags.includes('?'),
    pointer: flags.includes('*'),
    required: flags === '' || flags.includes('!'),
    listType: shape === 'list' ? (listOrMapType as FieldFacts['listType']) : undefined,
    mapKeys: part['keys']?.split(',') ?? [],
    mapType: shape === 'list' ? undefined : (listOrMapType as FieldFacts['mapType']),
    mergeKey: part['mergeKey'],
    patchStrategy: part['strategy'],
    enum: part['enum']?.split('|').map((value) => (value === '""' ? '' : value.replaceAll('_', ' '))),
    default: parseDefault(type, part['default']),
  };
}

/** Every line of every group, before structs are melted into each other. */
function declaredTypes(): Map<string, FieldFacts[]> {
  const types = new Map<string, FieldFacts[]>();
  for (const [group, rows] of Object.values(GROUPS)) {
    for (const row of rows.trim().split(/\n(?! )/)) {
      const [name, ...fields] = row.split(/\s+/);
      types.set(
        `${group}.${name}`,
        fields.map((field) => parseField(field, group)),
      );
    }
  }
  return types;
}

function meltInlined(fields: readonly FieldFacts[], declared: ReadonlyMap<string, FieldFacts[]>): FieldFacts[] {
  return fields.flatMap((field) => (field.inline ? meltInlined(declared.get(field.type) ?? [], declared) : [field]));
}

function buildTypes(): ReadonlyMap<string, TypeFacts> {
  const declared = declaredTypes();
  const types = new Map<string, TypeFacts>();
  for (const [name, own] of declared) {
    const fields = meltInlined(own, declared);
    types.set(name, {
      name,
      declared: own,
      fields,
      byName: new Map(fields.map((field) => [field.name, field])),
      byNumber: new Map(own.filter((field) => field.number > 0).map((field) => [field.number, field])),
    });
  }
  return types;
}

/** All struct types by full name. */
export const TYPES: ReadonlyMap<string, TypeFacts> = buildTypes();

/** Undefined for scalars and unknown names. */
export function findType(name: string): TypeFacts | undefined {
  return TYPES.get(name);
}

/** The facts of a struct; an unknown name is our mistake. */
export function typeOf(name: string): TypeFacts {
  const type = TYPES.get(name);
  if (type === undefined) throw new Error(`no facts about type ${name}`);
  return type;
}

/** Fields as JSON sees them, inlined structs melted in. */
export function fieldsOf(name: string): readonly FieldFacts[] {
  return typeOf(name).fields;
}
