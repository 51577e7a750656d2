/** The API server over a memory replica, asked without a network. */
import { createApiServer, type ApiServer, type ApiServerOptions } from '#src/apiserver/apiserver.ts';
import type { Http } from '#src/ports/http.ts';
import { apiFixture, type ApiFixture } from './api-fixture.ts';
import { send, type FakeAnswer, type FakeRequest } from './fake-exchange.ts';

export interface ServerFixture extends ApiFixture {
  server: ApiServer;
  /** Send and let time run until it is answered. */
  ask(request: FakeRequest): Promise<FakeAnswer>;
  /** Send and leave it open. */
  open(request: FakeRequest): FakeAnswer;
}

export const TEST_VERSION = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0+kontiki.0.1.0',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '',
  goVersion: '',
  compiler: 'node',
  platform: 'linux/amd64',
};

export async function serverFixture(
  extra: (fixture: ApiFixture) => Partial<ApiServerOptions> = () => ({}),
): Promise<ServerFixture> {
  const f = await apiFixture();
  const server = createApiServer({
    http: undefined as unknown as Http, // only `start` uses it
    clock: f.clock,
    log: f.log,
    registry: f.registry,
    config: { serverAddress: '10.0.0.1:6443', version: TEST_VERSION },
    ...extra(f),
  });
  const open = (request: FakeRequest): FakeAnswer => send(server.handle, request);
  const ask = async (request: FakeRequest): Promise<FakeAnswer> => {
    const answer = open(request);
    await f.run(answer.done);
    return answer;
  };
  return { ...f, server, ask, open };
}
