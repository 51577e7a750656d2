/**
 * Empties a CustomResourceDefinition that is being deleted, then lets it go (its cleanup finalizer).
 * After kubernetes/staging/src/k8s.io/apiextensions-apiserver/pkg/controller/finalizer, 1.36.
 */
import { isApiError } from '#src/api/api-error.ts';
import { formatTime, withCondition, type ConditionLike } from '#src/api/metadata.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { BatchWrite } from '#src/registry/client.ts';
import { isFenced } from './actor-host.ts';
import type { ControllerContext } from './context.ts';
import type { Duties } from './controllers.ts';
import { CUSTOM_RESOURCE_DEFINITIONS } from './resources.ts';
import { createWorkQueue } from './work-queue.ts';

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';
/** Objects deleted at a time. */
export const CLEANUP_LOT_OBJECTS = 500;
/** Lots of one turn; the rest is the next turn's. */
const CLEANUP_LOTS_MAX = 20;
/** Objects that finalizers hold are looked at again after this. */
export const CLEANUP_AGAIN_MS = 5_000;

interface Definition extends KubeObject {
  spec?: { group?: string; names?: { plural?: string } };
  status?: { conditions?: (ConditionLike & { reason?: string; message?: string })[] };
}

export function cleanUpDefinitions(context: ControllerContext): Duties {
  const { client, clock, informers } = context;
  const definitions = informers.of(CUSTOM_RESOURCE_DEFINITIONS);
  let term = 0;

  const handle = async (name: string): Promise<void> => {
    const definition = definitions?.get(undefined, name) as Definition | undefined;
    const { deletionTimestamp, finalizers = [] } = definition?.metadata ?? {};
    if (definition === undefined || deletionTimestamp === undefined || !finalizers.includes(CLEANUP_FINALIZER)) return;
    try {
      const left = await empty(definition);
      if (left > 0) {
        await tell(definition, left);
        clock.after(CLEANUP_AGAIN_MS, () => look(name));
        return;
      }
      const rest = finalizers.filter((finalizer) => finalizer !== CLEANUP_FINALIZER);
      const metadata = { ...definition.metadata, finalizers: rest };
      await client.update(CUSTOM_RESOURCE_DEFINITIONS, { ...definition, metadata }, { term });
    } catch (error) {
      if (isFenced(error) || isApiError(error, 'NotFound')) return;
      throw error;
    }
  };

  /** How many objects are still there. */
  const empty = async (definition: Definition): Promise<number> => {
    const { group, names } = definition.spec ?? {};
    const kind = client.kinds().find((one) => one.group === group && one.resource === names?.plural);
    // Never served, so never filled.
    if (kind?.custom === undefined) return 0;
    for (let lot = 0; lot < CLEANUP_LOTS_MAX; lot += 1) {
      const list = await client.list(kind, { limit: CLEANUP_LOT_OBJECTS });
      const writes = list.items
        .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
        .map(({ metadata }): BatchWrite => {
          const { namespace, name = '', uid = '' } = metadata ?? {};
          const options = { propagationPolicy: 'Background' as const, preconditions: { uid } };
          return { verb: 'delete', resource: kind, name, options, ...(namespace === undefined ? {} : { namespace }) };
        });
      if (writes.length === 0) return list.items.length + (list.metadata.remainingItemCount ?? 0);
      await client.batch(writes, { term });
    }
    return (await client.list(kind, { limit: 1 })).items.length;
  };

  const tell = async (definition: Definition, left: number): Promise<void> => {
    const condition = {
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionInProgress',
      message: `CustomResource deletion is in progress: ${left} objects are held by finalizers`,
    };
    const conditions = withCondition(definition.status?.conditions, condition, formatTime(clock.wallMs()));
    const status = { ...definition.status, conditions };
    const told: Definition = { ...definition, status };
    await client.update(CUSTOM_RESOURCE_DEFINITIONS, told, { term, subresource: 'status' });
  };

  const queue = createWorkQueue({ name: 'definitions', clock, log: context.log, handle });
  const look = (name: string) => {
    if (term > 0) queue.add(name);
  };
  definitions?.onChange((type, definition) => {
    if (type !== 'DELETED' && definition.metadata?.deletionTimestamp !== undefined)
      look(definition.metadata.name ?? '');
  });
  return {
    start(newTerm) {
      term = newTerm;
      queue.start();
      for (const definition of definitions?.list() ?? []) look(definition.metadata?.name ?? '');
    },
    stop() {
      term = 0;
      queue.stop();
    },
  };
}
