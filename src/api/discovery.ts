/** What kubectl asks first: which groups, versions and resources there are. All of it is read off the served kinds. */
import { joinApiVersion, KINDS, type Kind, type Subresource } from './kinds.ts';

export type AggregatedVersion = 'v2' | 'v2beta1';

/** Groups in the order of their kinds, versions in the order of preference. */
function groups(kinds: readonly Kind[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { group, version } of kinds) {
    const versions = found.get(group) ?? [];
    if (!versions.includes(version)) versions.push(version);
    found.set(group, versions);
  }
  return found;
}

function kindsOf(kinds: readonly Kind[], group: string, version: string): Kind[] {
  return kinds.filter((kind) => kind.group === group && kind.version === version);
}

function subresourceKind(kind: Kind, subresource: Subresource): { group: string; version: string; kind: string } {
  return {
    group: subresource.group ?? kind.group,
    version: subresource.version ?? kind.version,
    kind: subresource.kind ?? kind.kind,
  };
}

/** APIGroupDiscoveryList for `/api` (core) or `/apis` (all other groups). */
export function aggregatedDiscovery(
  root: 'api' | 'apis',
  version: AggregatedVersion,
  kinds: readonly Kind[] = KINDS,
): Record<string, unknown> {
  const items = [...groups(kinds)]
    .filter(([group]) => (group === '') === (root === 'api'))
    .map(([group, versions]) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: versions.map((served) => ({
        version: served,
        freshness: 'Current',
        resources: kindsOf(kinds, group, served).map(aggregatedResource),
      })),
    }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
}

function aggregatedResource(kind: Kind): Record<string, unknown> {
  return {
    resource: kind.resource,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: kind.verbs,
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(kind.subresources.length === 0
      ? {}
      : {
          subresources: kind.subresources.map((subresource) => ({
            subresource: subresource.name,
            responseKind: subresourceKind(kind, subresource),
            verbs: subresource.verbs,
          })),
        }),
  };
}

/** `/api`. `serverAddress` as host:port. */
export function apiVersions(serverAddress: string): Record<string, unknown> {
  return {
    kind: 'APIVersions',
    versions: groups(KINDS).get('') ?? [],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

function groupEntry(group: string, versions: readonly string[]): Record<string, unknown> {
  const entries = versions.map((version) => ({ groupVersion: joinApiVersion(group, version), version }));
  return { name: group, versions: entries, preferredVersion: entries[0] };
}

/** `/apis`. */
export function apiGroupList(kinds: readonly Kind[] = KINDS): Record<string, unknown> {
  const list = [...groups(kinds)].filter(([group]) => group !== '');
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: list.map(([group, versions]) => groupEntry(group, versions)),
  };
}

/** `/apis/GROUP`; undefined when not served. */
export function apiGroup(group: string, kinds: readonly Kind[] = KINDS): Record<string, unknown> | undefined {
  const versions = group === '' ? undefined : groups(kinds).get(group);
  return versions === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group, versions) };
}

/** `/api/v1` or `/apis/GROUP/VERSION`; undefined when not served. */
export function apiResourceList(
  group: string,
  version: string,
  served: readonly Kind[] = KINDS,
): Record<string, unknown> | undefined {
  const kinds = kindsOf(served, group, version);
  if (kinds.length === 0) return undefined;
  const resources = kinds.flatMap((kind) => [
    {
      name: kind.resource,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: kind.verbs,
      ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
      ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    },
    ...kind.subresources.map((subresource) => ({
      name: `${kind.resource}/${subresource.name}`,
      singularName: '',
      namespaced: kind.namespaced,
      // Named where it differs: kubectl drain finds evictions by it.
      ...(subresource.group === undefined ? {} : { group: subresource.group, version: subresource.version }),
      kind: subresource.kind ?? kind.kind,
      verbs: subresource.verbs,
    })),
  ]);
  const groupVersion = joinApiVersion(group, version);
  return { kind: 'APIResourceList', ...(group === '' ? {} : { apiVersion: 'v1' }), groupVersion, resources };
}
