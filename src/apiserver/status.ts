/** Answers that are a Status: every refusal and fault leaves the server through here. */
import { ApiError, type StatusDetails } from '#src/api/api-error.ts';
import { isFault, messageOf } from '#src/std/fault.ts';

export interface Status {
  apiVersion: 'v1';
  kind: 'Status';
  metadata: { continue?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

/** Seconds a client is told to wait when this replica cannot serve just now. */
export const RETRY_AFTER_SECONDS = 1;

export function statusOf(error: ApiError): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: { ...error.listMeta },
    status: 'Failure',
    message: error.message,
    reason: error.reason,
    ...(error.details === undefined ? {} : { details: named(error.details) }),
    code: error.status,
  };
}

/** What is empty is left out, as Kubernetes leaves it out. */
function named(details: StatusDetails): StatusDetails {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== ''));
}

/** The answer to a delete that removed the object at once. */
export function successStatus(details: StatusDetails | undefined, code: number): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    ...(details === undefined ? {} : { details }),
    code,
  };
}

export function notFoundPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', { details: {} });
}

/** Whatever was thrown, as a refusal; what is not a Fault is a mistake of ours and shows no inside. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!isFault(error)) return internal(error);
  const details = { retryAfterSeconds: RETRY_AFTER_SECONDS };
  switch (error.code) {
    case 'REPLICA_OUTCOME_UNKNOWN':
      return new ApiError(
        504,
        'Timeout',
        `the outcome of the write is unknown: ${error.message}; read the object before trying again`,
        { details: {}, cause: error },
      );
    case 'REPLICA_NO_LEADER':
    case 'REPLICA_NOT_READY':
    case 'REPLICA_NOT_LEADER':
      return new ApiError(503, 'ServiceUnavailable', error.message, { details, cause: error });
    case 'REPLICA_OVERLOADED':
      return new ApiError(429, 'TooManyRequests', error.message, { details, cause: error });
    case 'REPLICA_TOO_LARGE':
    case 'HTTP_BODY_TOO_LARGE':
      return new ApiError(413, 'RequestEntityTooLarge', error.message, { cause: error });
    case 'HTTP_BODY_TIMEOUT':
      return new ApiError(400, 'BadRequest', `reading the request body: ${error.message}`, { cause: error });
    case 'HTTP_ABORTED':
      return new ApiError(400, 'BadRequest', `the client went away: ${error.message}`, { cause: error });
    case 'REPLICA_FUTURE_REVISION':
      return new ApiError(504, 'Timeout', `Too large resource version: ${error.message}`, {
        details: {
          ...details,
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        },
        cause: error,
      });
    default:
      return error.retry === 'never'
        ? internal(error)
        : new ApiError(503, 'ServiceUnavailable', error.message, { details, cause: error });
  }
}

function internal(error: unknown): ApiError {
  return new ApiError(500, 'InternalError', `Internal error occurred: ${messageOf(error)}`, {
    details: { causes: [{ reason: '', message: messageOf(error) }] },
    cause: error,
  });
}
