/** What is read off the table of type facts: kinds, discovery, OpenAPI, and the TypeScript interfaces beside it. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { convertTo, convertToStored } from '#src/api/convert.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from '#src/api/discovery.ts';
import { findType, TYPES, typeOf } from '#src/api/facts/facts.ts';
import { findKind, kindOf, KINDS, typeNameOf } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { openApiV3, openApiV3Paths } from '#src/api/openapi.ts';
import { objectsSources } from '#test/scripts/objects.ts';

type Json = Record<string, unknown>;
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('every struct that a field names is in the table, and no type has a protobuf number twice', (t) => {
  for (const type of TYPES.values()) {
    for (const field of type.declared) {
      if (field.type.includes('.'))
        t.truthy(findType(field.type), `${type.name}.${field.name} is of unknown type ${field.type}`);
    }
    t.is(type.byNumber.size, type.declared.filter(({ number }) => number > 0).length, type.name);
    t.is(type.byName.size, type.fields.length, type.name);
  }
});

test('keys that tell list items apart are fields of the items', (t) => {
  for (const type of TYPES.values()) {
    for (const field of type.fields) {
      const item = findType(field.type);
      const keys = [...field.mapKeys, ...(field.mergeKey === undefined ? [] : [field.mergeKey])];
      for (const key of keys) t.true(item?.byName.has(key) === true, `${type.name}.${field.name} is keyed by ${key}`);
    }
  }
});

test('some facts that everything leans on', (t) => {
  const ports = typeOf('io.k8s.api.core.v1.Container').byName.get('ports');
  t.like(ports, {
    number: 6,
    shape: 'list',
    listType: 'map',
    mergeKey: 'containerPort',
    patchStrategy: 'merge',
    required: false,
  });
  t.deepEqual(ports?.mapKeys, ['containerPort', 'protocol']);
  t.like(typeOf('io.k8s.api.core.v1.ContainerPort').byName.get('protocol'), {
    default: 'TCP',
    enum: ['TCP', 'UDP', 'SCTP'],
  });
  t.true(typeOf('io.k8s.api.core.v1.Probe').byName.has('httpGet'), 'inlined handler');
  t.true(typeOf('io.k8s.api.apps.v1.DeploymentSpec').byName.get('replicas')?.pointer);
});

test('every kind is found by its URL and by its name, and its facts are there', (t) => {
  for (const kind of KINDS) {
    t.is(findKind(kind), kind);
    t.is(kindOf(kind.apiVersion, kind.kind), kind);
    t.truthy(findType(kind.typeName), kind.typeName);
    if (kind.verbs.includes('list')) t.truthy(findType(`${kind.typeName}List`), kind.typeName);
    for (const { typeName } of kind.subresources) if (typeName !== undefined) t.truthy(findType(typeName), typeName);
  }
  t.is(findKind({ group: '', version: 'v1', resource: 'widgets' }), undefined);
  t.is(typeNameOf('apps/v1', 'DeleteOptions'), 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  t.is(typeNameOf('__proto__/v1', 'Pod'), undefined);
});

test('discovery: aggregated in both versions, and the plain documents', (t) => {
  const core = aggregatedDiscovery('api', 'v2') as {
    apiVersion: string;
    items: { versions: { resources: Json[] }[] }[];
  };
  t.is(core.apiVersion, 'apidiscovery.k8s.io/v2');
  const pods = core.items[0]?.versions[0]?.resources.find(({ resource }) => resource === 'pods');
  t.like(pods, {
    scope: 'Namespaced',
    singularResource: 'pod',
    shortNames: ['po'],
    responseKind: { group: '', version: 'v1', kind: 'Pod' },
  });
  const subresources = (pods as { subresources: Json[] }).subresources;
  t.like(
    subresources.find(({ subresource }) => subresource === 'eviction'),
    { responseKind: { group: 'policy', version: 'v1', kind: 'Eviction' } },
  );
  const rest = aggregatedDiscovery('apis', 'v2beta1') as { apiVersion: string; items: { metadata: Json }[] };
  t.is(rest.apiVersion, 'apidiscovery.k8s.io/v2beta1');
  t.deepEqual(
    rest.items.map(({ metadata }) => metadata['name']),
    [
      'apps',
      'events.k8s.io',
      'authentication.k8s.io',
      'authorization.k8s.io',
      'autoscaling',
      'batch',
      'certificates.k8s.io',
      'networking.k8s.io',
      'policy',
      'rbac.authorization.k8s.io',
      'storage.k8s.io',
      'admissionregistration.k8s.io',
      'apiextensions.k8s.io',
      'scheduling.k8s.io',
      'coordination.k8s.io',
      'node.k8s.io',
      'discovery.k8s.io',
      'resource.k8s.io',
      'flowcontrol.apiserver.k8s.io',
    ],
  );
  t.like(apiVersions('10.0.0.1:6443'), { kind: 'APIVersions', versions: ['v1'] });
  t.is((apiGroupList()['groups'] as unknown[]).length, 19);
  t.like(apiGroup('apps'), { name: 'apps', preferredVersion: { groupVersion: 'apps/v1', version: 'v1' } });
  t.is(apiGroup('nope'), undefined);
  const resources = (apiResourceList('apps', 'v1') as { resources: Json[] }).resources;
  t.like(
    resources.find(({ name }) => name === 'deployments/scale'),
    { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  );
  t.is(apiResourceList('apps', 'v9'), undefined);
});

for (const path of openApiV3Paths()) {
  test(`OpenAPI of ${path}: nothing dangles and every write validates fields`, (t) => {
    const document = openApiV3(path, (type, field) => `${type}/${field}`) as {
      paths: Record<string, Record<string, { parameters?: { name: string }[] }>>;
      components: { schemas: Record<string, Json> };
    };
    const schemas = document.components.schemas;
    for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/([\w.-]+)/g)) {
      t.truthy(schemas[name ?? ''], `${name} is referred to`);
    }
    for (const [url, item] of Object.entries(document.paths)) {
      for (const method of ['post', 'put', 'patch']) {
        const names = item[method]?.parameters?.map(({ name }) => name);
        if (names !== undefined)
          t.true(names.includes('fieldValidation') && names.includes('dryRun'), `${method} ${url}`);
      }
    }
    t.is(JSON.stringify(document), JSON.stringify(openApiV3(path, (type, field) => `${type}/${field}`)));
  });
}

test('OpenAPI carries what the table knows of a field', (t) => {
  const { components } = openApiV3('api/v1') as {
    components: { schemas: Record<string, { properties: Record<string, Json>; required?: string[] }> };
  };
  const container = components.schemas['io.k8s.api.core.v1.Container'];
  t.deepEqual(container?.required, ['name']);
  t.deepEqual(container?.properties['ports'], {
    type: 'array',
    items: { allOf: [{ $ref: '#/components/schemas/io.k8s.api.core.v1.ContainerPort' }], default: {} },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
    'x-kubernetes-patch-merge-key': 'containerPort',
    'x-kubernetes-patch-strategy': 'merge',
  });
  t.deepEqual(components.schemas['io.k8s.api.core.v1.ContainerPort']?.properties['protocol'], {
    type: 'string',
    default: 'TCP',
    enum: ['TCP', 'UDP', 'SCTP'],
  });
  t.like(components.schemas['io.k8s.api.core.v1.Pod'], {
    'x-kubernetes-group-version-kind': [{ group: '', kind: 'Pod', version: 'v1' }],
  });
  t.is(openApiV3('apis/nope/v1'), undefined);
});

test('an Event reads the same from both of its groups', (t) => {
  const [core, events] = [kindOf('v1', 'Event')!, kindOf('events.k8s.io/v1', 'Event')!];
  t.is(core.storagePrefix, events.storagePrefix);
  const given = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e' },
    regarding: { kind: 'Pod', name: 'p' },
    note: 'n',
    reportingController: 'c',
    eventTime: '2026-11-23T09:00:00.000000Z',
    deprecatedCount: 2,
  } as KubeObject;
  const stored = convertToStored(events, given);
  t.like(stored, {
    apiVersion: 'v1',
    involvedObject: { name: 'p' },
    message: 'n',
    reportingComponent: 'c',
    count: 2,
  } as object);
  t.deepEqual(plain(convertTo(events, stored)), plain(given));
  t.is(convertTo(core, stored), stored);
});

test('objects.ts and objects/ are what test/scripts/objects.ts makes of the table', (t) => {
  for (const [file, source] of objectsSources()) {
    const text = readFileSync(new URL(`../../src/api/${file}`, import.meta.url), 'utf8');
    t.is(text, source, `${file}; run: node test/scripts/objects.ts`);
  }
});
