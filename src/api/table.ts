/**
 * `kubectl get`: objects as rows of a meta.k8s.io/v1 Table, with the columns of Kubernetes.
 * Read next: columns.ts (which columns), table-cells.ts and pod-cells.ts (what stands in them).
 */
import type { Kind } from './kinds.ts';
import type { KubeObject } from './object.ts';
import { cellsOf } from './table-cells.ts';

export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** `name` for the name column. */
  readonly format: string;
  readonly description: string;
  /** 0 always shown, 1 with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number | boolean | null;

export interface TableOptions {
  /** Ages count from here. */
  nowMs: number;
  /** What stands beside the cells; kubectl's default is Metadata. */
  includeObject: 'None' | 'Metadata' | 'Object';
  /** meta.k8s.io version asked for. Default v1. */
  version?: 'v1' | 'v1beta1';
  /** False from the second frame of a watch on. Default true. */
  withColumns?: boolean;
  listMeta?: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
}

export interface Table {
  kind: 'Table';
  apiVersion: string;
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: readonly Column[];
  rows: { cells: Cell[]; object?: unknown }[];
}

export function tableOf(kind: Kind, objects: readonly KubeObject[], options: TableOptions): Table {
  const apiVersion = `meta.k8s.io/${options.version ?? 'v1'}`;
  return {
    kind: 'Table',
    apiVersion,
    metadata: options.listMeta ?? {},
    columnDefinitions: options.withColumns === false ? [] : kind.columns,
    rows: objects.map((object) => {
      const cells = cellsOf(kind, object, options.nowMs);
      if (options.includeObject === 'None') return { cells };
      if (options.includeObject === 'Object') return { cells, object };
      return { cells, object: partialMetadata(object, apiVersion) };
    }),
  };
}

/** An object of which only the metadata is left. */
export function partialMetadata(object: KubeObject, apiVersion = 'meta.k8s.io/v1'): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata };
}
