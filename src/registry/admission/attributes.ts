/** What admission is told of a write, and what a plugin is. */
import type { Kind } from '#src/api/kinds.ts';
import type { Condition, Operation } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import type { Identity } from '../client.ts';
import type { RegistryCore } from '../core.ts';
import type { NamedObject } from '../raw.ts';

export type AdmissionOperation = 'CREATE' | 'UPDATE' | 'DELETE';

export interface Attributes {
  core: RegistryCore;
  /** The state this write is planned from; a write planned anew has a new one, and runs the whole chain again. */
  view: StoreView;
  operation: AdmissionOperation;
  kind: Kind;
  /** '' for the object itself. */
  subresource: string;
  namespace: string | undefined;
  name: string;
  /** Plugins change it in place while they mutate; undefined for DELETE. */
  object: NamedObject | undefined;
  /** The stored object, to look at only; undefined for CREATE. */
  old: NamedObject | undefined;
  identity: Identity;
  dryRun: boolean;
  /** `CreateOptions` … as webhooks see them. */
  options: Record<string, unknown>;
  /** For `Warning` headers, in order. */
  warnings: string[];
  /** For the audit log, `plugin/key` → text. */
  annotations: Record<string, string>;
}

/** What a plugin adds to the transaction of the write. */
export interface AdmissionEffect {
  conditions: Condition[];
  operations: Operation[];
}

export interface AdmissionPlugin {
  readonly name: string;
  /** Changes `object` in place. @throws ApiError. */
  mutate?(attributes: Attributes): void;
  /** Looks at the object as it will be stored. @throws ApiError. */
  validate?(attributes: Attributes): AdmissionEffect | undefined;
}

export function isPodKind(kind: Kind): boolean {
  return kind.group === '' && kind.resource === 'pods';
}
