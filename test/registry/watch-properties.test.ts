/** What informers rest on: list, then watch from its revision, is the same as listing again. */
import test from 'ava';
import fc from 'fast-check';
import type { KubeObject } from '#src/api/object.ts';
import type { ListOptions, ObjectWatch, ResourceRef } from '#src/registry/client.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';

const CONFIGMAPS: ResourceRef = { group: '', version: 'v1', resource: 'configmaps' };
const RUNS = 25;

type Op = { name: string; verb: 'put' | 'delete'; on: boolean; namespace: string };

const op = fc.record<Op>({
  name: fc.constantFrom('a', 'b', 'c'),
  verb: fc.constantFrom('put', 'put', 'delete'),
  on: fc.boolean(),
  namespace: fc.constantFrom('default', 'kube-system'),
});

const selections: ListOptions[] = [
  {},
  { namespace: 'default' },
  { labelSelector: 'on=true' },
  { namespace: 'default', fieldSelector: 'metadata.name=a' },
  { fieldSelector: 'metadata.name!=a', labelSelector: 'on!=true' },
];

async function perform(f: ApiFixture, { name, verb, on, namespace }: Op): Promise<void> {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: { on: String(on) } } };
  const [found] = (await f.admin.list(CONFIGMAPS, { namespace, fieldSelector: `metadata.name=${name}` })).items;
  if (verb === 'delete') {
    if (found !== undefined) await f.admin.delete(CONFIGMAPS, name, { namespace });
  } else if (found === undefined) await f.admin.create(CONFIGMAPS, object);
  else await f.admin.update(CONFIGMAPS, object);
}

function keyOf(object: KubeObject): string {
  return `${object.metadata?.namespace}/${object.metadata?.name}`;
}

function index(objects: KubeObject[]): Record<string, KubeObject> {
  return Object.fromEntries(
    objects.map((object): [string, KubeObject] => [keyOf(object), object]).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Apply events until the watch ends; types must fit what was known. */
async function replay(known: Record<string, KubeObject>, watch: ObjectWatch): Promise<KubeObject[]> {
  const state = new Map(Object.entries(known));
  for (;;) {
    const event = await watch.next();
    if (event === undefined) return [...state.values()];
    if (event.type === 'BOOKMARK') continue;
    const key = keyOf(event.object);
    if (state.has(key) === (event.type === 'ADDED'))
      throw new Error(`${event.type} of ${key} does not fit what was known`);
    if (event.type === 'DELETED') state.delete(key);
    else state.set(key, event.object);
  }
}

test('a watch from the revision of a list leads to what a later list shows, for every selection', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(op, { maxLength: 8 }), fc.array(op, { maxLength: 12 }), async (before, after) => {
      const f = await apiFixture();
      for (const one of before) await f.run(perform(f, one));
      const started = await f.run(
        Promise.all(
          selections.map(async (selection) => {
            const list = await f.admin.list(CONFIGMAPS, selection);
            const resourceVersion = list.metadata.resourceVersion ?? '';
            const watch = await f.admin.watch(CONFIGMAPS, {
              ...selection,
              resourceVersion,
              timeoutSeconds: 10,
              allowBookmarks: true,
            });
            return { selection, known: index(list.items), watch };
          }),
        ),
      );
      for (const one of after) await f.run(perform(f, one));
      // Together: the end of one watch is the end of all, and a reader that comes later finds nothing.
      const replayed = await f.run(Promise.all(started.map(async ({ known, watch }) => await replay(known, watch))));
      for (const [at, { selection }] of started.entries()) {
        const now = await f.run(f.admin.list(CONFIGMAPS, selection));
        t.deepEqual(index(replayed[at] ?? []), index(now.items));
      }
    }),
    { numRuns: RUNS },
  );
});

test('pages of any size, read while others write, are the list at their first revision', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(op, { maxLength: 10 }),
      fc.array(op, { maxLength: 6 }),
      fc.integer({ min: 1, max: 4 }),
      async (before, during, limit) => {
        const f = await apiFixture();
        for (const one of before) await f.run(perform(f, one));
        for (const selection of selections) {
          const whole = await f.run(f.admin.list(CONFIGMAPS, selection));
          const paged: KubeObject[] = [];
          let token: string | undefined;
          do {
            const page = await f.run(
              f.admin.list(CONFIGMAPS, { ...selection, limit, ...(token === undefined ? {} : { continue: token }) }),
            );
            t.true(page.items.length <= limit);
            t.is(page.metadata.resourceVersion, whole.metadata.resourceVersion);
            paged.push(...page.items);
            token = page.metadata.continue;
            const next = during.shift();
            if (next !== undefined) await f.run(perform(f, next));
          } while (token !== undefined);
          t.deepEqual(paged, whole.items);
        }
      },
    ),
    { numRuns: RUNS },
  );
});
