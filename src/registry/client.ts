/**
 * The API's verbs without HTTP, carrying an identity. Everything above the registry
 * (kubelet, controllers, scheduler, proxy, dns, cluster) uses only this (DESIGN §4.3).
 * Every refusal is an ApiError with the fields of a Kubernetes Status.
 */
import type { Kind } from '#src/api/kinds.ts';
import type { KubeObject, ObjectList } from '#src/api/object.ts';

/** `system:masters` passes everything; fixed node and controller identities pass; all else is 403 until RBAC exists. */
export interface Identity {
  user: string;
  groups: string[];
  uid?: string;
  /** For managedFields and audit. */
  userAgent?: string;
}

/** Names a kind by its REST resource: group '' is the core group. */
export interface ResourceRef {
  group: string;
  version: string;
  resource: string;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: string;
  /** Of watches; a list that carries it is refused. */
  sendInitialEvents?: boolean;
}

export interface WatchOptions extends ListOptions {
  allowBookmarks?: boolean;
  timeoutSeconds?: number;
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; resourceVersion: string; initialEventsEnd: boolean };

export interface ObjectWatch<T extends KubeObject = KubeObject> {
  /** Next event; undefined when ended by timeout or cancel; rejects with ApiError 410 Expired below the floor. */
  next(): Promise<WatchEvent<T> | undefined>;
  cancel(): void;
}

export interface WriteOptions {
  dryRun?: boolean;
  /** In managedFields; by default the name in the user agent. Server-side apply needs one. */
  fieldManager?: string;
  /** Server-side apply takes fields that others manage. */
  force?: boolean;
  /**
   * The fence of leader duties: the write happens only in an entry of this term (store condition entryTerm).
   * Refused with ApiError reason Conflict, cause FENCED.
   */
  term?: number;
}

export interface DeleteOptions extends WriteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  preconditions?: { uid?: string; resourceVersion?: string };
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export type BatchWrite =
  | { verb: 'create'; resource: ResourceRef; namespace?: string; object: KubeObject }
  | { verb: 'update'; resource: ResourceRef; subresource?: string; object: KubeObject }
  | { verb: 'delete'; resource: ResourceRef; namespace?: string; name: string; options?: DeleteOptions }
  /** POST pods/NAME/binding. */
  | { verb: 'bind'; namespace: string; name: string; uid: string; node: string };

export interface Client {
  readonly identity: Identity;
  /** The kinds that are served now, custom resources included, by the local state. */
  kinds(): readonly Kind[];
  get<T extends KubeObject>(
    resource: ResourceRef,
    name: string,
    options?: { namespace?: string; resourceVersion?: string },
  ): Promise<T>;
  list<T extends KubeObject>(resource: ResourceRef, options?: ListOptions): Promise<ObjectList<T>>;
  watch<T extends KubeObject>(resource: ResourceRef, options: WatchOptions): Promise<ObjectWatch<T>>;
  create<T extends KubeObject>(
    resource: ResourceRef,
    object: T,
    options?: WriteOptions & { namespace?: string },
  ): Promise<T>;
  /** metadata.resourceVersion in the object makes it conditional. */
  update<T extends KubeObject>(
    resource: ResourceRef,
    object: T,
    options?: WriteOptions & { subresource?: string },
  ): Promise<T>;
  patch<T extends KubeObject>(
    resource: ResourceRef,
    name: string,
    patch: { type: PatchType; body: unknown },
    options?: WriteOptions & { namespace?: string; subresource?: string },
  ): Promise<T>;
  /** The object as it is now (still finalizing) or as it was. */
  delete(resource: ResourceRef, name: string, options?: DeleteOptions & { namespace?: string }): Promise<KubeObject>;
  /** Independent writes in one proposal; a result each, in order. */
  batch(
    writes: BatchWrite[],
    options?: WriteOptions,
  ): Promise<({ ok: true; object: KubeObject } | { ok: false; error: Error })[]>;
}

/** What the registry needs to make one: the identity decides what passes. */
export type ClientFor = (identity: Identity) => Client;
