/**
 * The nftables table of a cluster as text: element maps plus one chain per endpoint count,
 * so that a change of endpoints is a change of elements. Pure.
 *
 *   prerouting/output ─ svc: (ip, proto, port) → chain r<N> | h<N>
 *   r3: mark = random mod 3, dnat to ep[(ip, proto, port, mark)]
 *   h3: the same with a hash of the source address (ClientIP affinity)
 */
import type { NodeNetwork, ServicePort } from '#src/ports/dataplane.ts';

const PROTOCOL: Record<ServicePort['protocol'], string> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

/** The name of a cluster's own table; nothing outside it is touched. */
export function tableName(clusterId: string): string {
  return `kontiki-${clusterId.replaceAll('-', '').slice(0, 8)}`;
}

interface Address {
  service: ServicePort;
  /** `10.0.0.1 . tcp . 80` */
  key: string;
}

function block(head: string, lines: string[]): string[] {
  return [`  ${head} {`, ...lines.map((line) => `    ${line}`), '  }'];
}

function elements(lines: string[]): string[] {
  return lines.length === 0 ? [] : [`elements = { ${lines.join(', ')} }`];
}

function chainName(service: ServicePort): string {
  return `${service.sessionAffinity ? 'h' : 'r'}${service.endpoints.length}`;
}

function slots(address: Address): string[] {
  return address.service.endpoints.map(
    (endpoint, slot) => `${address.key} . ${slot} : ${endpoint.ip} . ${endpoint.port}`,
  );
}

/** One chain per endpoint count in use: exact balance, whatever the number of services. */
function countChains(services: ServicePort[]): string[] {
  const used = new Map(services.filter((s) => s.endpoints.length > 0).map((s) => [chainName(s), s]));
  return [...used]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, service]) => {
      const count = service.endpoints.length;
      const pick = service.sessionAffinity ? `jhash ip saddr mod ${count}` : `numgen random mod ${count}`;
      return [
        ...block(`chain ${name}`, [
          `meta mark set ${pick}`,
          'dnat ip to ip daddr . meta l4proto . th dport . meta mark map @ep',
        ]),
        ...block(`chain n${name}`, [
          `meta mark set ${pick}`,
          'dnat ip to meta l4proto . th dport . meta mark map @nep',
        ]),
      ];
    });
}

/** The whole table, replacing an earlier one in one transaction when given to `nft -f`. */
export function rulesetText(network: NodeNetwork, services: ServicePort[]): string {
  const table = tableName(network.clusterId);
  const addresses: Address[] = services.flatMap((service) =>
    service.clusterIps.map((ip) => ({ service, key: `${ip} . ${PROTOCOL[service.protocol]} . ${service.port}` })),
  );
  const nodePorts: Address[] = services.flatMap((service) =>
    service.nodePort === undefined ? [] : [{ service, key: `${PROTOCOL[service.protocol]} . ${service.nodePort}` }],
  );
  const served = (address: Address): boolean => address.service.endpoints.length > 0;
  const target = (prefix: string) => (address: Address) =>
    `${address.key} : goto ${prefix}${chainName(address.service)}`;
  const dispatch = [
    'ip daddr . meta l4proto . th dport vmap @cnt',
    'fib daddr type local meta l4proto . th dport vmap @ncnt',
  ];
  const refuse = [
    'ip daddr . meta l4proto . th dport @noep meta l4proto tcp reject with tcp reset',
    'ip daddr . meta l4proto . th dport @noep reject',
  ];
  return [
    `table ip ${table}`,
    `delete table ip ${table}`,
    `table ip ${table} {`,
    ...block('map cnt', [
      'type ipv4_addr . inet_proto . inet_service : verdict',
      ...elements(addresses.filter(served).map(target(''))),
    ]),
    ...block('map ep', [
      'type ipv4_addr . inet_proto . inet_service . mark : ipv4_addr . inet_service',
      ...elements(addresses.flatMap(slots)),
    ]),
    ...block('map ncnt', [
      'type inet_proto . inet_service : verdict',
      ...elements(nodePorts.filter(served).map(target('n'))),
    ]),
    ...block('map nep', [
      'type inet_proto . inet_service . mark : ipv4_addr . inet_service',
      ...elements(nodePorts.flatMap(slots)),
    ]),
    ...block('set noep', [
      'type ipv4_addr . inet_proto . inet_service',
      ...elements(addresses.filter((a) => !served(a)).map((a) => a.key)),
    ]),
    ...countChains(services),
    ...block('chain prerouting', ['type nat hook prerouting priority -100; policy accept;', ...dispatch]),
    ...block('chain output', ['type nat hook output priority -100; policy accept;', ...dispatch]),
    ...block('chain postrouting', [
      'type nat hook postrouting priority 100; policy accept;',
      // A Pod that reaches itself through its Service must see another source, or it answers itself.
      'ct status dnat ip saddr . ip daddr @hairpin masquerade',
      // Node ports are reached from outside: the answer has to come back through this node.
      `ct status dnat ip saddr != ${network.clusterPodCidr} ip daddr ${network.clusterPodCidr} fib saddr type != local masquerade`,
      `ip saddr ${network.clusterPodCidr} ip daddr != ${network.clusterPodCidr} fib daddr type != local masquerade`,
    ]),
    ...block('set hairpin', ['type ipv4_addr . ipv4_addr', ...elements(hairpins(services))]),
    ...block('chain forward', ['type filter hook forward priority 0; policy accept;', ...refuse]),
    ...block('chain local', ['type filter hook output priority 0; policy accept;', ...refuse]),
    '}',
    '',
  ].join('\n');
}

function hairpins(services: ServicePort[]): string[] {
  const ips = new Set(services.flatMap((service) => service.endpoints.map((endpoint) => endpoint.ip)));
  return [...ips].toSorted().map((ip) => `${ip} . ${ip}`);
}
