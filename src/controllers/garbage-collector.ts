/**
 * Deletes what nobody owns any more, and carries out the ways a deletion may go: Background (dependents follow),
 * Foreground (the owner waits for those that block it), Orphan (dependents are let go first).
 * Owners are matched by uid; an owner missing from the copies is asked for by name before anything is deleted.
 * After kubernetes/pkg/controller/garbagecollector, 1.36.
 */
import { isApiError } from '#src/api/api-error.ts';
import { splitApiVersion, type Kind } from '#src/api/kinds.ts';
import type { KubeObject, OwnerReference } from '#src/api/object.ts';
import { objectKey, type Informer } from '#src/registry/informer.ts';
import { isFenced } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import type { Duties } from './controllers.ts';
import { resourceName } from './resources.ts';
import { createWorkQueue } from './work-queue.ts';

/** Owners known not to exist, so that thousands of dependents ask once; the oldest are forgotten. */
export const ABSENT_OWNERS_MAX = 500;
const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

interface Known {
  kind: Kind;
  object: KubeObject;
}

export function collectGarbage(context: ControllerContext): Duties {
  const { informers, client, clock } = context;
  const log = context.log.scope('garbage-collector');
  /** Every watched object by uid. */
  const known = new Map<string, Known>();
  /** uids of dependents by uid of owner. */
  const dependents = new Map<string, Set<string>>();
  const absent = new Set<string>();
  let term = 0;

  const queue = createWorkQueue({
    name: 'garbage',
    clock,
    log,
    metrics: context.metrics,
    handle: (uid) => handle(uid),
  });

  const handle = async (uid: string): Promise<void> => {
    const entry = known.get(uid);
    if (entry === undefined) return;
    try {
      const metadata = entry.object.metadata;
      if (metadata?.deletionTimestamp !== undefined) {
        if (metadata.finalizers?.includes(ORPHAN) === true) await orphanDependents(entry);
        else if (metadata.finalizers?.includes(FOREGROUND) === true) await finishForeground(entry);
        else return;
        return;
      }
      if ((metadata?.ownerReferences ?? []).length > 0) await judge(entry);
    } catch (error) {
      if (isFenced(error) || isApiError(error, 'NotFound')) return;
      throw error;
    }
  };

  /** A dependent: is there still an owner that keeps it? */
  const judge = async (entry: Known): Promise<void> => {
    const references = entry.object.metadata?.ownerReferences ?? [];
    const solid: OwnerReference[] = [];
    const waiting: OwnerReference[] = [];
    for (const reference of references) {
      const state = await ownerState(entry, reference);
      if (state === 'solid') solid.push(reference);
      if (state === 'waiting') waiting.push(reference);
    }
    if (solid.length === references.length) return;
    if (solid.length > 0) {
      await patchMetadata(entry, { ownerReferences: solid });
      return;
    }
    const { finalizers = [], uid = '' } = entry.object.metadata ?? {};
    const hasDependents = (dependents.get(uid)?.size ?? 0) > 0;
    if (waiting.length > 0 && hasDependents) await unblock(entry);
    const inForeground = finalizers.includes(FOREGROUND) || (waiting.length > 0 && hasDependents);
    await remove(entry, finalizers.includes(ORPHAN) ? 'Orphan' : inForeground ? 'Foreground' : 'Background');
  };

  /** A dependent that is itself being deleted in the foreground is a circle: then nobody may block his owner. */
  const unblock = async (entry: Known): Promise<void> => {
    const circle = [...(dependents.get(entry.object.metadata?.uid ?? '') ?? [])].some((uid) => {
      const { deletionTimestamp, finalizers = [] } = known.get(uid)?.object.metadata ?? {};
      return deletionTimestamp !== undefined && finalizers.includes(FOREGROUND);
    });
    const references = entry.object.metadata?.ownerReferences ?? [];
    if (!circle || !references.some(({ blockOwnerDeletion }) => blockOwnerDeletion === true)) return;
    const ownerReferences = references.map((reference) => ({ ...reference, blockOwnerDeletion: false }));
    entry.object = await patchMetadata(entry, { ownerReferences });
  };

  const ownerState = async (entry: Known, reference: OwnerReference): Promise<'solid' | 'waiting' | 'absent'> => {
    const owner = known.get(reference.uid);
    const dependentNamespace = entry.object.metadata?.namespace;
    if (owner !== undefined && isNamedBy(reference, owner, dependentNamespace)) {
      const { deletionTimestamp, finalizers = [] } = owner.object.metadata ?? {};
      return deletionTimestamp !== undefined && finalizers.includes(FOREGROUND) ? 'waiting' : 'solid';
    }
    // The same uid under another name, kind or namespace names something else.
    const { apiVersion, kind: ownerKind, name, uid } = reference;
    const place = [dependentNamespace ?? '', apiVersion, ownerKind, name, uid].join('/');
    const ownerNamespace = owner?.object.metadata?.namespace;
    if (ownerNamespace !== undefined && ownerNamespace !== dependentNamespace) noteForeign(entry, reference);
    if (absent.has(place)) return 'absent';
    const kind = client.kinds().find((known) => known.apiVersion === apiVersion && known.kind === ownerKind);
    // A kind that is not served: nobody can say that its object is gone.
    if (kind === undefined) return 'solid';
    // An object of the cluster cannot have an owner in a namespace; it says so, and is left alone.
    if (kind.namespaced && dependentNamespace === undefined) {
      noteForeign(entry, reference);
      return 'solid';
    }
    const namespace = kind.namespaced ? dependentNamespace : undefined;
    try {
      const live = await client.get(kind, reference.name, namespace === undefined ? {} : { namespace });
      if (live.metadata?.uid === reference.uid) return 'solid';
    } catch (error) {
      if (!isApiError(error, 'NotFound')) throw error;
    }
    absent.add(place);
    if (absent.size > ABSENT_OWNERS_MAX) absent.delete(absent.values().next().value ?? '');
    return 'absent';
  };

  /** As an event of the dependent, which its user looks at. */
  const noteForeign = ({ kind, object }: Known, { apiVersion, kind: ownerKind, name, uid }: OwnerReference): void => {
    const namespace = object.metadata?.namespace ?? '';
    const owner = `[${apiVersion}/${ownerKind}, namespace: ${namespace}, name: ${name}, uid: ${uid}]`;
    const message = `ownerRef ${owner} does not exist in namespace ${JSON.stringify(namespace)}`;
    context
      .recorder('garbage-collector-controller')
      .record(
        { ...object, apiVersion: kind.apiVersion, kind: kind.kind },
        { type: 'Warning', reason: 'OwnerRefInvalidNamespace', message },
      );
  };

  const blockersOf = (entry: Known): Known[] => {
    const uid = entry.object.metadata?.uid ?? '';
    return [...(dependents.get(uid) ?? [])].flatMap((dependent) => {
      const found = known.get(dependent);
      const reference = found?.object.metadata?.ownerReferences?.find((owner) => owner.uid === uid);
      return found !== undefined && reference?.blockOwnerDeletion === true ? [found] : [];
    });
  };

  const finishForeground = async (entry: Known): Promise<void> => {
    const uid = entry.object.metadata?.uid ?? '';
    for (const dependent of dependents.get(uid) ?? []) queue.add(dependent);
    if (blockersOf(entry).length > 0) return;
    const finalizers = (entry.object.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== FOREGROUND);
    await patchMetadata(entry, { finalizers });
  };

  const orphanDependents = async (entry: Known): Promise<void> => {
    const uid = entry.object.metadata?.uid ?? '';
    for (const dependent of dependents.get(uid) ?? []) {
      const found = known.get(dependent);
      if (found === undefined) continue;
      const ownerReferences = (found.object.metadata?.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
      try {
        await patchMetadata(found, { ownerReferences });
      } catch (error) {
        // One that went meanwhile needs nobody's leave; the others still do.
        if (!isApiError(error, 'NotFound')) throw error;
      }
    }
    const finalizers = (entry.object.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== ORPHAN);
    await patchMetadata(entry, { finalizers });
  };

  /** Conditional on the revision it was decided from. */
  const patchMetadata = async ({ kind, object }: Known, metadata: object): Promise<KubeObject> => {
    const { name = '', namespace, resourceVersion } = object.metadata ?? {};
    const body = { metadata: { resourceVersion, ...metadata } };
    const options = { term, ...(namespace === undefined ? {} : { namespace }) };
    return client.patch(kind, name, { type: 'merge', body }, options);
  };

  const remove = async ({ kind, object }: Known, propagationPolicy: 'Orphan' | 'Foreground' | 'Background') => {
    const { name = '', namespace, uid = '', resourceVersion = '' } = object.metadata ?? {};
    log.debug('deleting what nobody owns', { resource: resourceName(kind), object: objectKey(object) });
    // The revision too: an owner may have been given to it meanwhile.
    const options = { term, propagationPolicy, preconditions: { uid, resourceVersion } };
    try {
      await client.delete(kind, name, { ...options, ...(namespace === undefined ? {} : { namespace }) });
    } catch (error) {
      // It changed: the change brings it back here.
      if (!isApiError(error, 'Conflict') || isFenced(error)) throw error;
    }
  };

  const follow = (kind: Kind, informer: Informer<KubeObject>) => {
    informer.onChange((type, object, previous) => {
      const uid = object.metadata?.uid ?? '';
      for (const owner of previous?.metadata?.ownerReferences ?? []) unlink(owner.uid, uid);
      if (type === 'DELETED') {
        known.delete(uid);
        if (term > 0) {
          for (const dependent of dependents.get(uid) ?? []) queue.add(dependent);
          // An owner in the foreground may have waited for this one.
          for (const owner of object.metadata?.ownerReferences ?? []) queue.add(owner.uid);
        }
        return;
      }
      known.set(uid, { kind, object });
      for (const owner of object.metadata?.ownerReferences ?? []) {
        const those = dependents.get(owner.uid) ?? new Set();
        dependents.set(owner.uid, those.add(uid));
      }
      if (term === 0 || !concerns(object, previous)) return;
      queue.add(uid);
      // An owner in the foreground may no longer be blocked by it.
      for (const owner of previous?.metadata?.ownerReferences ?? []) queue.add(owner.uid);
    });
  };

  const unlink = (owner: string, dependent: string) => {
    const those = dependents.get(owner);
    those?.delete(dependent);
    if (those?.size === 0) dependents.delete(owner);
  };

  for (const { kind, informer } of informers.collected) follow(kind, informer);
  informers.custom.follow(follow);

  return {
    start(newTerm) {
      term = newTerm;
      absent.clear();
      queue.start();
      for (const [uid, { object }] of known) if (concerns(object, undefined)) queue.add(uid);
    },
    stop() {
      term = 0;
      queue.stop();
    },
  };
}

/** Whether a reference, read in the dependent's namespace, means this owner. */
function isNamedBy(reference: OwnerReference, owner: Known, dependentNamespace: string | undefined): boolean {
  const { kind, object } = owner;
  const { group } = splitApiVersion(reference.apiVersion);
  const isPlace = object.metadata?.namespace === undefined || object.metadata.namespace === dependentNamespace;
  return isPlace && group === kind.group && reference.kind === kind.kind && reference.name === object.metadata?.name;
}

/** Status changes of Pods are most of what is watched, and none of our business. */
function concerns(object: KubeObject, previous: KubeObject | undefined): boolean {
  const { ownerReferences = [], finalizers = [], deletionTimestamp } = object.metadata ?? {};
  if (deletionTimestamp !== undefined) return finalizers.includes(FOREGROUND) || finalizers.includes(ORPHAN);
  if (ownerReferences.length === 0) return false;
  if (previous === undefined) return true;
  const before = previous.metadata?.ownerReferences ?? [];
  return before.length !== ownerReferences.length || before.some((owner, i) => differs(owner, ownerReferences[i]));
}

function differs(a: OwnerReference, b: OwnerReference | undefined): boolean {
  return a.uid !== b?.uid || a.blockOwnerDeletion !== b.blockOwnerDeletion;
}
