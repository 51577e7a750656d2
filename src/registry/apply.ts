/** PATCH application/apply-patch+yaml: server-side apply (KEP-555), which also creates. */
import { decodeKind } from '#src/api/decode.ts';
import type { Kind } from '#src/api/kinds.ts';
import { applyConfiguration } from '#src/api/managed-fields/managed-fields.ts';
import type { KubeObject } from '#src/api/object.ts';
import { invalid } from '#src/api/validation.ts';
import type { Planner } from './commit.ts';
import type { RegistryCore } from './core.ts';
import { planCreate } from './create.ts';
import type { Patch } from './patch.ts';
import type { NamedObject } from './raw.ts';
import { badRequest, methodNotAllowed } from './refusals.ts';
import { planUpdate, type UpdateRequest } from './update.ts';
import { writerOf } from './writer.ts';

/** @throws ApiError 409 for fields that others manage, 400 and 422 for a configuration that cannot be read. */
export function planApply(
  core: RegistryCore,
  request: Omit<UpdateRequest, 'produce'>,
  { patch, force }: { patch: Patch; force: boolean },
): Planner {
  const { kind, name, namespace, subresource, identity, fieldManager, dryRun } = request;
  if (subresource === 'scale') throw methodNotAllowed('server-side apply of a Scale is not served; patch the object');
  if ((fieldManager ?? '') === '')
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      {
        reason: 'FieldValueRequired',
        field: 'fieldManager',
        message: 'Required value: is required for apply patch',
      },
    ]);
  const { config, warnings } = configurationOf(request, patch);
  const writer = { ...writerOf(core, identity, { fieldManager, subresource }), force };
  const created = subresource === '' ? applyConfiguration(kind, undefined, config, writer) : undefined;
  return planUpdate(core, {
    ...request,
    isApply: true,
    produce: (current) => {
      const applied = applyConfiguration(kind, current, config, writer) as NamedObject;
      const { resourceVersion } = config.metadata ?? {};
      const metadata = { ...applied.metadata };
      // The configuration may insist on the version that it was made from.
      if (resourceVersion === undefined) delete metadata.resourceVersion;
      else metadata.resourceVersion = resourceVersion;
      return { object: { ...canonical(applied, kind), metadata }, warnings };
    },
    ...(created === undefined
      ? {}
      : {
          createInstead: planCreate(core, {
            kind,
            namespace,
            object: withName(canonical(created, kind), name),
            identity,
            applied: true,
            fieldManager,
            dryRun,
          }),
        }),
  });
}

/** As a body would be decoded: a configuration may name empties that JSON leaves out. */
function canonical(object: KubeObject, kind: Kind): NamedObject {
  return decodeKind(object, kind, { fieldValidation: 'Ignore' }).object as unknown as NamedObject;
}

function withName(object: KubeObject, name: string): KubeObject {
  return { ...object, metadata: { ...object.metadata, name } };
}

function configurationOf(
  { kind, name, namespace }: Omit<UpdateRequest, 'produce'>,
  patch: Patch,
): { config: KubeObject; warnings: string[] } {
  const { object, warnings } = decodeKind(patch.body, kind, {
    fieldValidation: patch.fieldValidation ?? 'Ignore',
    asGiven: true,
    ...(patch.duplicates === undefined ? {} : { duplicates: patch.duplicates }),
  });
  const config = object as KubeObject;
  if ((config.metadata?.managedFields ?? []).length > 0) throw badRequest('metadata.managedFields must be nil');
  if (config.apiVersion !== kind.apiVersion || config.kind !== kind.kind) {
    throw badRequest(
      `the configuration is ${String(config.apiVersion)} ${String(config.kind)}, the URL names ${kind.apiVersion} ${kind.kind}; apiVersion and kind are needed`,
    );
  }
  const metadata = { ...config.metadata, name: config.metadata?.name ?? name };
  if (kind.namespaced && metadata.namespace === undefined && namespace !== undefined) metadata.namespace = namespace;
  return { config: { ...config, metadata }, warnings };
}
