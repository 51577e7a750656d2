import test from 'ava';
import { Intake, READING_BYTES_PER_USER_MAX, READING_PER_USER_MAX } from '#src/apiserver/intake.ts';
import { BODY_BYTES_MAX } from '#src/apiserver/body.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import { Fault } from '#src/std/fault.ts';

interface Slow {
  request: HttpRequest;
  arrive(): void;
  fail(error: Error): void;
}

function slow(headers: Record<string, string> = { 'content-length': '10' }): Slow {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const request = {
    method: 'POST',
    url: '/',
    headers,
    httpVersion: '1.1',
    remoteAddress: '',
    body: () => promise,
  };
  return { request, arrive: () => resolve(new Uint8Array(10)), fail: reject };
}

test('a user is refused beyond his bodies, heard again when one arrives or fails; others never wait for him', async (t) => {
  const intake = new Intake();
  const bodies = Array.from({ length: READING_PER_USER_MAX }, () => slow());
  const taken = bodies.map(async ({ request }) => await intake.take('eve', request));
  await t.throwsAsync(intake.take('eve', slow().request), { message: /have not arrived/ });
  const other = slow();
  other.arrive();
  t.is((await (await intake.take('alice', other.request)).body({ bytesMax: 1, timeoutMs: 1 })).length, 10);
  bodies[0]?.arrive();
  await taken[0];
  const again = slow();
  const waiting = intake.take('eve', again.request);
  again.fail(new Fault('HTTP_BODY_TIMEOUT', 'too slow', 'never'));
  const failed = await waiting;
  await t.throwsAsync(
    failed.body({ bytesMax: 1, timeoutMs: 1 }),
    { code: 'HTTP_BODY_TIMEOUT' },
    'as if it were read now',
  );
  for (const body of bodies) body.arrive();
  await Promise.all(taken);
});

test('bytes that may come count as announced; chunks as the most a body may be', async (t) => {
  const intake = new Intake();
  const chunked = { 'transfer-encoding': 'chunked', 'content-type': 'application/json' };
  const fits = Math.floor(READING_BYTES_PER_USER_MAX / BODY_BYTES_MAX);
  const bodies = Array.from({ length: fits }, () => slow(chunked));
  const taken = bodies.map(async ({ request }) => await intake.take('eve', request));
  await t.throwsAsync(intake.take('eve', slow(chunked).request), { message: /have not arrived/ });
  const get = { ...slow().request, method: 'GET' };
  t.is(await intake.take('eve', get), get, 'what has no body does not count');
  for (const body of bodies) body.arrive();
  await Promise.all(taken);
});
