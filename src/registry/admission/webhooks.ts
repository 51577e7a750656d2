/**
 * Mutating and validating admission webhooks. Their configurations are read from the local state of the
 * store, decoded once per version; a write that no webhook is about stays synchronous.
 */
import { ApiError, type StatusReason } from '#src/api/api-error.ts';
import { applyDefaults } from '#src/api/defaults.ts';
import { findKind, type Kind } from '#src/api/kinds.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '#src/api/objects/admission.ts';
import { messageOf } from '#src/std/fault.ts';
import { FinalRefusal } from '../core.ts';
import { objectRange } from '../keys.ts';
import { applyPatch } from '../patch.ts';
import type { NamedObject } from '../raw.ts';
import { badRequest } from '../refusals.ts';
import type { Attributes } from './attributes.ts';
import { converted, isExempt, matchedKind } from './match.ts';
import { bindingsOf, Budget } from './expressions.ts';
import { matchesConditions } from './match-conditions.ts';
import { callWebhook, type ReviewResponse } from './webhook-call.ts';

/** Configurations that are looked at, of each sort. */
const CONFIGURATIONS_MAX = 1000;
/** Calls of validating webhooks of one write at once. */
const PARALLEL_CALLS_MAX = 16;

type Webhook = MutatingWebhook | ValidatingWebhook;

interface Concerned<T extends Webhook> {
  webhook: T;
  /** The version it is shown. */
  shown: Kind;
}

function concernedOf<T extends Webhook>(attributes: Attributes, resource: string): Concerned<T>[] {
  if (isExempt(attributes)) return [];
  const kind = findKind({ group: 'admissionregistration.k8s.io', version: 'v1', resource });
  if (kind === undefined) return [];
  const { core, view } = attributes;
  const { items } = view.range({ ...objectRange(kind, undefined), limit: CONFIGURATIONS_MAX });
  return items.flatMap(({ value }) => {
    const configuration = core.decoded.peek(kind, value) as
      | MutatingWebhookConfiguration
      | ValidatingWebhookConfiguration;
    return (configuration.webhooks ?? []).flatMap((webhook) => {
      const shown = matchedKind(webhook, attributes);
      return shown === undefined ? [] : [{ webhook: webhook as T, shown }];
    });
  });
}

/** undefined: none is concerned. `again` runs the plugins that mutate, after webhooks have changed the object. */
export function callMutating(attributes: Attributes, again: () => void): Promise<void> | undefined {
  const concerned = concernedOf<MutatingWebhook>(attributes, 'mutatingwebhookconfigurations');
  return concerned.length === 0 ? undefined : runMutating(attributes, concerned, again);
}

async function runMutating(
  attributes: Attributes,
  concerned: Concerned<MutatingWebhook>[],
  again: () => void,
): Promise<void> {
  const seen = new Map<MutatingWebhook, string>();
  let changed = false;
  for (const one of concerned) {
    changed = (await mutateOnce(attributes, one)) || changed;
    if (one.webhook.reinvocationPolicy === 'IfNeeded') seen.set(one.webhook, JSON.stringify(attributes.object));
  }
  if (!changed) return;
  again();
  // Once more, in order, whoever asked for it and has not seen the object as it is now.
  for (const one of concerned) {
    const last = seen.get(one.webhook);
    if (last !== undefined && last !== JSON.stringify(attributes.object)) await mutateOnce(attributes, one);
  }
}

async function mutateOnce(attributes: Attributes, one: Concerned<MutatingWebhook>): Promise<boolean> {
  const response = await ask(attributes, one);
  if (response === undefined) return false;
  const { object, kind } = attributes;
  if ((response.patch ?? '') === '' || object === undefined) return false;
  if (response.patchType !== 'JSONPatch') {
    const why = `webhook returned response.patchType ${JSON.stringify(response.patchType ?? '')}, expected "JSONPatch"`;
    failed(attributes, one.webhook, why);
    return false;
  }
  const before = JSON.stringify(object);
  const patched = patchedObject(one, converted(kind, one.shown, object), response.patch ?? '');
  const result = converted(one.shown, kind, patched);
  applyDefaults(kind, result);
  replaceContent(object, result);
  return JSON.stringify(object) !== before;
}

