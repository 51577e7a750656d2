/** Paths and operations of an OpenAPI v3 document. */
import type { Kind, Subresource, Verb } from './kinds.ts';

type Json = Record<string, unknown>;

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const JSON_TYPE = 'application/json';
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];
/** kubectl chooses its patch by what is listed: no strategic merge for custom resources. */
const CUSTOM_PATCH_TYPES = PATCH_TYPES.slice(0, 2);
const WATCH_TYPES = [JSON_TYPE, `${JSON_TYPE};stream=watch`];

/** `root` is `/api/v1` or `/apis/apps/v1`. */
export function pathsOf(kinds: readonly Kind[], root: string): Json {
  const paths: Json = {};
  for (const kind of kinds) {
    const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.resource}` : `${root}/${kind.resource}`;
    if (kind.namespaced && kind.verbs.includes('list')) {
      const operationId = `list${kind.kind}ForAllNamespaces${tagId(kind)}`;
      paths[`${root}/${kind.resource}`] = { get: { ...operation(kind, 'list'), operationId } };
    }
    paths[base] = collectionOperations(kind);
    // Questions are answered at once; there is nothing to find by its name.
    if (kind.verbs.includes('get')) paths[`${base}/{name}`] = objectOperations(kind, undefined);
    for (const subresource of kind.subresources) {
      paths[`${base}/{name}/${subresource.name}`] = objectOperations(kind, subresource);
    }
  }
  return paths;
}

function collectionOperations(kind: Kind): Json {
  const item: Json = {};
  if (kind.verbs.includes('list')) item['get'] = operation(kind, 'list');
  if (kind.verbs.includes('create')) item['post'] = operation(kind, 'create');
  if (kind.verbs.includes('deletecollection')) item['delete'] = operation(kind, 'deletecollection');
  item['parameters'] = pathParameters(kind, false);
  return item;
}

const METHODS: readonly (readonly [Verb, string])[] = [
  ['get', 'get'],
  ['update', 'put'],
  ['create', 'post'],
  ['delete', 'delete'],
  ['patch', 'patch'],
];

function objectOperations(kind: Kind, subresource: Subresource | undefined): Json {
  const item: Json = {};
  const verbs = subresource?.verbs ?? kind.verbs.filter((verb) => verb !== 'create');
  for (const [verb, method] of METHODS) if (verbs.includes(verb)) item[method] = operation(kind, verb, subresource);
  item['parameters'] = pathParameters(kind, true);
  return item;
}

/** x-kubernetes-action by verb; kubectl and generators key on it. */
const ACTIONS: Record<Verb, string> = {
  create: 'post',
  get: 'get',
  list: 'list',
  watch: 'watchlist',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'deletecollection',
};

function operation(kind: Kind, verb: Verb, subresource?: Subresource): Json {
  const typeName = subresource?.typeName ?? (subresource?.name === 'log' ? undefined : kind.typeName);
  const isDelete = verb === 'delete' || verb === 'deletecollection';
  const answer = verb === 'list' ? `${kind.typeName}List` : isDelete ? `${META}.Status` : typeName;
  const result: Json = {
    tags: [tagOf(kind)],
    operationId: `${verb}${kind.namespaced ? 'Namespaced' : ''}${kind.kind}${capital(subresource?.name ?? '')}${tagId(kind)}`,
    parameters: queryParameters(verb),
    responses: responses(verb, answer),
    'x-kubernetes-action': ACTIONS[verb],
    'x-kubernetes-group-version-kind': {
      group: subresource?.group ?? kind.group,
      kind: subresource?.kind ?? kind.kind,
      version: subresource?.version ?? kind.version,
    },
  };
  const body = requestBody(verb, typeName, kind.custom === undefined ? PATCH_TYPES : CUSTOM_PATCH_TYPES);
  if (body !== undefined) result['requestBody'] = body;
  return result;
}

function tagOf(kind: Kind): string {
  return `${kind.group === '' ? 'core' : kind.group.split('.')[0]}_${kind.version}`;
}

/** `CoreV1`: with it operation ids are unique. */
function tagId(kind: Kind): string {
  return tagOf(kind).split('_').map(capital).join('');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function reference(typeName: string): Json {
  return { schema: { $ref: `#/components/schemas/${typeName}` } };
}

