/** One kind after the other through the operations that upstream's `API operations` tests go through. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { kindOf } from '#src/api/kinds.ts';
import { KIND_EXAMPLES } from '#test/support/kind-examples.ts';
import { asked, settled, type Json } from './asked.ts';
import { OPERATIONS_ROWS, render } from './table.ts';

const SPACE = 'default';

for (const { name: title, apiVersion, kind: kindName } of OPERATIONS_ROWS) {
  test(title, async (t) => {
    const kind = kindOf(apiVersion, kindName);
    if (kind === undefined) return t.fail(`${apiVersion} ${kindName} is not served`);
    const f = await asked(t);
    const root = kind.group === '' ? '/api/v1' : `/apis/${kind.group}/${kind.version}`;
    const found = (await f.done('GET', root))['resources'] as { name: string; verbs: string[] }[];
    t.true(found.some(({ name }) => name === kind.resource));
    t.is(
      found.some(({ name }) => name === `${kind.resource}/status`),
      kind.hasStatus,
    );

    const everywhere = `${root}/${kind.resource}`;
    const here = kind.namespaced ? `${root}/namespaces/${SPACE}/${kind.resource}` : everywhere;
    const example = KIND_EXAMPLES[`${apiVersion} ${kindName}`] as Json | undefined;
    t.truthy(example, 'an example is needed');
    const label = 'special-label=yes';
    const named = (at: number): Json => {
      const metadata = { ...example?.metadata, name: `e2e-${at}`, labels: { 'special-label': 'yes' } };
      // Its name is its network.
      return { apiVersion, kind: kindName, ...example, metadata } as unknown as Json;
    };
    for (const at of [1, 2, 3]) await f.done('POST', here, named(at));
    const one = `${here}/e2e-1`;
    t.like(await f.done('GET', one), { kind: kindName, apiVersion, metadata: { name: 'e2e-1' } });
    for (const url of [here, everywhere]) t.is((await f.items(`${url}?labelSelector=${label}`)).length, 3, url);
    const list = await f.done('GET', `${here}?labelSelector=${label}`);
    const watch = f.watch(`${here}?labelSelector=${label}&resourceVersion=${list.metadata.resourceVersion}`);

    const patched = await f.merge(one, { metadata: { annotations: { patched: 'true' } } });
    t.like(patched.metadata, { annotations: { patched: 'true' } });
    const updated = await f.done('PUT', one, {
      ...patched,
      metadata: { ...patched.metadata, annotations: { updated: 'true' } },
    });
    t.like(updated.metadata, { annotations: { updated: 'true' } });
    for (const { name: subresource, verbs } of kind.subresources) {
      if (!['status', 'approval'].includes(subresource) || !verbs.includes('get')) continue;
      await f.done('GET', `${one}/${subresource}`);
      const status = await f.merge(`${one}/${subresource}`, {
        metadata: { annotations: { [subresource]: 'patched' } },
      });
      await f.done('PUT', `${one}/${subresource}`, status);
    }
    await f.call('DELETE', one, { gracePeriodSeconds: 0, propagationPolicy: 'Background' });
    t.is((await f.call('GET', one)).status, 404);
    await settled(f);
    const types = watch.events().map(({ type, object }) => `${type} ${object.metadata.name}`);
    t.true(types.includes('MODIFIED e2e-1'), types.join());
    t.is(types.at(-1), 'DELETED e2e-1');

    await f.done('DELETE', `${here}?labelSelector=${label}`, { propagationPolicy: 'Background' });
    t.deepEqual(await f.items(`${here}?labelSelector=${label}`), []);
  });
}

test('docs/conformance.md says what these tests check', (t) => {
  const cells = (text: string): string[] =>
    text
      .split('\n')
      .map((line) =>
        line
          .replaceAll(/\s*\|\s*/g, '|')
          .replaceAll(/-{3,}/g, '---')
          .trim(),
      )
      .filter((line) => line !== '');
  const written = readFileSync(new URL('../../../docs/conformance.md', import.meta.url), 'utf8');
  t.deepEqual(
    cells(written),
    cells(render()),
    'run: node test/scripts/conformance.ts && npx oxfmt docs/conformance.md',
  );
});
