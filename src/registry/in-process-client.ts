/** `Client` in one process with the registry: the verbs with objects instead of bytes. */
import type { Kind } from '#src/api/kinds.ts';
import type { KubeObject, ObjectList } from '#src/api/object.ts';
import { ApiError } from '#src/api/api-error.ts';
import type { BatchWrite, Client, ObjectWatch, ResourceRef, WatchEvent } from './client.ts';
import { commitAll, type Planner } from './commit.ts';
import type { RegistryCore } from './core.ts';
import type { RawObject } from './raw.ts';
import { badRequest } from './refusals.ts';
import type { Verbs } from './verbs.ts';
import type { RawWatch, RawWatchEvent } from './watch.ts';

/** @throws ApiError 404 when the resource is not served. */
export function requireKind(core: RegistryCore, resource: ResourceRef): Kind {
  const kind = core.kinds.find(resource);
  if (kind !== undefined) return kind;
  throw new ApiError(404, 'NotFound', 'the server could not find the requested resource', {
    details: {
      causes: [
        {
          reason: 'UnexpectedServerResponse',
          message: `no resource ${resource.resource} in ${resource.group}/${resource.version}`,
        },
      ],
    },
  });
}

export function inProcessClient(core: RegistryCore, verbs: Verbs): Client {
  return {
    identity: verbs.identity,
    kinds: () => core.kinds.all(),
    async get<T extends KubeObject>(
      resource: ResourceRef,
      name: string,
      options: { namespace?: string; resourceVersion?: string } = {},
    ) {
      return (await verbs.get(requireKind(core, resource), { ...options, name })).object() as KubeObject as T;
    },
    async list<T extends KubeObject>(resource: ResourceRef, options = {}) {
      const kind = requireKind(core, resource);
      const list = await verbs.list(kind, options);
      return {
        apiVersion: kind.apiVersion,
        kind: kind.listKind,
        metadata: {
          resourceVersion: String(list.revision),
          ...(list.continue === undefined ? {} : { continue: list.continue }),
          ...(list.remainingItemCount === undefined ? {} : { remainingItemCount: list.remainingItemCount }),
        },
        items: await decodeInSlices<T>(core, list.items),
      } satisfies ObjectList<T>;
    },
    async watch<T extends KubeObject>(resource: ResourceRef, options: Parameters<Client['watch']>[1]) {
      return objectWatch<T>(await verbs.watch(requireKind(core, resource), options));
    },
    async create<T extends KubeObject>(
      resource: ResourceRef,
      object: T,
      options: Parameters<Client['create']>[2] = {},
    ) {
      const answer = await verbs.create(requireKind(core, resource), { namespace: options.namespace, object }, options);
      return answer.object as KubeObject as T;
    },
    async update<T extends KubeObject>(
      resource: ResourceRef,
      object: T,
      options: Parameters<Client['update']>[2] = {},
    ) {
      const place = { ...placeOf(object), subresource: options.subresource };
      return (await verbs.update(requireKind(core, resource), place, object, options)).object as KubeObject as T;
    },
    async patch<T extends KubeObject>(
      resource: ResourceRef,
      name: string,
      patch: Parameters<Client['patch']>[2],
      options: Parameters<Client['patch']>[3] = {},
    ) {
      const place = { namespace: options.namespace, name, subresource: options.subresource };
      return (await verbs.patch(requireKind(core, resource), place, patch, options)).object as KubeObject as T;
    },
    async delete(resource, name, options = {}) {
      return (await verbs.delete(requireKind(core, resource), { namespace: options.namespace, name }, options)).object;
    },
    async batch(writes, options = {}) {
      return await runBatch(core, verbs, writes, options);
    },
  };
}

/** Objects decoded before other things may run. */
const DECODE_SLICE_OBJECTS = 256;

async function decodeInSlices<T extends KubeObject>(core: RegistryCore, raws: readonly RawObject[]): Promise<T[]> {
  const objects: T[] = [];
  for (const raw of raws) {
    objects.push(raw.object() as KubeObject as T);
    if (objects.length % DECODE_SLICE_OBJECTS === 0) await new Promise<void>((resolve) => core.clock.soon(resolve));
  }
  return objects;
}

function placeOf(object: KubeObject): { namespace: string | undefined; name: string } {
  const name = object.metadata?.name ?? '';
  if (name === '') throw badRequest('metadata.name is missing: an update names its object');
  return { namespace: object.metadata?.namespace, name };
}

async function runBatch(
  core: RegistryCore,
  verbs: Verbs,
  writes: BatchWrite[],
  options: Parameters<Client['batch']>[1],
): ReturnType<Client['batch']> {
  const planned = writes.map((write) => {
    try {
      return { planner: plannerFor(core, verbs, write) };
    } catch (error) {
      if (error instanceof ApiError) return { error };
      throw error;
    }
  });
  const planners = planned.flatMap((one) => (one.planner === undefined ? [] : [one.planner]));
  const results = await commitAll(core, planners, options ?? {});
  let at = 0;
  return planned.map((one) => {
    if (one.error !== undefined) return { ok: false, error: one.error };
    const result = results[at];
    at += 1;
    if (result === undefined)
      return { ok: false, error: new ApiError(500, 'InternalError', 'a batched write had no result') };
    return result.ok ? { ok: true, object: result.answer.object } : result;
  });
}

function plannerFor(core: RegistryCore, verbs: Verbs, write: BatchWrite): Planner {
  const { plannerOf } = verbs;
  switch (write.verb) {
    case 'create':
      return plannerOf.create(requireKind(core, write.resource), write);
    case 'update':
      return plannerOf.update(
        requireKind(core, write.resource),
        { ...placeOf(write.object), subresource: write.subresource },
        write.object,
      );
    case 'delete':
      return plannerOf.delete(requireKind(core, write.resource), write, write.options ?? {});
    case 'bind':
      return plannerOf.bind({ ...write, kind: requireKind(core, { group: '', version: 'v1', resource: 'pods' }) });
  }
}

function objectWatch<T extends KubeObject>(raw: RawWatch): ObjectWatch<T> {
  const waiting: RawWatchEvent[] = [];
  return {
    async next() {
      if (waiting.length === 0) waiting.push(...((await raw.next()) ?? []));
      const event = waiting.shift();
      return event === undefined ? undefined : objectEvent<T>(event);
    },
    cancel: () => {
      raw.cancel();
    },
  };
}

function objectEvent<T extends KubeObject>(event: RawWatchEvent): WatchEvent<T> {
  if (event.type === 'BOOKMARK') {
    return { type: 'BOOKMARK', resourceVersion: String(event.revision), initialEventsEnd: event.initialEventsEnd };
  }
  return { type: event.type, object: event.object.object() as KubeObject as T };
}
