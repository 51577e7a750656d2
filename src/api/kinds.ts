/** The kinds that are served: a row each. Adding a kind is adding a row. */
import type { Decoded, DecodeOptions } from './decode.ts';
import { findType } from './facts/facts.ts';
import { ROWS } from './kind-rows.ts';
import type { Schema } from './managed-fields/schema.ts';
import type { KubeObject } from './object.ts';
import type { Cell, Column } from './table.ts';
import type { Causes } from './validation/causes.ts';

export type Verb = 'create' | 'get' | 'list' | 'watch' | 'update' | 'patch' | 'delete' | 'deletecollection';

export interface Subresource {
  /** `status`, `scale`, `log`, … */
  readonly name: string;
  readonly verbs: readonly Verb[];
  /** The kind of its body where it is not the parent's (`autoscaling/v1 Scale`). */
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  /** Full type name of its body. */
  readonly typeName?: string;
}

/** What a custom resource can do that the type table does for other kinds; made in src/custom. */
export interface CustomType {
  /** The stored bytes are what readers see: one version, nothing to fill in, no schema that has changed. */
  readonly readsStored: boolean;
  /** Its definition is being deleted: nothing new is made. */
  readonly terminating: boolean;
  /** Shown with every answer: a deprecated version. */
  readonly warnings: readonly string[];
  /** Where the Scale is found, as members from the root. */
  readonly scale:
    | {
        readonly specReplicas: readonly string[];
        readonly statusReplicas: readonly string[];
        readonly labelSelector: readonly string[] | undefined;
      }
    | undefined;
  readonly managedSchema: Schema;
  /** Set when a webhook converts between the versions. */
  readonly conversion:
    | {
        readonly webhook: {
          readonly clientConfig?: {
            url?: string;
            service?: { namespace: string; name: string; path?: string; port?: number };
            caBundle?: string;
          };
        };
        readonly storedVersion: string;
      }
    | undefined;
  decode(value: unknown, options: DecodeOptions): Decoded;
  /** Changes the object in place. */
  applyDefaults(object: KubeObject): void;
  /** A stored object of any version in this one, pruned and defaulted. May change what it is given. */
  fromStored(stored: KubeObject): KubeObject;
  toStored(object: KubeObject): KubeObject;
  /** `current` undefined: a create. */
  validate(causes: Causes, object: KubeObject, current: KubeObject | undefined): void;
  /** One cell per column. */
  cells(object: KubeObject, nowMs: number): Cell[];
  /** Component schemas of the kind and its list. */
  openApi(): Record<string, Record<string, unknown>>;
}

export interface Kind {
  readonly group: string;
  readonly version: string;
  /** `v1` or `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly listKind: string;
  readonly resource: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly subresources: readonly Subresource[];
  /** Full name in the type table. */
  readonly typeName: string;
  /** `pods/`, `apps/deployments/`; the same for kinds that share storage (both Events). */
  readonly storagePrefix: string;
  /** The kind whose form is stored, when it is another (events.k8s.io/v1 Event is stored as v1). */
  readonly storedAs: { readonly apiVersion: string; readonly kind: string };
  /** Field selector paths, beside metadata.name (and metadata.namespace) which all have. */
  readonly selectableFields: readonly string[];
  readonly hasStatus: boolean;
  /** Top-level fields whose change bumps metadata.generation; empty: the kind has no generation. */
  readonly generationFields: readonly string[];
  /** PUT without resourceVersion is unconditional. */
  readonly allowUnconditionalUpdate: boolean;
  /** PUT of a name that does not exist creates it. */
  readonly allowCreateOnUpdate: boolean;
  readonly columns: readonly Column[];
  /** The row of an object in a table; absent: table-cells.ts knows it. */
  readonly cells?: (object: KubeObject, nowMs: number) => Cell[];
  /** Present for custom resources. */
  readonly custom?: CustomType;
}

