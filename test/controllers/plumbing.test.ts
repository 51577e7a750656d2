/** What the loops stand on: informers, the Event recorder, work queues. */
import test from 'ava';
import { ApiError } from '#src/api/api-error.ts';
import type { ConfigMap, Event } from '#src/api/objects.ts';
import { CONFIG_MAPS, EVENTS } from '#src/controllers/resources.ts';
import { createWorkQueue, KEY_RETRY_MIN_MS, WAVE_MS } from '#src/controllers/work-queue.ts';
import type { Client } from '#src/registry/client.ts';
import { createEventRecorder, EVENT_BURST, EVENT_FLUSH_MS } from '#src/registry/event-recorder.ts';
import { createInformer, RETRY_MIN_MS } from '#src/registry/informer.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { apiFixture, type ApiFixture } from '#test/support/api-fixture.ts';
import { runFor } from '#test/support/virtual.ts';

const map = (name: string, labels: Record<string, string> = {}): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'default', labels },
});

async function fixture(wrap: (client: Client) => Client = (client) => client) {
  const api = await apiFixture();
  const random = createSimRandom(createPrng(5));
  const informer = createInformer<ConfigMap>({
    client: wrap(api.admin),
    clock: api.clock,
    log: api.log,
    random,
    resource: CONFIG_MAPS,
    options: { namespace: 'default', indices: { app: ({ metadata }) => [metadata.labels?.['app'] ?? ''] } },
  });
  const changes: string[] = [];
  informer.onChange((type, object) => changes.push(`${type} ${object.metadata.name}`));
  return { ...api, random, informer, changes, pass: (ms: number) => runFor(api.world, ms) };
}
const names = (objects: ConfigMap[]) => objects.map(({ metadata }) => metadata.name);
const create = (api: ApiFixture, object: ConfigMap) => api.run(api.admin.create(CONFIG_MAPS, object));

test('an informer lists, follows, indexes, and tells latecomers what is there', async (t) => {
  const f = await fixture();
  await create(f, map('a', { app: 'web' }));
  t.false(f.informer.isSynced());
  f.informer.start();
  await f.run(f.informer.synced());
  await create(f, map('b', { app: 'web' }));
  await f.run(
    f.admin.patch(
      CONFIG_MAPS,
      'a',
      { type: 'merge', body: { metadata: { labels: { app: 'db' } } } },
      { namespace: 'default' },
    ),
  );
  await f.run(f.admin.delete(CONFIG_MAPS, 'b', { namespace: 'default' }));
  await f.pass(10);
  t.deepEqual(f.changes, ['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b']);
  t.deepEqual(names(f.informer.byIndex('app', 'db')), ['a']);
  t.deepEqual(f.informer.byIndex('app', 'web'), []);
  t.is(Number(f.informer.resourceVersion()), f.replica.store.revision);
  const late: string[] = [];
  f.informer.onChange((type, object) => late.push(`${type} ${object.metadata.name}`));
  t.deepEqual(late, ['ADDED a']);
});

test('a watch that ends is resumed; one below the history lists again and reports what vanished meanwhile', async (t) => {
  let broken = false;
  const failing = new ApiError(503, 'ServiceUnavailable', 'no quorum');
  let current: { cancel(): void } | undefined;
  const f = await fixture((client) => ({
    ...client,
    list: (...args) => client.list(...args),
    watch: async (...args) => {
      if (broken) throw failing;
      const watch = await client.watch(...args);
      current = watch;
      return watch as never;
    },
  }));
  f.informer.start();
  await f.run(f.informer.synced());
  await create(f, map('a'));
  await f.pass(10);
  current?.cancel();
  await create(f, map('b'));
  await f.pass(1_000);
  t.deepEqual(f.changes, ['ADDED a', 'ADDED b'], 'nothing twice, nothing lost');

  broken = true;
  current?.cancel();
  await f.pass(RETRY_MIN_MS * 4);
  await f.run(f.admin.delete(CONFIG_MAPS, 'a', { namespace: 'default' }));
  await create(f, map('c'));
  f.replica.compact(f.replica.store.revision);
  broken = false;
  await f.pass(60_000);
  t.deepEqual(f.changes.slice(2), ['DELETED a', 'ADDED c']);
  f.informer.stop();
  await create(f, map('d'));
  await f.pass(1_000);
  t.deepEqual(names(f.informer.list()), ['b', 'c'], 'stopped, it keeps what it has');
});

test('equal Events are one object with a count; a chatty source is cut off', async (t) => {
  const f = await fixture();
  const recorder = createEventRecorder({
    client: f.admin,
    clock: f.clock,
    log: f.log,
    random: f.random,
    component: 'tester',
  });
  const subject = { ...(await create(f, map('a'))), apiVersion: 'v1', kind: 'ConfigMap' };
  const events = async () => (await f.run(f.admin.list<Event>(EVENTS, { namespace: 'default' }))).items;
  for (let i = 0; i < 3; i += 1) recorder.record(subject, { type: 'Warning', reason: 'Odd', message: 'again' });
  await f.pass(EVENT_FLUSH_MS + 50);
  recorder.record(subject, { type: 'Warning', reason: 'Odd', message: 'again' });
  await f.pass(EVENT_FLUSH_MS + 50);
  t.is((await events()).length, 1);
  t.like((await events())[0], {
    count: 4,
    type: 'Warning',
    reason: 'Odd',
    message: 'again',
    involvedObject: { kind: 'ConfigMap', name: 'a', uid: subject.metadata.uid },
    source: { component: 'tester' },
  });
  for (let i = 0; i < 100; i += 1) recorder.record(subject, { type: 'Normal', reason: 'Chat', message: `number ${i}` });
  await f.pass(2_000);
  t.is((await events()).length, 1 + EVENT_BURST - 4);
  recorder.stop();
});

test('a key is handled by one worker at a time, once per wave, and again with back-off when it fails', async (t) => {
  const { world, clock, log } = await apiFixture();
  const handled: number[] = [];
  let inside = 0;
  let fail = false;
  const queue = createWorkQueue({
    name: 'test',
    clock,
    log,
    handle: async () => {
      inside += 1;
      t.is(inside, 1);
      handled.push(clock.monotonicMs());
      await new Promise<void>((resolve) => void clock.after(10, resolve));
      inside -= 1;
      if (fail) throw new Error('refused');
    },
  });
  queue.add('a');
  await runFor(world, 100);
  t.deepEqual(handled, [], 'not before it is started');
  queue.start();
  for (let i = 0; i < 20; i += 1) {
    queue.add('a');
    await runFor(world, 1);
  }
  await runFor(world, 500);
  t.is(handled.length, 2, 'twenty changes in one wave are one more look');
  t.true((handled[1] ?? 0) - (handled[0] ?? 0) >= WAVE_MS);
  fail = true;
  queue.add('a');
  await runFor(world, KEY_RETRY_MIN_MS * 4);
  t.is(handled.length, 5, 'at 0, 110 and 320 ms');
  queue.stop();
  const before = handled.length;
  await runFor(world, 60_000);
  t.is(handled.length, before);
  t.is(queue.length, 0);
});
