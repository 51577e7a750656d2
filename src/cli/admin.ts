/** Talking to the nodes of a local cluster with the admin certificate of its kubeconfig. */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { createHttp } from '#src/drivers/http.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import type { NodeStatus } from '#src/node/node.ts';
import type { Layout, Shape, ShapeNode } from './layout.ts';

interface Credentials {
  authorityPem: string;
  certificatePem: string;
  privateKeyPem: string;
}

interface KubeconfigFile {
  clusters: { cluster: { 'certificate-authority-data': string } }[];
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** Faults: CLI_NO_KUBECONFIG. */
export function readCredentials(layout: Layout): Credentials {
  if (!existsSync(layout.kubeconfig)) {
    throw new Fault(
      'CLI_NO_KUBECONFIG',
      `${layout.kubeconfig} is missing; the first start of the cluster writes it`,
      'never',
    );
  }
  const file = parse(readFileSync(layout.kubeconfig, 'utf8')) as KubeconfigFile;
  const cluster = file.clusters[0];
  const user = file.users[0];
  if (!cluster || !user)
    throw new Fault('CLI_NO_KUBECONFIG', `${layout.kubeconfig} has no cluster or no user`, 'never');
  return {
    authorityPem: decode(cluster.cluster['certificate-authority-data']),
    certificatePem: decode(user.user['client-certificate-data']),
    privateKeyPem: decode(user.user['client-key-data']),
  };
}

const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** One request to one node; undefined when it cannot be reached. */
export async function askNode(
  credentials: Credentials,
  node: ShapeNode,
  request: { method: string; path: string; body?: unknown; timeoutMs?: number },
): Promise<unknown> {
  const http = createHttp();
  try {
    const answer = await http.fetch({
      method: request.method,
      url: `https://127.0.0.1:${node.apiPort}${request.path}`,
      headers: { accept: 'application/json', 'content-type': 'application/json' },
      ...(request.body === undefined ? {} : { body: new TextEncoder().encode(JSON.stringify(request.body)) }),
      ...credentials,
      timeoutMs: request.timeoutMs ?? 1500,
      bodyBytesMax: ANSWER_BYTES_MAX,
    });
    if (answer.status !== 200) return undefined;
    return JSON.parse(new TextDecoder().decode(answer.body));
  } catch {
    // Unreachable and undecodable mean the same to the caller: this node gives no answer.
    return undefined;
  }
}

/** What each node says of itself, by name; absent ones gave no answer. */
export async function askAll(layout: Layout, shape: Shape): Promise<Map<string, NodeStatus>> {
  const credentials = readCredentials(layout);
  const answers = await Promise.all(
    shape.nodes.map(
      async (node) =>
        [node.name, await askNode(credentials, node, { method: 'GET', path: '/cluster/v1/status' })] as const,
    ),
  );
  return new Map(answers.flatMap(([name, answer]) => (answer === undefined ? [] : [[name, answer as NodeStatus]])));
}

/** Ask one node after the other until one answers at all; a refusal is an answer. Faults: CLI_NO_ANSWER, CLI_REFUSED. */
export async function askAny(
  layout: Layout,
  shape: Shape,
  request: { method: string; path: string; body: unknown; timeoutMs: number },
): Promise<unknown> {
  const credentials = readCredentials(layout);
  const http = createHttp();
  const failures: string[] = [];
  for (const node of shape.nodes) {
    try {
      const answer = await http.fetch({
        method: request.method,
        url: `https://127.0.0.1:${node.apiPort}${request.path}`,
        headers: { accept: 'application/json', 'content-type': 'application/json' },
        body: new TextEncoder().encode(JSON.stringify(request.body)),
        ...credentials,
        timeoutMs: request.timeoutMs,
        bodyBytesMax: ANSWER_BYTES_MAX,
      });
      const body = JSON.parse(new TextDecoder().decode(answer.body)) as { message?: string };
      if (answer.status === 200) return body;
      // Without a leader another node may know one.
      if (answer.status !== 503) throw new Fault('CLI_REFUSED', body.message ?? `status ${answer.status}`, 'never');
      failures.push(body.message ?? `${node.name}: status 503`);
    } catch (error) {
      if (isFault(error, 'CLI_REFUSED')) throw error;
      failures.push(`${node.name} does not answer: ${messageOf(error)}`);
    }
  }
  throw new Fault('CLI_NO_ANSWER', failures[0] ?? 'there is no node to ask', 'later');
}
