/** OpenAPI v3 documents of every served group/version, made from the type table. */

/** Text for a type (field '') or a field; undefined when there is none. */
export type Describe = (typeName: string, field: string) => string | undefined;

/** The paths `/openapi/v3` lists: `api/v1`, `apis/apps/v1`. */
export function openApiV3Paths(): string[] {
  return [];
}

/** The document of one of those paths, undefined for others. */
export function openApiV3(_path: string, _describe?: Describe): Record<string, unknown> | undefined {
  return undefined;
}
