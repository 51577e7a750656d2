/**
 * OpenAPI v3 documents of every served group/version, made from the type table: for `kubectl explain`, for client-side
 * checks, and so that kubectl sees that the server validates fields (the fieldValidation parameter of every write).
 * Read next: openapi-schemas.ts (the types), openapi-paths.ts (the operations).
 */
import { KINDS, type Kind } from './kinds.ts';
import { pathsOf } from './openapi-paths.ts';
import { schemasOf } from './openapi-schemas.ts';

/** Text for a type (field '') or a field; undefined when there is none. */
export type Describe = (typeName: string, field: string) => string | undefined;

/** The paths `/openapi/v3` lists: `api/v1`, `apis/apps/v1`. */
export function openApiV3Paths(kinds: readonly Kind[] = KINDS): string[] {
  return [...new Set(kinds.map(({ group, version }) => pathOf(group, version)))];
}

export function pathOf(group: string, version: string): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

/** The document of one of those paths, undefined for others. Takes some milliseconds: keep the bytes. */
export function openApiV3(
  path: string,
  describe: Describe = () => undefined,
  served: readonly Kind[] = KINDS,
): Record<string, unknown> | undefined {
  const kinds = served.filter(({ group, version }) => pathOf(group, version) === path);
  if (kinds.length === 0) return undefined;
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.3' },
    paths: pathsOf(kinds, `/${path}`),
    components: {
      schemas: schemasOf(kinds, describe),
      securitySchemes: {
        BearerToken: { type: 'apiKey', description: 'Bearer token', name: 'authorization', in: 'header' },
      },
    },
  };
}
