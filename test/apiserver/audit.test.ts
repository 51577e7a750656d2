import test from 'ava';
import { AUDIT_BODY_BYTES_MAX } from '#src/apiserver/audit/audit.ts';
import { AUDIT_BUFFER_BYTES_MAX, AUDIT_FLUSH_MS, createAuditLog } from '#src/apiserver/audit/log-file.ts';
import { decide, parseAuditPolicy, type AuditLevel } from '#src/apiserver/audit/policy.ts';
import { requestInfoOf } from '#src/apiserver/request-info.ts';
import { parseTarget } from '#src/apiserver/route.ts';
import { createSimDisk } from '#src/sim/disk.ts';
import { createPrng } from '#src/sim/prng.ts';
import { createSimLog } from '#src/sim/log.ts';
import { createSimRandom } from '#src/sim/random.ts';
import { createWorld } from '#src/sim/clock.ts';
import { serverFixture, type ServerFixture } from '#test/support/server-fixture.ts';
import { runFor, settle } from '#test/support/virtual.ts';

const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'None', users: ['system:kube-proxy'], verbs: ['watch'] },
    { level: 'None', nonResourceURLs: ['/healthz*', '/version'] },
    { level: 'Metadata', resources: [{ group: '', resources: ['secrets'] }] },
    { level: 'Metadata', resources: [{ group: '', resources: ['pods/*', '*/status'] }] },
    { level: 'Request', resources: [{ group: '', resources: ['configmaps'], resourceNames: ['small'] }] },
    { level: 'RequestResponse', namespaces: ['default'], omitManagedFields: true },
    { level: 'None', userGroups: ['quiet'] },
    { level: 'Metadata', omitStages: [] },
  ],
};

const decisions: [line: string, user: string, group: string, level: AuditLevel][] = [
  ['GET /api/v1/services?watch=1', 'system:kube-proxy', '', 'None'],
  ['GET /api/v1/services', 'system:kube-proxy', '', 'Metadata'],
  ['GET /healthz/ping', 'eve', '', 'None'],
  ['GET /readyz', 'eve', '', 'Metadata'],
  ['GET /api/v1/namespaces/default/secrets/a', 'eve', '', 'Metadata'],
  ['GET /api/v1/namespaces/default/pods/a/log', 'eve', '', 'Metadata'],
  ['PUT /api/v1/namespaces/default/services/a/status', 'eve', '', 'Metadata'],
  ['GET /api/v1/namespaces/default/pods/a', 'eve', '', 'RequestResponse'],
  ['GET /api/v1/namespaces/default/configmaps/small', 'eve', '', 'Request'],
  ['GET /api/v1/namespaces/default/configmaps/other', 'eve', '', 'RequestResponse'],
  ['GET /api/v1/nodes', 'eve', 'quiet', 'None'],
];

for (const [line, user, group, level] of decisions) {
  test(`policy: ${line} by ${user} ${group} is ${level}`, (t) => {
    const [method = '', url = ''] = line.split(' ');
    const info = requestInfoOf({ method, url }, parseTarget(url));
    t.is(decide(parseAuditPolicy(POLICY), { user, groups: [group] }, info).level, level);
  });
}

const mistakes: [why: string, policy: unknown, message: RegExp][] = [
  ['another kind', { ...POLICY, kind: 'Rules' }, /apiVersion and kind/],
  ['no rules', { ...POLICY, rules: [] }, /rules is \[\]/],
  ['an unknown level', { ...POLICY, rules: [{ level: 'All' }] }, /rules\[0\]\.level is "All"; it must be one of None/],
  ['an unknown stage', { ...POLICY, omitStages: ['Later'] }, /omitStages is "Later"/],
  ['an unknown field', { ...POLICY, rules: [{ level: 'None', user: 'x' }] }, /rules\[0\]\.user/],
  ['a path without /', { ...POLICY, rules: [{ level: 'None', nonResourceURLs: ['healthz'] }] }, /begins with "\/"/],
  ['a * within', { ...POLICY, rules: [{ level: 'None', nonResourceURLs: ['/a*/b'] }] }, /last character/],
  [
    'both sorts',
    { ...POLICY, rules: [{ level: 'None', nonResourceURLs: ['/a'], namespaces: ['x'] }] },
    /cannot apply to both/,
  ],
];

for (const [why, policy, message] of mistakes) {
  test(`a policy with ${why} is refused by name`, (t) => {
    t.throws(() => parseAuditPolicy(policy), { code: 'AUDIT_POLICY', message });
  });
}

interface AuditEvent {
  level: string;
  auditID: string;
  stage: string;
  verb: string;
  user: { username: string };
  objectRef?: object;
  responseStatus?: { code: number; reason?: string };
  requestObject?: { data?: unknown; metadata?: object };
  responseObject?: { data?: unknown; metadata?: { managedFields?: unknown } };
  annotations?: Record<string, string>;
  requestReceivedTimestamp: string;
}

