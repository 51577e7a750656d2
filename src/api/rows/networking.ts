/** networking.k8s.io. */
import type { KindRow } from '../kinds.ts';
import * as networking from '../tables/networking.ts';
import { STATUS } from './subresources.ts';

const GROUP = { group: 'networking.k8s.io', version: 'v1' };

export const NETWORKING_ROWS: readonly KindRow[] = [
  {
    ...GROUP,
    kind: 'IngressClass',
    resource: 'ingressclasses',
    namespaced: false,
    generationFields: ['spec'],
    ...networking.ingressClass,
  },
  {
    ...GROUP,
    kind: 'Ingress',
    resource: 'ingresses',
    namespaced: true,
    shortNames: ['ing'],
    subresources: [STATUS],
    generationFields: ['spec'],
    ...networking.ingress,
  },
  {
    ...GROUP,
    kind: 'IPAddress',
    resource: 'ipaddresses',
    namespaced: false,
    shortNames: ['ip'],
    selectableFields: [
      'spec.parentRef.group',
      'spec.parentRef.resource',
      'spec.parentRef.namespace',
      'spec.parentRef.name',
    ],
    generationFields: ['spec'],
    ...networking.ipAddress,
  },
  {
    ...GROUP,
    kind: 'NetworkPolicy',
    resource: 'networkpolicies',
    namespaced: true,
    shortNames: ['netpol'],
    generationFields: ['spec'],
    ...networking.networkPolicy,
  },
  {
    ...GROUP,
    kind: 'ServiceCIDR',
    resource: 'servicecidrs',
    namespaced: false,
    subresources: [STATUS],
    generationFields: ['spec'],
    ...networking.serviceCidr,
  },
];
