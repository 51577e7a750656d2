/** Query parameters as options of the verbs; unreadable ones are refused by name. */
import type { StatusCause } from '#src/api/api-error.ts';
import type { FieldValidation } from '#src/api/decode.ts';
import { invalid } from '#src/api/validation.ts';
import type { DeleteOptions, ListOptions, WatchOptions, WriteOptions } from '#src/registry/client.ts';
import { badRequest } from '#src/registry/refusals.ts';

/** As Kubernetes validates it. */
const FIELD_MANAGER_CHARACTERS_MAX = 128;

/** Kubernetes reads `?watch`, `?watch=1` and `?watch=true` as true, and only `0` and `false` as false. */
export function booleanOf(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  return !['0', 'false'].includes(text.toLowerCase());
}

function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw badRequest(`${name}: ${JSON.stringify(text)} is not an integer`);
  return value;
}

const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration as Go writes it: `30s`, `1m30s`, `500ms`. @throws ApiError 400 for what is none, or not above 0. */
export function durationMsOf(query: URLSearchParams, name: string): number | undefined {
  const text = textOf(query, name);
  if (text === undefined) return undefined;
  const isDuration = /^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|s|m|h)){1,4}$/.test(text);
  const parts = isDuration ? [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)] : [];
  const sum = parts.reduce(
    (total, [, value = '', unit = '']) => total + Number(value) * (DURATION_UNITS[unit] ?? 0),
    0,
  );
  if (text === '0' || sum > 0) return sum === 0 ? undefined : sum;
  throw badRequest(
    `invalid ${name} specified in the request URL - ${JSON.stringify(text.slice(0, 64))} is not a duration`,
  );
}

function textOf(query: URLSearchParams, name: string): string | undefined {
  const text = query.get(name);
  return text === null || text === '' ? undefined : text;
}

export function listOptions(query: URLSearchParams, namespace: string | undefined): ListOptions {
  const limit = integerOf(query, 'limit');
  if (limit !== undefined && limit < 0) throw badRequest(`limit: ${limit} is negative`);
  return compact<ListOptions>({
    namespace,
    limit,
    labelSelector: textOf(query, 'labelSelector'),
    fieldSelector: textOf(query, 'fieldSelector'),
    continue: textOf(query, 'continue'),
    resourceVersion: textOf(query, 'resourceVersion'),
    resourceVersionMatch: textOf(query, 'resourceVersionMatch'),
    sendInitialEvents: booleanOf(query, 'sendInitialEvents'),
  });
}

export function watchOptions(query: URLSearchParams, namespace: string | undefined): WatchOptions {
  const { limit: _limit, ...list } = listOptions(query, namespace);
  return compact<WatchOptions>({
    ...list,
    allowBookmarks: booleanOf(query, 'allowWatchBookmarks'),
    timeoutSeconds: integerOf(query, 'timeoutSeconds'),
  });
}

/** `kind` names the options in refusals: CreateOptions, UpdateOptions, PatchOptions, DeleteOptions. */
export function writeOptions(
  query: URLSearchParams,
  kind: string,
): WriteOptions & { fieldValidation: FieldValidation } {
  const dryRun = isDryRun(query.getAll('dryRun'), kind);
  const fieldManager = textOf(query, 'fieldManager');
  if (fieldManager !== undefined && fieldManager.length > FIELD_MANAGER_CHARACTERS_MAX) {
    throw refusedOption(kind, {
      reason: 'FieldValueTooLong',
      field: 'fieldManager',
      message: `Too long: may not be more than ${FIELD_MANAGER_CHARACTERS_MAX} bytes`,
    });
  }
  const fieldValidation = textOf(query, 'fieldValidation') ?? 'Warn';
  if (fieldValidation !== 'Strict' && fieldValidation !== 'Warn' && fieldValidation !== 'Ignore') {
    const message = `Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "", "Ignore", "Strict", "Warn"`;
    throw refusedOption(kind, { reason: 'FieldValueNotSupported', field: 'fieldValidation', message });
  }
  const force = booleanOf(query, 'force');
  return compact({ dryRun, fieldValidation, fieldManager, force });
}

export function isDryRun(values: readonly string[], kind: string): boolean {
  const given = values.filter((value) => value !== '');
  if (given.some((value) => value !== 'All')) {
    throw refusedOption(kind, {
      reason: 'FieldValueNotSupported',
      field: 'dryRun',
      message: `Unsupported value: ${JSON.stringify(given)}: supported values: "All"`,
    });
  }
  return given.length > 0;
}

function refusedOption(kind: string, cause: StatusCause): Error {
  return invalid({ group: 'meta.k8s.io', kind }, '', [cause]);
}

interface DeleteBody {
  gracePeriodSeconds?: number;
  propagationPolicy?: DeleteOptions['propagationPolicy'];
  orphanDependents?: boolean;
  dryRun?: string[];
  preconditions?: { uid?: string; resourceVersion?: string };
}

/** The body wins over the query, as in Kubernetes. */
export function deleteOptions(query: URLSearchParams, body: DeleteBody | undefined): DeleteOptions {
  const dryRun = isDryRun([...(body?.dryRun ?? []), ...query.getAll('dryRun')], 'DeleteOptions');
  const orphan = body?.orphanDependents ?? booleanOf(query, 'orphanDependents');
  const orphanPolicy = orphan === undefined ? undefined : orphan ? 'Orphan' : 'Background';
  const policy =
    body?.propagationPolicy ??
    (textOf(query, 'propagationPolicy') as DeleteOptions['propagationPolicy']) ??
    orphanPolicy;
  return compact<DeleteOptions>({
    dryRun,
    gracePeriodSeconds: body?.gracePeriodSeconds ?? integerOf(query, 'gracePeriodSeconds'),
    propagationPolicy: policy,
    preconditions: body?.preconditions,
  });
}

/** Drop what was not given: options are optional, not undefined. */
function compact<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
