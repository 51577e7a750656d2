/**
 * The data plane of a privileged node: a routed point-to-point veth per Pod, host routes, and
 * Services as nftables maps. The same for every container engine.
 *
 *   Pod: IP/32 on eth0, default via 169.254.1.1, permanent neighbour = host end
 *   Host: route IP dev kt… scope link src <node's Pod-side address>, permanent neighbour = Pod end
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import type { Dataplane, NodeNetwork, PodAttachment, ServicePort } from '#src/ports/dataplane.ts';
import type { Log } from '#src/ports/log.ts';
import { assert } from '#src/std/assert.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { findProgram, run } from './commands.ts';
import { createOwnership, type Ownership } from './ownership.ts';
import { rulesetText, tableName } from './ruleset.ts';

const GATEWAY = '169.254.1.1';
const HOST_MAC = 'ee:ee:ee:ee:ee:ee';

interface Tools {
  ip: string;
  nft: string;
  nsenter: string;
}

/** The programs needed, or the names of the missing ones. */
export function findTools(): { tools?: Tools; missing: string[] } {
  const ip = findProgram('ip');
  const nft = findProgram('nft');
  const nsenter = findProgram('nsenter');
  if (ip && nft && nsenter) return { tools: { ip, nft, nsenter }, missing: [] };
  const missing = Object.entries({ ip, nft, nsenter }).filter(([, path]) => path === undefined);
  return { missing: missing.map(([name]) => name) };
}

function hash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

/** Device names hold at most 15 characters: kt + 4 of the cluster + 8 of the Pod. */
function devicePrefix(clusterId: string): string {
  return `kt${hash(clusterId, 4)}`;
}

function podMac(ip: string): string {
  const octets = ip.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  return `0a:58:${octets.join(':')}`;
}

