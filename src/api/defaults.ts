/** What Kubernetes fills in before validation. */
import type { KubeObject } from './object.ts';
import type { Kind } from './kinds.ts';

/** Changes `object` in place. Never fails: what is wrong stays for validation. */
export function applyDefaults(_kind: Kind, _object: KubeObject): void {}
