/** Subresources that many kinds have. */
import type { Subresource } from '../kinds.ts';

export const STATUS: Subresource = { name: 'status', verbs: ['get', 'patch', 'update'] };

export const SCALE: Subresource = {
  name: 'scale',
  verbs: ['get', 'patch', 'update'],
  group: 'autoscaling',
  version: 'v1',
  kind: 'Scale',
  typeName: 'io.k8s.api.autoscaling.v1.Scale',
};