/** Create the routed data plane; `findTools` must have found all programs. */
export function createRoutedDataplane(options: { tools: Tools; log: Log }): Dataplane {
  const { tools, log } = options;
  let network: NodeNetwork | undefined;
  let ownership: Ownership | undefined;
  const prefix = (): string => devicePrefix(known().clusterId);

  function known(): NodeNetwork {
    assert(network, 'prepareNode comes before every other call of the data plane');
    return network;
  }

  async function ipBatch(lines: string[], netns?: string): Promise<void> {
    const input = `${lines.join('\n')}\n`;
    if (netns === undefined) await run(tools.ip, ['-batch', '-'], input);
    else await run(tools.nsenter, [`--net=${netns}`, tools.ip, '-batch', '-'], input);
  }

  async function hasDevice(name: string): Promise<boolean> {
    return (
      existsSync(`/sys/class/net/${name}`) ||
      (await run(tools.ip, ['link', 'show', 'dev', name]).then(
        () => true,
        () => false,
      ))
    );
  }

  async function prepareNode(next: NodeNetwork): Promise<void> {
    network = next;
    ownership ??= createOwnership(next.clusterId);
    const device = prefix();
    if (!(await hasDevice(device))) {
      // Nodes of one host race for it; the loser finds it there.
      await run(tools.ip, ['link', 'add', device, 'type', 'bridge']).catch(async (error: unknown) => {
        if (!(await hasDevice(device))) throw error;
      });
    }
    await ipBatch([
      `address replace ${next.nodeIp}/32 dev ${device}`,
      `link set dev ${device} up`,
      `link set dev lo up`,
      `route replace ${next.serviceCidr} dev ${device} src ${next.nodeIp}`,
    ]);
    enable('/proc/sys/net/ipv4/ip_forward');
  }

  function enable(file: string): void {
    if (readFileSync(file, 'utf8').trim() === '1') return;
    try {
      writeFileSync(file, '1');
    } catch (error) {
      throw new Fault(
        'DATAPLANE_SYSCTL',
        `cannot set ${file} to 1: ${messageOf(error)}; Pods would not reach each other`,
        'never',
        error,
      );
    }
  }

  /** A dockerd drops forwarded packets by default; an accept in our own table cannot override that. */
  async function passDockerFilter(): Promise<void> {
    const listed = await run(tools.nft, ['list', 'chain', 'ip', 'filter', 'DOCKER-USER']).catch(() => undefined);
    if (listed === undefined || listed.includes(`"${prefix()}*"`)) return;
    const rules = ['iifname', 'oifname'].map(
      (side) => `insert rule ip filter DOCKER-USER ${side} "${prefix()}*" accept`,
    );
    await run(tools.nft, ['-f', '-'], `${rules.join('\n')}\n`);
    log.info('let Pod traffic pass the forward filter of dockerd', { chain: 'DOCKER-USER' });
  }

  async function attachPod(pod: PodAttachment): Promise<void> {
    const { nodeIp } = known();
    const pid = /^\/proc\/(\d+)\/ns\/net$/.exec(pod.netnsPath)?.[1];
    assert(pid, `netns path ${pod.netnsPath} is not /proc/<pid>/ns/net`);
    // A Pod's address and default route in the machine's own network would cut the machine off.
    if ((await readlink(pod.netnsPath)) === (await readlink('/proc/self/ns/net')))
      throw new Fault(
        'DATAPLANE_NAMESPACE',
        `process ${pid} of pod ${pod.podUid} has no network namespace of its own`,
        'later',
      );
    const device = `${prefix()}${hash(pod.podUid, 8)}`;
    if (await isAttached(device, pod)) return;
    if (await hasDevice(device)) await run(tools.ip, ['link', 'del', 'dev', device]);
    await run(tools.ip, [
      'link',
      'add',
      device,
      'address',
      HOST_MAC,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'address',
      podMac(pod.ip),
      'netns',
      pid,
    ]);
    await ipBatch(
      [
        'link set dev lo up',
        `address replace ${pod.ip}/32 dev eth0`,
        'link set dev eth0 up',
        `route replace ${GATEWAY} dev eth0 scope link`,
        `route replace default via ${GATEWAY} dev eth0`,
        `neighbour replace ${GATEWAY} lladdr ${HOST_MAC} dev eth0 nud permanent`,
      ],
      pod.netnsPath,
    );
    await ipBatch([
      `link set dev ${device} up`,
      `route replace ${pod.ip}/32 dev ${device} scope link src ${nodeIp}`,
      `neighbour replace ${pod.ip} lladdr ${podMac(pod.ip)} dev ${device} nud permanent`,
    ]);
  }

  async function isAttached(device: string, pod: PodAttachment): Promise<boolean> {
    if (!(await hasDevice(device))) return false;
    const inside = await run(tools.nsenter, [
      `--net=${pod.netnsPath}`,
      tools.ip,
      '-o',
      'address',
      'show',
      'dev',
      'eth0',
    ]).catch(() => '');
    const route = await run(tools.ip, ['route', 'show', `${pod.ip}/32`]);
    return inside.includes(` ${pod.ip}/32 `) && route.includes(` dev ${device} `);
  }

  async function removeDockerRules(): Promise<void> {
    const listed = await run(tools.nft, ['-a', 'list', 'chain', 'ip', 'filter', 'DOCKER-USER']).catch(() => '');
    for (const line of listed.split('\n')) {
      const handle = line.includes(`"${prefix()}*"`) ? /# handle (\d+)/.exec(line)?.[1] : undefined;
      if (handle) await run(tools.nft, ['delete', 'rule', 'ip', 'filter', 'DOCKER-USER', 'handle', handle]);
    }
  }

  return {
    capabilities: () => Promise.resolve({ mode: 'routed', limits: [] }),
    prepareNode,
    async acquire() {
      known();
      await ownership?.acquire();
      await passDockerFilter();
    },
    owns: () => ownership?.owns() ?? false,
    attachPod,
    async detachPod(podUid) {
      const device = `${prefix()}${hash(podUid, 8)}`;
      if (await hasDevice(device)) await run(tools.ip, ['link', 'del', 'dev', device]);
    },
    async applyServices(services: ServicePort[]) {
      assert(ownership?.owns(), 'only the owner of the data plane applies rules');
      await run(tools.nft, ['-f', '-'], rulesetText(known(), services));
      await passDockerFilter();
    },
    async applyRoutes(routes) {
      if (routes.length > 0) await ipBatch(routes.map((route) => `route replace ${route.podCidr} via ${route.via}`));
    },
    async release() {
      await ownership?.release();
    },
    async removeAll() {
      if (!network) return;
      await run(tools.nft, ['delete', 'table', 'ip', tableName(network.clusterId)]).catch(() => undefined); // Absent: nothing to remove.
      await removeDockerRules();
      const links = await run(tools.ip, ['-o', 'link', 'show']);
      for (const match of links.matchAll(/^\d+: ([^:@]+)/gm)) {
        const name = match[1] ?? '';
        if (name.startsWith(prefix())) await run(tools.ip, ['link', 'del', 'dev', name]).catch(() => undefined); // Its Pod took it away.
      }
    },
  };
}
