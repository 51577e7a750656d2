/**
 * A refusal in the words of the Kubernetes API: everything a Status carries, without HTTP.
 * `apiserver` writes it as a Status object; in-process clients match `reason` and `code`.
 */
import { Fault } from '#src/std/fault.ts';

export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'Invalid'
  | 'TooManyRequests'
  | 'InternalError'
  | 'ServiceUnavailable'
  | 'Timeout'
  | 'ServerTimeout';

export interface StatusCause {
  /** FieldValueInvalid, FieldValueRequired, … or one of ours such as FENCED. */
  reason: string;
  message: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  /** The plural resource, except for 422 where it is the kind. */
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export class ApiError extends Fault {
  readonly status: number;
  readonly reason: StatusReason;
  readonly details: StatusDetails | undefined;
  /** Added to metadata of the Status, e.g. `continue` of an inconsistent continuation. */
  readonly listMeta: { continue?: string } | undefined;

  constructor(
    status: number,
    reason: StatusReason,
    message: string,
    extra: { details?: StatusDetails; listMeta?: { continue?: string }; cause?: unknown } = {},
  ) {
    super(`API_${reason}`, message, status === 429 || status >= 500 ? 'later' : 'never', extra.cause);
    this.status = status;
    this.reason = reason;
    this.details = extra.details;
    this.listMeta = extra.listMeta;
  }
}

export function isApiError(error: unknown, reason?: StatusReason): error is ApiError {
  return error instanceof ApiError && (reason === undefined || error.reason === reason);
}