/** @throws ApiError 500: a patch that does not fit is the webhook's mistake. */
function patchedObject({ webhook, shown }: Concerned<Webhook>, object: NamedObject, patch: string): NamedObject {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(patch)));
    return applyPatch(shown, object, { type: 'json', body }).object;
  } catch (error) {
    throw internal(
      `admission webhook ${JSON.stringify(webhook.name)} sent a patch that cannot be applied: ${messageOf(error)}`,
    );
  }
}

/** The object is shared with the plan: it keeps its identity. What the system owns is not the webhook's to change. */
function replaceContent(object: NamedObject, by: NamedObject): void {
  const { name, namespace, uid, creationTimestamp, generation, resourceVersion, managedFields } = object.metadata;
  const own = { name, namespace, uid, creationTimestamp, generation, resourceVersion, managedFields };
  const into = object as unknown as Record<string, unknown>;
  for (const key of Object.keys(into)) delete into[key];
  Object.assign(into, by);
  const metadata: Record<string, unknown> = { ...by.metadata };
  for (const [key, value] of Object.entries(own)) {
    if (value === undefined) delete metadata[key];
    else metadata[key] = value;
  }
  object.metadata = metadata as NamedObject['metadata'];
}

/** undefined: none is concerned. The refusal of the first, in the order of configurations. */
export function callValidating(attributes: Attributes): Promise<void> | undefined {
  const concerned = concernedOf<ValidatingWebhook>(attributes, 'validatingwebhookconfigurations');
  return concerned.length === 0 ? undefined : runValidating(attributes, concerned);
}

async function runValidating(attributes: Attributes, concerned: Concerned<ValidatingWebhook>[]): Promise<void> {
  for (let at = 0; at < concerned.length; at += PARALLEL_CALLS_MAX) {
    const lot = concerned.slice(at, at + PARALLEL_CALLS_MAX);
    const outcomes = await Promise.allSettled(lot.map(async (one) => await ask(attributes, one)));
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }
}

/** The answer of a webhook that allows it; undefined when it was not asked or its failure is ignored. @throws ApiError. */
async function ask(
  attributes: Attributes,
  { webhook, shown }: Concerned<Webhook>,
): Promise<ReviewResponse | undefined> {
  const matches = matchesConditions(webhook.matchConditions, {
    programs: attributes.core.programs,
    budget: new Budget(),
    bindings: () => bindingsOf(attributes, shown),
  });
  if (matches === false) return undefined;
  if (matches !== true) {
    failed(attributes, webhook, matches.error);
    return undefined;
  }
  if (attributes.dryRun && webhook.sideEffects !== 'None' && webhook.sideEffects !== 'NoneOnDryRun') {
    throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
  }
  let response: ReviewResponse;
  try {
    const { clientConfig, timeoutSeconds } = webhook;
    response = await callWebhook({ attributes, shown, clientConfig, timeoutSeconds });
  } catch (error) {
    failed(attributes, webhook, messageOf(error));
    return undefined;
  }
  for (const [key, value] of Object.entries(response.auditAnnotations ?? {})) {
    attributes.annotations[`${webhook.name}/${key}`] = String(value);
  }
  attributes.warnings.push(...(response.warnings ?? []).map(String));
  if (response.allowed === true) return response;
  throw denied(attributes, webhook.name, response);
}

function denied({ operation }: Attributes, name: string, { status }: ReviewResponse): ApiError {
  const said = status?.message ?? status?.reason ?? '';
  const head = `admission webhook ${JSON.stringify(name)} denied the request`;
  const message = said === '' ? `${head} without explanation` : `${head}: ${said}`;
  const code = status?.code !== undefined && status.code >= 400 && status.code <= 599 ? status.code : 400;
  const reason = (status?.reason ?? '') as StatusReason;
  // Nothing of it rests on the state of the store, so there is no reason to ask twice.
  return operation === 'CREATE' ? new FinalRefusal(code, reason, message) : new ApiError(code, reason, message);
}

/** By its failurePolicy. @throws ApiError 500 unless failures are ignored. */
function failed({ core }: Attributes, webhook: Webhook, why: string): void {
  const message = `failed calling webhook ${JSON.stringify(webhook.name)}: ${why}`;
  if (webhook.failurePolicy !== 'Ignore') throw internal(message);
  core.log.warn('a webhook failed and is ignored, as its failurePolicy says', { error: message });
}

function internal(message: string): ApiError {
  return new FinalRefusal(500, 'InternalError', `Internal error occurred: ${message}`);
}
