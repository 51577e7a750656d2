/** Objects in the form that was asked for: as they are, as table rows, or only their metadata. */
import { ApiError } from '#src/api/api-error.ts';
import type { Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { tableOf, type Table, type TableOptions } from '#src/api/table.ts';
import type { Clock } from '#src/ports/clock.ts';
import { badRequest } from '#src/registry/refusals.ts';
import { negotiate, type Presentation } from './negotiate.ts';

export type IncludeObject = TableOptions['includeObject'];

export interface Presenter {
  clock: Clock;
  kind: Kind;
  presentation: Presentation;
  includeObject: IncludeObject;
}

export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const text = query.get('includeObject');
  if (text === null || text === '') return 'Metadata';
  if (text === 'None' || text === 'Metadata' || text === 'Object') return text;
  throw badRequest(`unrecognized includeObject value: ${JSON.stringify(text)}`);
}

/** @throws ApiError 406 when nothing asked for can be given. */
export function presentationOf(accept: string | undefined, allowed: Presentation['form'][]): Presentation {
  const found = negotiate(accept, allowed);
  if (found !== undefined) return found;
  throw new ApiError(
    406,
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/yaml',
    {
      details: {},
    },
  );
}

export function partialOf(object: KubeObject, version: 'v1' | 'v1beta1'): KubeObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    ...(object.metadata === undefined ? {} : { metadata: object.metadata }),
  };
}

/** One object as its own answer. */
export function presentOne(presenter: Presenter, object: KubeObject): unknown {
  const { presentation } = presenter;
  if (presentation.form === 'table') {
    const { resourceVersion } = object.metadata ?? {};
    return tableFor(presenter, [object], { listMeta: resourceVersion === undefined ? {} : { resourceVersion } });
  }
  return presentation.form === 'metadata' ? partialOf(object, presentation.version) : object;
}

/** Objects that are at hand, as a list of their own. */
export function presentMany(presenter: Presenter, objects: KubeObject[]): unknown {
  const { presentation, kind } = presenter;
  if (presentation.form === 'table') return tableFor(presenter, objects, {});
  if (presentation.form !== 'metadataList')
    return { kind: kind.listKind, apiVersion: kind.apiVersion, metadata: {}, items: objects };
  const items = objects.map((object) => partialOf(object, presentation.version));
  const apiVersion = `meta.k8s.io/${presentation.version}`;
  return { kind: 'PartialObjectMetadataList', apiVersion, metadata: {}, items };
}

export function tableFor(
  presenter: Presenter,
  objects: KubeObject[],
  extra: Pick<TableOptions, 'listMeta' | 'withColumns'>,
): Table {
  const version = presenter.presentation.form === 'table' ? presenter.presentation.version : 'v1';
  return tableOf(presenter.kind, objects, {
    nowMs: presenter.clock.wallMs(),
    includeObject: presenter.includeObject,
    version,
    ...extra,
  });
}
