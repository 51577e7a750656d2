/** What the tests of admission share. */
import { isApiError } from '#src/api/api-error.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { ResourceRef } from '#src/registry/client.ts';
import type { ApiFixture } from '#test/support/api-fixture.ts';

export const core = (resource: string): ResourceRef => ({ group: '', version: 'v1', resource });
export const PODS = core('pods');
export const NAMESPACES = core('namespaces');
export const QUOTAS = core('resourcequotas');
export const LIMIT_RANGES = core('limitranges');
export const DEPLOYMENTS: ResourceRef = { group: 'apps', version: 'v1', resource: 'deployments' };

export type Loose = KubeObject & Record<string, unknown>;

export function pod(name: string, spec: Record<string, unknown> = {}, container: Record<string, unknown> = {}): Loose {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'main', image: 'busybox', ...container }], ...spec },
  };
}

export function object(apiVersion: string, kind: string, name: string, rest: Record<string, unknown> = {}): Loose {
  return { apiVersion, kind, metadata: { name, namespace: 'default' }, ...rest };
}

/** The message of the refusal, with its code; fails when there is none. */
export async function refusal(f: ApiFixture, promise: Promise<unknown>): Promise<{ code: number; message: string }> {
  try {
    await f.run(promise);
  } catch (error) {
    if (!isApiError(error)) throw error;
    return { code: error.status, message: error.message };
  }
  throw new Error('it was not refused');
}
