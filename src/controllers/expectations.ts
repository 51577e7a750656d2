/**
 * What the informers must have seen before an object is looked at again: the newest revision written per resource,
 * and the objects deleted. Deciding from an older copy would make or delete Pods twice. Revisions are one counter
 * for the whole store, so "the informer of pods has passed revision r" says that every Pod written up to r is seen.
 */
import type { KubeObject } from '#src/api/object.ts';
import type { Informer } from '#src/registry/informer.ts';
import type { ResourceRef } from '#src/registry/client.ts';
import { resourceName } from './resources.ts';

/** The copy a resource is read from, if this controller watches it. */
export type InformerFor = (resource: ResourceRef) => Informer<KubeObject> | undefined;

export interface Expectations {
  wrote(resource: ResourceRef, object: KubeObject): void;
  deleted(resource: ResourceRef, object: { namespace: string; name: string; uid: string }): void;
  /** Forgets what has been seen. */
  caughtUp(): boolean;
}

export function createExpectations(informerFor: InformerFor): Expectations {
  const revisions = new Map<string, { informer: Informer<KubeObject>; revision: number }>();
  const gone = new Map<string, { informer: Informer<KubeObject>; namespace: string; name: string }>();
  return {
    wrote(resource, object) {
      const informer = informerFor(resource);
      const revision = Number(object.metadata?.resourceVersion ?? 0);
      const key = resourceName(resource);
      if (informer === undefined || (revisions.get(key)?.revision ?? 0) >= revision) return;
      revisions.set(key, { informer, revision });
    },
    deleted(resource, object) {
      const informer = informerFor(resource);
      if (informer !== undefined) gone.set(object.uid, { informer, namespace: object.namespace, name: object.name });
    },
    caughtUp() {
      for (const [key, { informer, revision }] of revisions) {
        if (Number(informer.resourceVersion()) >= revision) revisions.delete(key);
      }
      for (const [uid, { informer, namespace, name }] of gone) {
        const object = informer.get(namespace, name);
        const seen = object?.metadata?.uid !== uid || object.metadata.deletionTimestamp !== undefined;
        if (seen) gone.delete(uid);
      }
      return revisions.size === 0 && gone.size === 0;
    },
  };
}
