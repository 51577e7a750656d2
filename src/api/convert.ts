/** Between the versions of one stored object: v1 Event and events.k8s.io/v1 Event. */
import type { KubeObject } from './object.ts';
import type { Kind } from './kinds.ts';

/** A new object in the form `to`; the same object when it is already. */
export function convertTo(_to: Kind, object: KubeObject): KubeObject {
  return object;
}

/** A new object in the form that is stored. */
export function convertToStored(_from: Kind, object: KubeObject): KubeObject {
  return object;
}
