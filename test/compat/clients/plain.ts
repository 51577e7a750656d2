/** No client at all: HTTP/1.1 and HTTP/2 with a certificate, a keep-alive connection, a watch in chunks. */
import assert from 'node:assert/strict';
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { Agent, request } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { runChecks } from './checks.ts';

const config = new KubeConfig();
config.loadFromDefault();
const server = config.getCurrentCluster()?.server ?? '';
const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
const tls = {
  ca: decode(config.getCurrentCluster()?.caData),
  cert: decode(config.getCurrentUser()?.certData),
  key: decode(config.getCurrentUser()?.keyData),
};

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1, ...tls });

function http1(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(path, server),
      { method, agent, headers: { 'content-type': 'application/json', ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      },
    );
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function http2(session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    let seen: IncomingHttpHeaders = {};
    let text = '';
    stream.on('response', (got) => (seen = got));
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    stream.on('end', () => resolve({ status: Number(seen[':status']), headers: seen, body: text }));
    stream.on('error', reject);
    stream.end(body);
  });
}

await runChecks([
  [
    'HTTP/1.1: create, read, delete over one connection',
    async () => {
      const base = '/api/v1/namespaces/default/configmaps';
      const made = await http1('POST', base, { metadata: { name: 'plain' }, data: { a: 'b' } });
      assert.equal(made.status, 201);
      assert.equal(made.headers['content-type'], 'application/json');
      const read = await http1('GET', `${base}/plain`);
      assert.equal((JSON.parse(read.body) as { kind: string }).kind, 'ConfigMap');
      assert.equal((await http1('DELETE', `${base}/plain`)).status, 200);
      assert.equal((await http1('GET', `${base}/plain`)).status, 404);
      assert.ok(Object.values(agent.sockets).length + Object.values(agent.freeSockets).length <= 1);
    },
  ],
  [
    'HTTP/1.1: a body that is no JSON is 400, a strange type 415, a strange Accept 406',
    async () => {
      const base = '/api/v1/namespaces/default/configmaps';
      assert.equal((await http1('POST', base, undefined)).status, 400);
      assert.equal((await http1('POST', base, {}, { 'content-type': 'text/html' })).status, 415);
      assert.equal((await http1('GET', base, undefined, { accept: 'text/html' })).status, 406);
    },
  ],
  [
    'HTTP/2: twenty requests at once on one connection',
    async () => {
      const session = connect(server, tls);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => http2(session, { ':method': 'GET', ':path': '/api/v1/namespaces/default' })),
      );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      session.close();
    },
  ],
  [
    'HTTP/2: a watch ends by its timeout',
    async () => {
      const session = connect(server, tls);
      const answer = await http2(session, {
        ':method': 'GET',
        ':path': '/api/v1/namespaces?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Ddefault',
      });
      assert.equal(answer.status, 200);
      const [first] = answer.body.split('\n');
      assert.equal((JSON.parse(first ?? '') as { type: string }).type, 'ADDED');
      session.close();
    },
  ],
  [
    'without a certificate: anonymous may read the version, and nothing else',
    async () => {
      const session = connect(server, { ca: tls.ca });
      assert.equal((await http2(session, { ':method': 'GET', ':path': '/version' })).status, 200);
      const refused = await http2(session, { ':method': 'GET', ':path': '/api/v1/secrets' });
      assert.equal(refused.status, 403);
      assert.match(
        refused.body,
        /secrets is forbidden: User \\"system:anonymous\\" cannot list resource \\"secrets\\" in API group \\"\\" at the cluster scope/,
      );
      session.close();
    },
  ],
]);
process.exit(0);