/** As written in kind-rows.ts; the rest follows from it. */
export interface KindRow {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly resource: string;
  readonly namespaced: boolean;
  readonly columns: readonly Column[];
  readonly cells?: Kind['cells'];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Default: all of them. */
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly Subresource[];
  /** Default: no prefix for core, the group for others. */
  readonly storagePrefix?: string;
  readonly storedAs?: Kind['storedAs'];
  readonly selectableFields?: readonly string[];
  readonly generationFields?: readonly string[];
  readonly allowUnconditionalUpdate?: boolean;
  readonly allowCreateOnUpdate?: boolean;
}

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** API group → the package that its types are named after. */
const PACKAGES: Record<string, string> = {
  '': 'io.k8s.api.core',
  apps: 'io.k8s.api.apps',
  batch: 'io.k8s.api.batch',
  autoscaling: 'io.k8s.api.autoscaling',
  policy: 'io.k8s.api.policy',
  'networking.k8s.io': 'io.k8s.api.networking',
  'discovery.k8s.io': 'io.k8s.api.discovery',
  'events.k8s.io': 'io.k8s.api.events',
  'coordination.k8s.io': 'io.k8s.api.coordination',
  'rbac.authorization.k8s.io': 'io.k8s.api.rbac',
  'authentication.k8s.io': 'io.k8s.api.authentication',
  'authorization.k8s.io': 'io.k8s.api.authorization',
  'certificates.k8s.io': 'io.k8s.api.certificates',
  'storage.k8s.io': 'io.k8s.api.storage',
  'scheduling.k8s.io': 'io.k8s.api.scheduling',
  'node.k8s.io': 'io.k8s.api.node',
  'flowcontrol.apiserver.k8s.io': 'io.k8s.api.flowcontrol',
  'admissionregistration.k8s.io': 'io.k8s.api.admissionregistration',
  'admission.k8s.io': 'io.k8s.api.admission',
  'resource.k8s.io': 'io.k8s.api.resource',
  'apiregistration.k8s.io': 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  'apiextensions.k8s.io': 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  'metrics.k8s.io': 'io.k8s.metrics.pkg.apis.metrics',
};
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const TYPE_META = `${META}.TypeMeta`;
/** Kinds that exist in every group. */
const META_KINDS: ReadonlySet<string> = new Set([
  'DeleteOptions',
  'CreateOptions',
  'UpdateOptions',
  'PatchOptions',
  'ListOptions',
  'GetOptions',
  'Status',
]);

/** The type of a body, served or not: `apps/v1`, `Deployment` → `io.k8s.api.apps.v1.Deployment`. */
export function typeNameOf(apiVersion: string, kind: string): string | undefined {
  if (META_KINDS.has(kind)) return `${META}.${kind}`;
  const { group, version } = splitApiVersion(apiVersion);
  if (!Object.hasOwn(PACKAGES, group)) return undefined;
  const name = `${PACKAGES[group]}.${version}.${kind}`;
  // Other structs have fields called kind and apiVersion, too: references and subjects.
  return findType(name)?.declared.some((field) => field.inline && field.type === TYPE_META) === true ? name : undefined;
}

export function splitApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  if (slash < 0) return { group: '', version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

export function joinApiVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

function complete(row: KindRow): Kind {
  const apiVersion = joinApiVersion(row.group, row.version);
  const prefix = row.group === '' ? '' : `${row.group}/`;
  return {
    listKind: `${row.kind}List`,
    singular: row.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    verbs: ALL_VERBS,
    subresources: [],
    storagePrefix: `${prefix}${row.resource}/`,
    storedAs: { apiVersion, kind: row.kind },
    selectableFields: [],
    generationFields: [],
    allowUnconditionalUpdate: true,
    allowCreateOnUpdate: false,
    ...row,
    apiVersion,
    typeName: `${PACKAGES[row.group]}.${row.version}.${row.kind}`,
    hasStatus: row.subresources?.some((subresource) => subresource.name === 'status') ?? false,
  };
}

/** In the order of discovery. */
export const KINDS: readonly Kind[] = ROWS.map(complete);

const BY_RESOURCE: ReadonlyMap<string, Kind> = new Map(
  KINDS.map((kind) => [`${kind.apiVersion} ${kind.resource}`, kind]),
);
const BY_KIND: ReadonlyMap<string, Kind> = new Map(KINDS.map((kind) => [`${kind.apiVersion} ${kind.kind}`, kind]));

/** By the names in a URL. */
export function findKind(ref: { group: string; version: string; resource: string }): Kind | undefined {
  return BY_RESOURCE.get(`${joinApiVersion(ref.group, ref.version)} ${ref.resource}`);
}

/** By apiVersion (`apps/v1`) and kind. */
export function kindOf(apiVersion: string, kind: string): Kind | undefined {
  return BY_KIND.get(`${apiVersion} ${kind}`);
}
