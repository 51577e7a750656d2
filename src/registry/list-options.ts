/**
 * Which combinations of resourceVersion, resourceVersionMatch, continue and sendInitialEvents are allowed.
 * After k8s.io/apimachinery/pkg/apis/meta/internalversion/validation, 1.36. Pure.
 */
import type { StatusCause } from '#src/api/api-error.ts';
import type { ListOptions, WatchOptions } from './client.ts';
import { invalidListOptions } from './refusals.ts';

const MATCH = 'resourceVersionMatch';

function forbidden(field: string, why: string): StatusCause {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${why}` };
}

function notSupported(value: string, supported: string[]): StatusCause {
  const known = supported.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${known}`;
  return { reason: 'FieldValueNotSupported', field: MATCH, message };
}

/** @throws ApiError 422 with every cause. */
export function checkListOptions(options: ListOptions): void {
  const match = options.resourceVersionMatch ?? '';
  const revision = options.resourceVersion ?? '';
  const causes: StatusCause[] = [];
  if (match !== '') {
    if (revision === '')
      causes.push(forbidden(MATCH, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if ((options.continue ?? '') !== '')
      causes.push(forbidden(MATCH, 'resourceVersionMatch is forbidden for continue'));
    if (match !== 'Exact' && match !== 'NotOlderThan') causes.push(notSupported(match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && revision === '0')
      causes.push(forbidden(MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (options.sendInitialEvents !== undefined)
    causes.push(forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  if (causes.length > 0) throw invalidListOptions(causes);
}

/** @throws ApiError 422 with every cause. */
export function checkWatchOptions(options: WatchOptions): void {
  const match = options.resourceVersionMatch ?? '';
  const causes: StatusCause[] = [];
  if (options.sendInitialEvents !== undefined && match !== 'NotOlderThan')
    causes.push(forbidden(MATCH, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  if (match !== '') {
    if (options.sendInitialEvents === undefined)
      causes.push(forbidden(MATCH, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
    if (match !== 'NotOlderThan') causes.push(notSupported(match, ['NotOlderThan']));
    if ((options.continue ?? '') !== '')
      causes.push(forbidden(MATCH, 'resourceVersionMatch is forbidden for continue'));
  }
  if (causes.length > 0) throw invalidListOptions(causes);
}
