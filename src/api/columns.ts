/** Table columns of the served kinds, in the order of the cells that table-cells.ts makes. */
import type { Column } from './table.ts';
import { AGE, column, CONTAINERS, IMAGES, NAME, SELECTOR, wide } from './tables/printer.ts';

export const pod: readonly Column[] = [
  NAME,
  column('Ready', 'Containers that are ready, of all.'),
  column('Status', 'Where the Pod is in its life, and what holds it up.'),
  column('Restarts', 'Restarts of all containers, and how long ago the last one was.'),
  AGE,
  wide('IP', 'Address of the Pod.'),
  wide('Node', 'Node that the Pod is bound to.'),
  wide('Nominated Node', 'Node that is being cleared for the Pod by preemption.'),
  wide('Readiness Gates', 'Readiness gates that are passed, of all.'),
];

export const replicaSet: readonly Column[] = [
  NAME,
  column('Desired', 'Pods that are wanted.', 'integer'),
  column('Current', 'Pods that exist.', 'integer'),
  column('Ready', 'Pods that are ready.', 'integer'),
  AGE,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];

export const deployment: readonly Column[] = [
  NAME,
  column('Ready', 'Pods that are ready, of those wanted.'),
  column('Up-to-date', 'Pods that are of the current template.'),
  column('Available', 'Pods that have been ready for minReadySeconds.'),
  AGE,
  CONTAINERS,
  IMAGES,
  SELECTOR,
];

export const service: readonly Column[] = [
  NAME,
  column('Type', 'How the Service is reached.'),
  column('Cluster-IP', 'Address inside the cluster.'),
  column('External-IP', 'Addresses outside the cluster.'),
  column('Port(s)', 'Ports with their node ports and protocols.'),
  AGE,
  SELECTOR,
];

export const endpointSlice: readonly Column[] = [
  NAME,
  column('AddressType', 'Kind of its addresses.'),
  column('Ports', 'Ports of all its endpoints.'),
  column('Endpoints', 'Addresses of its endpoints.'),
  AGE,
];

export const endpoints: readonly Column[] = [NAME, column('Endpoints', 'Addresses with their ports.'), AGE];

export const configMap: readonly Column[] = [NAME, column('Data', 'Number of its keys.'), AGE];

export const secret: readonly Column[] = [
  NAME,
  column('Type', 'What programs may expect in it.'),
  column('Data', 'Number of its keys.'),
  AGE,
];

export const serviceAccount: readonly Column[] = [NAME, column('Secrets', 'Number of Secrets listed in it.'), AGE];

export const namespace: readonly Column[] = [NAME, column('Status', 'Active, or Terminating.'), AGE];

export const node: readonly Column[] = [
  NAME,
  column('Status', 'Whether it is ready, and whether it takes new Pods.'),
  column('Roles', 'Roles from its labels.'),
  AGE,
  column('Version', 'Version of its kubelet.'),
  wide('Internal-IP', 'Its address inside the cluster.'),
  wide('External-IP', 'Its address outside the cluster.'),
  wide('OS-Image', 'Its operating system.'),
  wide('Kernel-Version', 'Version of its kernel.'),
  wide('Container-Runtime', 'What runs its containers.'),
];

export const event: readonly Column[] = [
  column('Last Seen', 'Time since it happened last.'),
  column('Type', 'Normal or Warning.'),
  column('Reason', 'Short word for what happened, for programs.'),
  column('Object', 'What it happened to.'),
  wide('Subobject', 'Which part of the object.'),
  wide('Source', 'Who reports it.'),
  column('Message', 'What happened, for people.'),
  wide('First Seen', 'Time since it happened first.'),
  wide('Count', 'How often it happened.'),
  { ...wide('Name', 'Unique within the namespace; cannot be changed.'), format: 'name' },
];

export const lease: readonly Column[] = [NAME, column('Holder', 'Who holds it.'), AGE];

export const customResourceDefinition: readonly Column[] = [
  NAME,
  column('Created At', 'When the object was created.', 'date'),
];
