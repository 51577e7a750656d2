/**
 * Concurrent writers against a real cluster, run inside its network namespace:
 *   node writers.ts KUBECONFIG-DIR PORTS WRITERS PREFIX
 * Each creates ConfigMaps one after another through any node, follows failures to another node,
 * and resolves what it does not know by asking. Prints a JSON line every 100 ms with the counts,
 * and the whole history when its standard input ends.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';

interface Acknowledged {
  name: string;
  uid: string;
  resourceVersion: string;
  /** Whether the first attempt got no answer and a later one told what had become of it. */
  resolved: boolean;
}

const [kubeconfig = '', portList = '', writerCount = '16', prefix = 'w'] = process.argv.slice(2);
const ports = portList.split(',').map(Number);
const file = parse(readFileSync(kubeconfig, 'utf8')) as {
  clusters: { cluster: Record<string, string> }[];
  users: { user: Record<string, string> }[];
};
const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');
const agent = new Agent({
  keepAlive: true,
  ca: decode(file.clusters[0]?.cluster['certificate-authority-data']),
  cert: decode(file.users[0]?.user['client-certificate-data']),
  key: decode(file.users[0]?.user['client-key-data']),
});
const ATTEMPT_TIMEOUT_MS = 3000;
const ATTEMPTS_MAX = 200;
const PATH = '/api/v1/namespaces/default/configmaps';

interface Answer {
  /** 0: no answer. */
  status: number;
  body: { metadata?: { uid?: string; resourceVersion?: string }; data?: { token?: string }; message?: string };
}

function call(port: number, method: string, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve) => {
    const nothing = (): void => resolve({ status: 0, body: {} });
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent,
        timeout: ATTEMPT_TIMEOUT_MS,
        headers: { 'content-type': 'application/json' },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', nothing);
        response.on('end', () => {
          try {
            resolve({
              status: response.statusCode ?? 0,
              body: JSON.parse(Buffer.concat(chunks).toString()) as Answer['body'],
            });
          } catch {
            nothing(); // Cut off in the middle: no answer.
          }
        });
      },
    );
    sent.on('timeout', () => sent.destroy());
    sent.on('error', nothing);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const acknowledged: Acknowledged[] = [];
const wrong: string[] = [];
let unresolved = 0;
let stopping = false;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function writeOne(writer: number, n: number): Promise<void> {
  const name = `${prefix}-${writer}-${n}`;
  const token = `${name}-${Math.random().toString(36).slice(2)}`;
  let uncertain = false;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = ports[(writer + n + attempt) % ports.length] ?? 0;
    const answer = await call(port, 'POST', PATH, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { token },
    });
    if (answer.status === 201) return acknowledge(name, answer, uncertain);
    if (answer.status === 409) {
      const found = await call(port, 'GET', `${PATH}/${name}`);
      if (found.status === 200) {
        if (!uncertain || found.body.data?.token !== token)
          wrong.push(
            `${name} was refused as existing, and this writer never knew of an attempt that could have made it`,
          );
        return acknowledge(name, found, true);
      }
      uncertain = true;
    } else if (answer.status === 0 || answer.status >= 500 || answer.status === 429) {
      uncertain = true;
      await pause(20);
    } else {
      wrong.push(`${name} got ${answer.status}: ${answer.body.message ?? ''}`);
      return;
    }
  }
  unresolved += 1;
}

function acknowledge(name: string, answer: Answer, resolved: boolean): void {
  acknowledged.push({
    name,
    uid: answer.body.metadata?.uid ?? '',
    resourceVersion: answer.body.metadata?.resourceVersion ?? '',
    resolved,
  });
}

async function writer(id: number): Promise<void> {
  for (let n = 0; !stopping; n += 1) await writeOne(id, n);
}

process.stdin.on('data', () => undefined);
process.stdin.on('end', () => (stopping = true));
const report = setInterval(() => console.log(JSON.stringify({ acknowledged: acknowledged.length })), 100);
await Promise.all(Array.from({ length: Number(writerCount) }, (_, id) => writer(id)));
clearInterval(report);
console.log(JSON.stringify({ done: true, acknowledged, unresolved, wrong }));
agent.destroy();
