/** Under which name a write goes into managedFields. */
import { MANAGER_LENGTH_MAX, type Writer } from '#src/api/managed-fields/managed-fields.ts';
import { formatTime } from '#src/api/metadata.ts';
import type { Identity } from './client.ts';
import type { RegistryCore } from './core.ts';

/** As given, else the program's name in its user agent, else whoever this is in this process. */
export function managerOf(identity: Identity, fieldManager: string | undefined): string {
  if (fieldManager !== undefined && fieldManager !== '') return fieldManager;
  const program = identity.userAgent?.split('/')[0] ?? '';
  if (program !== '') return program.slice(0, MANAGER_LENGTH_MAX);
  if (identity.user.startsWith('system:node:')) return 'kubelet';
  return identity.user.slice(identity.user.lastIndexOf(':') + 1).slice(0, MANAGER_LENGTH_MAX);
}

export function writerOf(
  core: RegistryCore,
  identity: Identity,
  { fieldManager, subresource = '' }: { fieldManager?: string | undefined; subresource?: string },
): Writer {
  // A Scale is a view of the object, and a binding or resize writes into it: their fields are the subresource's.
  return { manager: managerOf(identity, fieldManager), subresource, time: formatTime(core.clock.wallMs()) };
}