async function audited(policy: object): Promise<{ f: ServerFixture; events: AuditEvent[] }> {
  const events: AuditEvent[] = [];
  const sink = {
    write: (line: Uint8Array) => events.push(JSON.parse(new TextDecoder().decode(line)) as AuditEvent) > 0,
  };
  const random = createSimRandom(createPrng(3));
  const f = await serverFixture(() => ({ audit: { policy: parseAuditPolicy(policy), sink, random } }));
  return { f, events };
}

const MAPS = '/api/v1/namespaces/default/configmaps';

test('events carry who, what, the bodies their level allows, and the outcome', async (t) => {
  const { f, events } = await audited(POLICY);
  const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } };
  const answer = await f.ask({ method: 'POST', url: `${MAPS}?dryRun=All`, body });
  t.is(events.length, 1);
  const [made] = events;
  t.like(made, {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    stage: 'ResponseComplete',
    verb: 'create',
    requestURI: `${MAPS}?dryRun=All`,
    user: { username: 'admin' },
    sourceIPs: ['127.0.0.1'],
    objectRef: { resource: 'configmaps', namespace: 'default', apiVersion: 'v1' },
    responseStatus: { code: 201 },
    requestObject: { data: { k: 'v' } },
    responseObject: { data: { k: 'v' } },
  });
  t.is(made?.responseObject?.metadata?.managedFields, undefined, 'omitManagedFields');
  t.is(answer.headers['audit-id'], made?.auditID);
  t.regex(made?.requestReceivedTimestamp ?? '', /^\d{4}-.*\.\d{6}Z$/);

  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { password: 'hunter2' } };
  await f.ask({ method: 'POST', url: '/api/v1/namespaces/default/secrets', body: secret });
  t.false(JSON.stringify(events.at(-1)).includes('hunter2'), 'Metadata holds no bodies');
  await f.ask({ url: `${MAPS}/none`, headers: { 'audit-id': 'given-by-a-proxy' } });
  t.like(events.at(-1), { auditID: 'given-by-a-proxy', responseStatus: { code: 404, reason: 'NotFound' } });
  const large = { ...body, metadata: { name: 'b' }, data: { k: 'x'.repeat(AUDIT_BODY_BYTES_MAX) } };
  await f.ask({ method: 'POST', url: MAPS, body: large });
  t.is(events.at(-1)?.requestObject, undefined);
  t.regex(events.at(-1)?.annotations?.['kontiki.audit/request-body'] ?? '', /^left out: \d+ bytes/);
});

test('stages: received at once, started for watches, complete at their end', async (t) => {
  const { f, events } = await audited({ ...POLICY, omitStages: [], rules: [{ level: 'Metadata' }] });
  const watch = f.open({ url: `${MAPS}?watch=1` });
  await f.run(watch.progress());
  t.deepEqual(
    events.map(({ stage }) => stage),
    ['RequestReceived', 'ResponseStarted'],
  );
  watch.hangUp();
  await runFor(f.world, 1);
  t.deepEqual(
    events.map(({ stage, verb, auditID }) => [stage, verb, auditID === events[0]?.auditID]),
    [
      ['RequestReceived', 'watch', true],
      ['ResponseStarted', 'watch', true],
      ['ResponseComplete', 'watch', true],
    ],
  );
});

test('the log file is rotated by size and age; a full disk costs records, never requests', async (t) => {
  const world = createWorld();
  const clock = world.clock();
  const disk = createSimDisk({ clock, prng: createPrng(1) });
  const log = createAuditLog({ disk, clock, log: createSimLog(clock), settings: { maxSizeMb: 1, maxBackups: 2 } });
  const line = new TextEncoder().encode(`${'x'.repeat(600 * 1024)}\n`);
  for (let i = 0; i < 6; i += 1) {
    t.true(log.write(line));
    await runFor(world, AUDIT_FLUSH_MS * 2);
  }
  const names = await settle(world, disk.list('audit'));
  t.is(names.length, 3, names.join());
  t.true(names.includes('audit.log'));
  disk.faults.full = true;
  let taken = 0;
  while (log.write(line) && taken < 1000) taken += 1;
  t.is(taken, Math.floor(AUDIT_BUFFER_BYTES_MAX / line.length), 'what waits is bounded');
  await runFor(world, AUDIT_FLUSH_MS * 2);
  disk.faults.full = false;
  t.true(log.write(line), 'and the log goes on afterwards');
  await runFor(world, AUDIT_FLUSH_MS * 2);
  await settle(world, log.close());
  t.false(log.write(line));
});