function requestBody(verb: Verb, typeName: string | undefined, patchTypes: readonly string[]): Json | undefined {
  if (verb === 'patch') {
    const content = Object.fromEntries(patchTypes.map((type) => [type, reference(`${META}.Patch`)]));
    return { content, required: true };
  }
  if (verb === 'delete' || verb === 'deletecollection')
    return { content: { '*/*': reference(`${META}.DeleteOptions`) } };
  if ((verb === 'create' || verb === 'update') && typeName !== undefined) {
    return { content: { '*/*': reference(typeName) }, required: true };
  }
  return undefined;
}

function responses(verb: Verb, typeName: string | undefined): Json {
  const schema = typeName === undefined ? { schema: { type: 'string' } } : reference(typeName);
  const types = verb === 'list' ? WATCH_TYPES : [JSON_TYPE];
  const ok = { description: 'OK', content: Object.fromEntries(types.map((type) => [type, schema])) };
  const unauthorized = { description: 'Unauthorized' };
  if (verb === 'create')
    return {
      '200': ok,
      '201': { ...ok, description: 'Created' },
      '202': { ...ok, description: 'Accepted' },
      '401': unauthorized,
    };
  if (verb === 'update' || verb === 'patch')
    return { '200': ok, '201': { ...ok, description: 'Created' }, '401': unauthorized };
  if (verb === 'delete') return { '200': ok, '202': { ...ok, description: 'Accepted' }, '401': unauthorized };
  return { '200': ok, '401': unauthorized };
}

function query(name: string, type: 'string' | 'integer' | 'boolean', description: string): Json {
  return { name, in: 'query', description, schema: { type, uniqueItems: true } };
}

const PRETTY = query('pretty', 'string', 'Indent the answer.');
const WRITES = [
  query('dryRun', 'string', 'All: do everything but store the change.'),
  query('fieldManager', 'string', 'Name of who makes the change.'),
  query('fieldValidation', 'string', 'Ignore, Warn or Strict: what happens with unknown and repeated fields.'),
];
const LISTS = [
  query('allowWatchBookmarks', 'boolean', 'Send bookmarks in a watch.'),
  query('continue', 'string', 'Where the last page of the list ended.'),
  query('fieldSelector', 'string', 'Only objects whose fields match.'),
  query('labelSelector', 'string', 'Only objects whose labels match.'),
  query('limit', 'integer', 'Objects in a page.'),
  query('resourceVersion', 'string', 'How new the answer must be.'),
  query('resourceVersionMatch', 'string', 'Exact or NotOlderThan.'),
  query('sendInitialEvents', 'boolean', 'Start a watch with all objects that exist.'),
  query('timeoutSeconds', 'integer', 'How long a list may take or a watch lasts.'),
  query('watch', 'boolean', 'Stream the changes.'),
];
const DELETES = [
  query('dryRun', 'string', 'All: do everything but store the change.'),
  query('gracePeriodSeconds', 'integer', 'Seconds the object has to end by itself.'),
  query('propagationPolicy', 'string', 'Background, Foreground or Orphan: what happens with what it owns.'),
];

function queryParameters(verb: Verb): Json[] {
  if (verb === 'list') return LISTS;
  if (verb === 'create' || verb === 'update') return WRITES;
  if (verb === 'patch') return [...WRITES, query('force', 'boolean', 'Take fields over from other managers.')];
  if (verb === 'delete') return DELETES;
  return verb === 'deletecollection' ? [...DELETES, ...LISTS] : [];
}

function pathParameters(kind: Kind, named: boolean): Json[] {
  const parameter = (name: string, description: string): Json => ({
    name,
    in: 'path',
    description,
    required: true,
    schema: { type: 'string', uniqueItems: true },
  });
  const list = [PRETTY];
  if (kind.namespaced) list.unshift(parameter('namespace', 'Namespace of the object.'));
  if (named) list.unshift(parameter('name', `Name of the ${kind.kind}.`));
  return list;
}
