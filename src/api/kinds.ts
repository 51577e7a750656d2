/** The kinds that are served: a row each. Adding a kind is adding a row. */
import type { Column } from './table.ts';

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
}

export const KINDS: readonly Kind[] = [];

export function findKind(_ref: { group: string; version: string; resource: string }): Kind | undefined {
  return undefined;
}

/** By apiVersion (`apps/v1`) and kind. */
export function kindOf(_apiVersion: string, _kind: string): Kind | undefined {
  return undefined;
}
