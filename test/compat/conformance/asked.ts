/** The server, asked as upstream's tests ask it. */
import type { ExecutionContext } from 'ava';
import { serverFixture, type ServerFixture } from '#test/support/server-fixture.ts';
import type { FakeAnswer } from '#test/support/fake-exchange.ts';

export type Json = Record<string, unknown> & {
  metadata: Record<string, unknown> & { name: string; resourceVersion: string };
};

export interface Asked extends ServerFixture {
  call: (
    method: string,
    url: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; object: Json; text: string }>;
  /** The same, and it has to be 200 or 201. */
  done: (method: string, url: string, body?: unknown, headers?: Record<string, string>) => Promise<Json>;
  merge: (url: string, body: unknown) => Promise<Json>;
  items: (url: string) => Promise<Json[]>;
  watch: (url: string) => { answer: FakeAnswer; events: () => { type: string; object: Json }[] };
}

export async function asked(t: ExecutionContext): Promise<Asked> {
  const f = await serverFixture();
  const call: Asked['call'] = async (method, url, body, headers = {}) => {
    const answer = await f.ask({ method, url, headers, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, object: answer.json as Json, text: answer.text };
  };
  const done: Asked['done'] = async (method, url, body, headers) => {
    const { status, object, text } = await call(method, url, body, headers);
    t.true(status === 200 || status === 201, `${method} ${url}: ${status} ${text}`);
    return object;
  };
  return {
    ...f,
    call,
    done,
    merge: (url, body) => done('PATCH', url, body, { 'content-type': 'application/merge-patch+json' }),
    items: async (url) => (await done('GET', url))['items'] as Json[],
    watch(url) {
      const answer = f.open({ url: `${url}${url.includes('?') ? '&' : '?'}watch=true` });
      t.teardown(() => answer.hangUp());
      return { answer, events: () => answer.lines().map((line) => JSON.parse(line) as { type: string; object: Json }) };
    },
  };
}

/** A watch hands on in turns of its own: let them happen. */
export async function settled(f: Asked): Promise<void> {
  await f.run(new Promise<void>((resolve) => void f.clock.after(50, resolve)));
}
