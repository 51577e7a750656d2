/**
 * What `nodes/NAME/proxy/…` finds: the few paths of a kubelet's own HTTP server that are asked for from outside,
 * answered over the peer link. There is no such server to reach past the API server's authorization.
 */
import type { Pod } from '#src/api/objects.ts';
import { Fault } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';

export interface NodePathAnswer {
  status: number;
  contentType: string;
  body: string;
}

export const NODE_PATHS = ['/healthz', '/pods', '/runningpods/'];

export function serveNodePaths(options: { peers: Peers; pods: () => Pod[] }): void {
  options.peers.onRequest('kubelet.path', async (_from, payload): Promise<NodePathAnswer> => {
    const { path } = payload as { path?: unknown };
    if (typeof path !== 'string') throw new Fault('KUBELET_PATH', 'a path is a string', 'never');
    if (path === '/healthz' || path.startsWith('/healthz/')) return text(200, 'ok');
    if (path === '/pods' || path === '/pods/') return podList(options.pods());
    if (path === '/runningpods' || path === '/runningpods/')
      return podList(options.pods().filter((pod) => pod.status?.phase === 'Running'));
    return text(404, `404 page not found; this kubelet has ${NODE_PATHS.join(', ')}\n`);
  });
}

function text(status: number, body: string): NodePathAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

function podList(items: Pod[]): NodePathAnswer {
  const body = JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });
  return { status: 200, contentType: 'application/json', body };
}
