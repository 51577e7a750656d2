/** The operations that take an object away, with the keys that go with it. */
import type { Kind } from '#src/api/kinds.ts';
import type { Operation } from '#src/store/command.ts';
import { closeMarker, isNamespaceKind } from './namespaces.ts';
import type { NamedObject } from './raw.ts';
import { isServiceKind, releaseAddresses } from './services.ts';

/** The object's own delete comes first. */
export function removalOf(what: { kind: Kind; key: string; object: NamedObject }): Operation[] {
  const { kind, key, object } = what;
  const operations: Operation[] = [{ type: 'delete', key }];
  if (isServiceKind(kind)) operations.push(...releaseAddresses(object));
  if (isNamespaceKind(kind)) operations.push(closeMarker(object.metadata.name ?? ''));
  return operations;
}
