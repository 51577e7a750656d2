/** What every cluster starts with, applied by its first leader (DESIGN §4.12). */
import { isApiError } from '#src/api/api-error.ts';
import { kindOf } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import { Fault } from '#src/std/fault.ts';
import type { Client, WriteOptions } from './client.ts';
import { firstServiceIp } from './services.ts';

/** default, kube-system, kube-public, kube-node-lease. */
export const FIRST_NAMESPACES: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/**
 * Create what is not there; what is there stays as it is. In the order given: namespaces before what lies
 * in them. Returns how many were created. Faults: MANIFEST_UNKNOWN_KIND; ApiError of the first refusal.
 */
export async function applyFirstObjects(
  client: Client,
  manifests: readonly KubeObject[],
  options: WriteOptions = {},
): Promise<number> {
  let created = 0;
  for (const manifest of manifests) {
    const { apiVersion = '', kind: kindName = '' } = manifest;
    const kind = kindOf(apiVersion, kindName);
    if (kind === undefined) {
      throw new Fault(
        'MANIFEST_UNKNOWN_KIND',
        `the manifest ${kindName} ${JSON.stringify(manifest.metadata?.name)} has apiVersion ${JSON.stringify(apiVersion)}, which is not served; correct or remove it`,
        'never',
      );
    }
    try {
      await client.create(kind, manifest, options);
      created += 1;
    } catch (error) {
      if (!isApiError(error, 'AlreadyExists')) throw error;
    }
  }
  return created;
}

export function firstNamespaces(): KubeObject[] {
  return FIRST_NAMESPACES.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }));
}

/** Service default/kubernetes on the first address of the range; its slices are written by the nodes. */
export function kubernetesService(config: { serviceCidr: string; apiServerPort: number }): KubeObject {
  const service: KubeObject & { spec: unknown } = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP: firstServiceIp(config.serviceCidr),
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: config.apiServerPort }],
    },
  };
  return service;
}
