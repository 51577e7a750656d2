import { execFile, execFileSync } from 'node:child_process';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { findTools } from '#src/drivers/dataplane/routed.ts';
import { createOwnership } from '#src/drivers/dataplane/ownership.ts';
import { rulesetText } from '#src/drivers/dataplane/ruleset.ts';
import { createUserspaceDataplane } from '#src/drivers/dataplane/userspace.ts';
import type { NodeNetwork, ServicePort } from '#src/ports/dataplane.ts';
import { createSimDataplane, createSimDataplaneHost } from '#src/sim/dataplane.ts';
import { memoryLog } from '#test/support/memory-log.ts';
import { needs } from '#test/support/needs.ts';

const network: NodeNetwork = {
  clusterId: 'abcdef01-2345',
  podCidr: '10.1.0.0/24',
  nodeIp: '10.1.0.1',
  clusterPodCidr: '10.1.0.0/16',
  serviceCidr: '10.2.0.0/16',
};

const web: ServicePort = {
  id: 'default/web:http',
  protocol: 'TCP',
  clusterIps: ['10.2.0.9'],
  port: 80,
  sessionAffinity: false,
  endpoints: [
    { ip: '10.1.0.2', port: 8080 },
    { ip: '10.1.0.3', port: 8080 },
  ],
};

function canMakeNamespaces(): boolean {
  if (process.getuid?.() !== 0 || !findTools().tools) return false;
  try {
    execFileSync('unshare', ['--net', 'true']);
    return true;
  } catch {
    return false; // Not allowed in this container.
  }
}

needs('root with ip, nft and network namespaces', canMakeNamespaces())(
  'routed: Pods reach each other and Services, hairpin included, and nothing is left behind',
  async (t) => {
    const lab = fileURLToPath(new URL('../support/dataplane-lab.ts', import.meta.url));
    const { stdout } = await promisify(execFile)('unshare', ['--net', process.execPath, lab], { timeout: 60_000 });
    t.deepEqual(JSON.parse(stdout), {
      mode: 'routed',
      reason: '',
      hostToPod: 'a ::ffff:10.210.0.1',
      podToPod: 'b ::ffff:10.210.0.2',
      hostToService: ['a', 'b'],
      podToServiceWithHairpin: ['a', 'b'],
      nodePort: ['a', 'b'],
      noEndpoints: 'ECONNREFUSED',
      afterRemoval: ['b'],
      detached: '',
      left: '',
    });
  },
);

test('the ruleset has one chain per endpoint count, not per service', (t) => {
  const many = Array.from({ length: 50 }, (_, i) => ({ ...web, id: `default/s${i}`, clusterIps: [`10.2.1.${i}`] }));
  const text = rulesetText(network, many);
  t.is(text.match(/chain r2 /g)?.length, 1);
  t.is(text.match(/ : goto r2/g)?.length, 50);
});

test('a service without endpoints is refused, not left to time out', (t) => {
  const text = rulesetText(network, [{ ...web, endpoints: [] }]);
  t.regex(text, /set noep \{[^}]*elements = \{ 10\.2\.0\.9 \. tcp \. 80 \}/s);
  t.notRegex(text, /goto r0/);
});

test('the lock of the data plane passes to the next one when its holder ends', async (t) => {
  const name = `test-${process.pid}`;
  const first = createOwnership(name);
  const second = createOwnership(name);
  await first.acquire();
  const waiting = second.acquire();
  t.true(first.owns());
  t.false(second.owns());
  // The second is connected to the first by then, as in life.
  await new Promise((resolve) => setTimeout(resolve, 50));
  await first.release();
  await waiting;
  t.true(second.owns());
  await second.release();
});

function fetchText(port: number, host: string): Promise<string> {
  return new Promise((resolve) => {
    const request = get({ host, port, agent: false, timeout: 2000 }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
    });
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  });
}

test('userspace: balances over endpoints, passes over one that refuses, and closes what is gone', async (t) => {
  const back = await Promise.all(
    ['127.77.0.2', '127.77.0.3'].map(
      (host) =>
        new Promise<Server>((resolve) => {
          const server = createServer((_, response) => response.end(host));
          server.listen(0, host, () => resolve(server));
        }),
    ),
  );
  const endpoints = back.map((server) => {
    const { address, port } = server.address() as AddressInfo;
    return { ip: address, port };
  });
  const dataplane = createUserspaceDataplane({ log: memoryLog(), reason: 'a test' });
  await dataplane.prepareNode({ ...network, clusterId: `user${process.pid}` });
  await dataplane.acquire();
  const service: ServicePort = { ...web, clusterIps: ['127.77.1.1'], port: 18_080, endpoints };
  await dataplane.applyServices([service]);
  const answers = new Set([await fetchText(18_080, '127.77.1.1'), await fetchText(18_080, '127.77.1.1')]);
  t.deepEqual([...answers].toSorted(), ['127.77.0.2', '127.77.0.3']);

  await new Promise((resolve) => back[0]?.close(resolve));
  t.is(await fetchText(18_080, '127.77.1.1'), '127.77.0.3');
  t.is(await fetchText(18_080, '127.77.1.1'), '127.77.0.3');

  await dataplane.applyServices([{ ...service, endpoints: [] }]);
  t.is(await fetchText(18_080, '127.77.1.1'), 'ECONNRESET');
  await dataplane.applyServices([]);
  t.is(await fetchText(18_080, '127.77.1.1'), 'ECONNREFUSED');
  await dataplane.release();
  await new Promise((resolve) => back[1]?.close(resolve));
});

test('sim: a crashed owner hands over to the one that waits', async (t) => {
  const host = createSimDataplaneHost();
  const [a, b] = [createSimDataplane(host), createSimDataplane(host)];
  await a.prepareNode(network);
  await b.prepareNode(network);
  await a.acquire();
  const waiting = b.acquire();
  t.false(b.owns());
  a.crash();
  await waiting;
  t.true(b.owns());
  await b.applyServices([web]);
  t.is(host.services.length, 1);
});
