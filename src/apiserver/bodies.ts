/** Bodies of actions, as far as they are looked at. */
import type { KubeObject } from '#src/api/object.ts';

/** v1 Binding. */
export interface Binding extends KubeObject {
  target?: { name?: string; kind?: string };
}

/** policy/v1 Eviction. */
export interface Eviction extends KubeObject {
  deleteOptions?: { dryRun?: string[]; gracePeriodSeconds?: number };
}
