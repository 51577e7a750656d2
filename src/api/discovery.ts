/** What kubectl asks first: which groups, versions and resources there are. */

export type AggregatedVersion = 'v2' | 'v2beta1';

/** APIGroupDiscoveryList for `/api` (core) or `/apis`. */
export function aggregatedDiscovery(_root: 'api' | 'apis', _version: AggregatedVersion): Record<string, unknown> {
  return {};
}
/** `/api`. `serverAddress` as host:port. */
export function apiVersions(_serverAddress: string): Record<string, unknown> {
  return {};
}
/** `/apis`. */
export function apiGroupList(): Record<string, unknown> {
  return {};
}
/** `/apis/GROUP`; undefined when not served. */
export function apiGroup(_group: string): Record<string, unknown> | undefined {
  return undefined;
}
/** `/api/v1` or `/apis/GROUP/VERSION`; undefined when not served. */
export function apiResourceList(_group: string, _version: string): Record<string, unknown> | undefined {
  return undefined;
}
