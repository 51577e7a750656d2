/** Tables of networking.k8s.io. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '../objects/networking.ts';
import { age, AGE, column, NAME, nameOf, printer, selectorCell } from './printer.ts';

const HOSTS_SHOWN_MAX = 3;

export const ingress = printer<Ingress>(
  [
    NAME,
    column('Class', 'Name of its IngressClass.'),
    column('Hosts', 'Hosts that its rules are for.'),
    column('Address', 'Where it is reached.'),
    column('Ports', 'Ports it is reached at.'),
    AGE,
  ],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.ingressClassName ?? '<none>',
    hostsText(object),
    addressesText(object),
    (object.spec?.tls?.length ?? 0) > 0 ? '80, 443' : '80',
    age(object, nowMs),
  ],
);

function hostsText(object: Ingress): string {
  const rules = object.spec?.rules ?? [];
  const hosts: string[] = [];
  let more = false;
  for (const { host } of rules) {
    more ||= hosts.length === HOSTS_SHOWN_MAX;
    if (!more && host) hosts.push(host);
  }
  if (hosts.length === 0) return '*';
  return more ? `${hosts.join(',')} + ${rules.length - HOSTS_SHOWN_MAX} more...` : hosts.join(',');
}

function addressesText(object: Ingress): string {
  const addresses = (object.status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '');
  return [...new Set(addresses.filter((address) => address !== ''))].sort().join(',');
}

export const ingressClass = printer<IngressClass>(
  [NAME, column('Controller', 'Who serves the class.'), column('Parameters', 'Where more is said.'), AGE],
  (object, nowMs) => {
    const { controller, parameters } = object.spec ?? {};
    const group = parameters?.apiGroup === undefined ? '' : `.${parameters.apiGroup}`;
    const reference = parameters === undefined ? '<none>' : `${parameters.kind}${group}/${parameters.name}`;
    return [nameOf(object), controller ?? '', reference, age(object, nowMs)];
  },
);

export const networkPolicy = printer<NetworkPolicy>(
  [NAME, column('Pod-Selector', 'Labels of the Pods it is for.'), AGE],
  (object, nowMs) => [nameOf(object), selectorCell(object.spec?.podSelector), age(object, nowMs)],
);

export const ipAddress = printer<IPAddress>([NAME, column('ParentRef', 'Who uses the address.')], (object) => {
  const parent = object.spec?.parentRef;
  if (parent === undefined) return [nameOf(object), '<none>'];
  const resource = parent.group ? `${parent.resource}.${parent.group}` : (parent.resource ?? '');
  const parts = [resource.toLowerCase(), ...(parent.namespace ? [parent.namespace] : []), parent.name ?? ''];
  return [nameOf(object), parts.join('/')];
});

export const serviceCidr = printer<ServiceCIDR>(
  [NAME, column('CIDRs', 'Ranges of Service addresses.'), AGE],
  (object, nowMs) => [nameOf(object), (object.spec?.cidrs ?? []).join(','), age(object, nowMs)],
);
