/**
 * Writes of the control loops: each carries the fence of the current term, tells the expectations what was written,
 * and treats "already so" (a deletion of what is gone) as done.
 */
import { isApiError } from '#src/api/api-error.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { BatchWrite, Client, PatchType, ResourceRef } from '#src/registry/client.ts';
import type { Duty } from './actor-host.ts';

export interface Writer {
  create<T extends KubeObject>(duty: Duty, resource: ResourceRef, object: T): Promise<T>;
  update<T extends KubeObject>(duty: Duty, resource: ResourceRef, object: T, subresource?: string): Promise<T>;
  patch<T extends KubeObject>(duty: Duty, resource: ResourceRef, target: Target, body: unknown): Promise<T>;
  /** Independent writes; throws the first refusal after all were tried, but for NotFound of a deletion. */
  batch(duty: Duty, writes: readonly BatchWrite[]): Promise<KubeObject[]>;
}

export interface Target {
  namespace?: string;
  name: string;
  type?: PatchType;
  subresource?: string;
}

/** Writes in one proposal; the registry bounds an entry by bytes. */
export const BATCH_WRITES_MAX = 500;

export function createWriter(client: Client): Writer {
  return {
    async create(duty, resource, object) {
      const namespace = object.metadata?.namespace;
      const options = { term: duty.term, ...(namespace === undefined ? {} : { namespace }) };
      const made = await client.create(resource, object, options);
      duty.expectations.wrote(resource, made);
      return made;
    },
    async update(duty, resource, object, subresource) {
      const options = { term: duty.term, ...(subresource === undefined ? {} : { subresource }) };
      const written = await client.update(resource, object, options);
      duty.expectations.wrote(resource, written);
      return written;
    },
    async patch<T extends KubeObject>(duty: Duty, resource: ResourceRef, target: Target, body: unknown): Promise<T> {
      const written = await client.patch<T>(
        resource,
        target.name,
        { type: target.type ?? 'merge', body },
        {
          term: duty.term,
          ...(target.namespace === undefined ? {} : { namespace: target.namespace }),
          ...(target.subresource === undefined ? {} : { subresource: target.subresource }),
        },
      );
      duty.expectations.wrote(resource, written);
      return written;
    },
    async batch(duty, writes) {
      const made: KubeObject[] = [];
      let refusal: Error | undefined;
      for (let from = 0; from < writes.length && refusal === undefined; from += BATCH_WRITES_MAX) {
        const part = writes.slice(from, from + BATCH_WRITES_MAX);
        const results = await client.batch(part, { term: duty.term });
        results.forEach((result, index) => {
          const write = part[index];
          if (write === undefined) return;
          if (!result.ok) {
            if (write.verb === 'delete' && isApiError(result.error, 'NotFound')) return;
            refusal ??= result.error;
            return;
          }
          made.push(result.object);
          expect(duty, write, result.object);
        });
      }
      if (refusal !== undefined) throw refusal;
      return made;
    },
  };
}

function expect(duty: Duty, write: BatchWrite, object: KubeObject): void {
  if (write.verb === 'create' || write.verb === 'update') duty.expectations.wrote(write.resource, object);
  if (write.verb === 'delete') {
    duty.expectations.deleted(write.resource, {
      namespace: object.metadata?.namespace ?? '',
      name: object.metadata?.name ?? '',
      uid: object.metadata?.uid ?? '',
    });
  }
}
