/** `kubectl get`: objects as rows of meta.k8s.io/v1 Table. */
import type { KubeObject } from './object.ts';
import type { Kind } from './kinds.ts';

export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** `name` for the name column. */
  readonly format: string;
  readonly description: string;
  /** 0 always shown, 1 with `-o wide`. */
  readonly priority: number;
}

export interface TableOptions {
  nowMs: number;
  includeObject: 'None' | 'Metadata' | 'Object';
  /** meta.k8s.io version asked for. */
  version?: 'v1' | 'v1beta1';
  /** Column definitions only in the first frame of a watch. Default true. */
  withColumns?: boolean;
  listMeta?: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
}

export interface Table {
  kind: 'Table';
  apiVersion: string;
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: readonly Column[];
  rows: { cells: (string | number | boolean | null)[]; object?: unknown }[];
}

export function tableOf(kind: Kind, _objects: readonly KubeObject[], options: TableOptions): Table {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version ?? 'v1'}`,
    metadata: options.listMeta ?? {},
    columnDefinitions: options.withColumns === false ? [] : kind.columns,
    rows: [],
  };
}

/** `45s`, `5m30s`, `3h`, `2d`; as kubectl prints ages. */
export function humanDuration(_ms: number): string {
  return '';
}
