/** Where objects lie in the store, and the marker keys whose presence is a condition of other writes. */
import type { Kind } from '#src/api/kinds.ts';
import type { Key } from '#src/store/command.ts';

function prefixOf(kind: Kind, namespace: string | undefined): string {
  // The core group has no name of its own: `pods/` becomes `core/pods/`.
  const isCore = kind.storagePrefix.indexOf('/') === kind.storagePrefix.length - 1;
  const base = `/registry/${isCore ? 'core/' : ''}${kind.storagePrefix}`;
  return namespace === undefined ? base : `${base}${namespace}/`;
}

export function objectKey(kind: Kind, namespace: string | undefined, name: string): Key {
  return prefixOf(kind, kind.namespaced ? (namespace ?? '') : undefined) + name;
}

/** All keys below a slash: '0' is the code unit after '/'. */
export function objectRange(kind: Kind, namespace: string | undefined): { from: Key; to: Key } {
  const from = prefixOf(kind, kind.namespaced ? namespace : undefined);
  return { from, to: `${from.slice(0, -1)}0` };
}

/** Exists while a namespace takes new content: creates carry it as a condition, deletion of the namespace removes it. */
export function openNamespaceKey(namespace: string): Key {
  return `/kontiki/open-namespaces/${namespace}`;
}

/** Exists while a Service owns this address. */
export function serviceIpKey(ip: string): Key {
  return `/kontiki/service-ips/${ip}`;
}

/** Exists while a Service owns this node port; protocols have separate ports. */
export function nodePortKey(protocol: string, port: number): Key {
  return `/kontiki/node-ports/${protocol.toLowerCase()}/${port}`;
}

/** The smallest key after `key`. */
export function keyAfter(key: Key): Key {
  return `${key}\u0000`;
}

/** How much of a resource is used up of the quota with this uid. */
export function quotaCounterKey(namespace: string, uid: string, resource: string): Key {
  return `/kontiki/quota/${namespace}/${uid}/${resource}`;
}
