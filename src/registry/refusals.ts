/** The refusals of the API in the words Kubernetes uses: clients and people match them. */
import { ApiError, type StatusCause } from '#src/api/api-error.ts';
import { invalid } from '#src/api/validation.ts';
import type { ResourceRef } from './client.ts';

export function qualified(resource: ResourceRef): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`;
}

export function notFound(resource: ResourceRef, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(resource)} "${name}" not found`, {
    details: { name, ...groupOf(resource), kind: resource.resource },
  });
}

export function alreadyExists(resource: ResourceRef, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, {
    details: { name, ...groupOf(resource), kind: resource.resource },
  });
}

/** Every name tried for a generateName was taken; the client is told to try again. */
export function generatedNameTaken(resource: ResourceRef, name: string): ApiError {
  const message = `${qualified(resource)} "${name}" already exists, the server was not able to generate a unique name for the object`;
  return new ApiError(409, 'AlreadyExists', message, {
    details: { name, ...groupOf(resource), kind: resource.resource, retryAfterSeconds: 1 },
  });
}

export function conflict(resource: ResourceRef, name: string, why: string, causes?: StatusCause[]): ApiError {
  return new ApiError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    details: { name, ...groupOf(resource), kind: resource.resource, ...(causes === undefined ? {} : { causes }) },
  });
}

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

export function fenced(resource: ResourceRef, name: string, term: number): ApiError {
  return conflict(resource, name, `the write is fenced: term ${term} is over`, [
    { reason: 'FENCED', message: `the writer held office in term ${term}, which is over` },
  ]);
}

export function forbidden(resource: ResourceRef, name: string, why: string, causes?: StatusCause[]): ApiError {
  const subject = name === '' ? qualified(resource) : `${qualified(resource)} "${name}"`;
  return new ApiError(403, 'Forbidden', `${subject} is forbidden: ${why}`, {
    details: {
      ...(name === '' ? {} : { name }),
      ...groupOf(resource),
      kind: resource.resource,
      ...(causes === undefined ? {} : { causes }),
    },
  });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message);
}

export function methodNotAllowed(message: string): ApiError {
  return new ApiError(405, 'MethodNotAllowed', message);
}

/** 422 about query options, which Kubernetes words as an invalid ListOptions. */
export function invalidListOptions(causes: StatusCause[]): ApiError {
  return invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', causes);
}

export function expired(message: string, listContinue?: string): ApiError {
  return new ApiError(
    410,
    'Expired',
    message,
    listContinue === undefined ? {} : { listMeta: { continue: listContinue } },
  );
}

export function tooOldRevision(asked: number, floor: number): ApiError {
  return expired(`too old resource version: ${asked} (${floor})`);
}

/** client-go matches the cause ResourceVersionTooLarge and waits. */
export function futureRevision(asked: number, current: number): ApiError {
  return new ApiError(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    details: {
      retryAfterSeconds: 1,
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    },
  });
}

function groupOf(resource: ResourceRef): { group?: string } {
  return resource.group === '' ? {} : { group: resource.group };
}
