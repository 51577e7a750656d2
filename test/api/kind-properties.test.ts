/** What holds for objects of every kind, whatever is in them. */
import test from 'ava';
import fc from 'fast-check';
import { convertTo, convertToStored } from '#src/api/convert.ts';
import { decodeObject } from '#src/api/decode.ts';
import { applyDefaults } from '#src/api/defaults.ts';
import { KINDS, type Kind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { decodeProtobuf } from '#src/api/protobuf.ts';
import { tableOf } from '#src/api/table.ts';
import { validateCreate, validateUpdate } from '#src/api/validation.ts';
import { warningsOf } from '#src/api/warnings.ts';
import { parseStrictJson } from '#src/std/strict-json.ts';
import { kindNamed, type Json } from '#test/support/api-object.ts';
import { arbitraryObject } from './arbitrary-object.ts';
import { encodeProtobuf } from './protobuf-encoder.ts';

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function decoded(kind: Kind, random: Json): KubeObject {
  const given = { ...random, apiVersion: kind.apiVersion, kind: kind.kind };
  return decodeObject(given, kind.typeName, { fieldValidation: 'Strict' }).object as KubeObject;
}

for (const kind of KINDS) {
  const name = `${kind.apiVersion} ${kind.kind}`;

  test(`${name}: what was read is written, and read again unchanged, as JSON and as protobuf`, (t) => {
    fc.assert(
      fc.property(arbitraryObject(kind.typeName), (random) => {
        const object = decoded(kind, random);
        const { value } = parseStrictJson(JSON.stringify(object));
        t.deepEqual(plain(decoded(kind, value as Json)), plain(object));
        t.deepEqual(plain(decodeProtobuf(encodeProtobuf(kind.typeName, kind, object as Json)).object), plain(object));
        // And what is stored is what is shown.
        t.deepEqual(convertToStored(kind, convertTo(kind, object)), convertToStored(kind, object));
      }),
      { numRuns: 100 },
    );
  });

  test(`${name}: defaults settle, rules and rows take anything`, (t) => {
    fc.assert(
      fc.property(arbitraryObject(kind.typeName), arbitraryObject(kind.typeName), (first, second) => {
        const [object, other] = [decoded(kind, first), decoded(kind, second)];
        applyDefaults(kind, object);
        applyDefaults(kind, other);
        const once = plain(object);
        applyDefaults(kind, object);
        t.deepEqual(plain(object), once);
        t.true(Array.isArray(validateCreate(kind, object)));
        t.true(Array.isArray(warningsOf(kind, object)));
        for (const subresource of ['', ...kind.subresources.map((known) => known.name)]) {
          t.true(Array.isArray(validateUpdate(kind, object, other, subresource)));
        }
        const { rows } = tableOf(kind, [object], { nowMs: 0, includeObject: 'None' });
        t.is(rows[0]?.cells.length, kind.columns.length);
        t.false(rows[0]?.cells.includes(undefined as never));
      }),
      { numRuns: 100 },
    );
  });
}

const quantity = fc.constantFrom('100m', '1', '10Mi');
const metric = fc.record({ name: fc.constantFrom('qps', 'depth') });
const valueTarget = fc.record({ type: fc.constant('Value'), value: quantity });
const averageTarget = fc.record({ type: fc.constant('AverageValue'), averageValue: quantity });
const utilization = fc.record({
  type: fc.constant('Utilization'),
  averageUtilization: fc.integer({ min: 1, max: 100 }),
});
const usage = { name: fc.constantFrom('cpu', 'memory'), target: fc.oneof(utilization, averageTarget) };
const describedObject = fc.constant({ apiVersion: 'v1', kind: 'Service', name: 'web' });
const metricSpec = fc.oneof(
  fc.record({ type: fc.constant('Resource'), resource: fc.record(usage) }),
  fc.record({
    type: fc.constant('ContainerResource'),
    containerResource: fc.record({ ...usage, container: fc.constant('c') }),
  }),
  fc.record({ type: fc.constant('Pods'), pods: fc.record({ metric, target: averageTarget }) }),
  fc.record({
    type: fc.constant('Object'),
    object: fc.record({ metric, describedObject, target: fc.oneof(valueTarget, averageTarget) }),
  }),
  fc.record({
    type: fc.constant('External'),
    external: fc.record({ metric, target: fc.oneof(valueTarget, averageTarget) }),
  }),
);
const rules = fc.record({
  stabilizationWindowSeconds: fc.integer({ min: 0, max: 3600 }),
  selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
  policies: fc.array(fc.constant({ type: 'Pods', value: 4, periodSeconds: 15 }), { minLength: 1, maxLength: 2 }),
});

/** v1 has one place for the target of the CPU, which comes first again. */
function cpuFirst(metrics: Json[]): Json[] {
  const isCpu = (one: Json): boolean => {
    const resource = one['resource'] as { name: string; target: Json } | undefined;
    return resource?.name === 'cpu' && resource.target['averageUtilization'] !== undefined;
  };
  const cpu = metrics.find(isCpu);
  return cpu === undefined ? metrics : [cpu, ...metrics.filter((one) => one !== cpu)];
}

test('an autoscaler read and written back as v1 is what it was as v2', (t) => {
  const [v1, v2] = [
    kindNamed('autoscaling/v1', 'HorizontalPodAutoscaler'),
    kindNamed('autoscaling/v2', 'HorizontalPodAutoscaler'),
  ];
  fc.assert(
    fc.property(
      fc.array(metricSpec, { minLength: 1, maxLength: 4 }),
      fc.option(rules, { nil: undefined }),
      (metrics, scaleDown) => {
        const behavior = scaleDown === undefined ? {} : { behavior: { scaleDown } };
        const scaleTargetRef = { kind: 'Deployment', name: 'web' };
        const object = decoded(v2, {
          metadata: { name: 'x', annotations: { mine: 'kept' } },
          spec: { minReplicas: 1, maxReplicas: 3, scaleTargetRef, metrics, ...behavior },
          status: {
            desiredReplicas: 1,
            currentMetrics: [],
            conditions: [{ type: 'AbleToScale', status: 'True', reason: 'Ready', message: 'm' }],
          },
        });
        applyDefaults(v2, object);
        const asV1 = convertTo(v1, object);
        t.is(asV1.apiVersion, 'autoscaling/v1');
        t.deepEqual(validateCreate(v1, { ...asV1, metadata: { ...asV1.metadata, namespace: 'default' } }), []);
        const sent = decoded(v1, plain(asV1) as Json);
        const again = plain(convertToStored(v1, sent)) as { spec: { metrics: Json[] }; status: Json };
        const before = plain(object) as { spec: { metrics: Json[] }; status: Json };
        before.spec.metrics = cpuFirst(before.spec.metrics);
        t.deepEqual(again.spec, before.spec);
        t.like(again.status, { conditions: before.status['conditions'] });
        t.like(again, { apiVersion: 'autoscaling/v2', metadata: { annotations: { mine: 'kept' } } });
      },
    ),
    { numRuns: 300 },
  );
});

test('annotations that are no metrics are no reason to fail', (t) => {
  const v1 = kindNamed('autoscaling/v1', 'HorizontalPodAutoscaler');
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const key = 'autoscaling.alpha.kubernetes.io/';
      const annotations = Object.fromEntries(
        ['metrics', 'behavior', 'conditions', 'current-metrics'].map((name) => [key + name, text]),
      );
      const object = decoded(v1, { metadata: { annotations }, spec: { maxReplicas: 1, scaleTargetRef: {} } });
      const stored = convertToStored(v1, object) as { metadata: { annotations?: Json } };
      t.is(stored.metadata.annotations, undefined);
    }),
    { numRuns: 300 },
  );
});
