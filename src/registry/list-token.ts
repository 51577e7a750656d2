/** The `continue` token of a paged list: where to go on and at which revision. */
import { badRequest } from './refusals.ts';

export interface ListToken {
  /** Revision of the first page; -1: whatever is newest (an inconsistent continuation). */
  revision: number;
  /** The last key given, relative to the range, so that a token cannot reach outside of it. */
  after: string;
}

export function encodeToken(token: ListToken): string {
  const json = JSON.stringify({ v: 'meta.k8s.io/v1', rv: token.revision, start: `${token.after}\u0000` });
  return btoa(json).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** @throws ApiError 400 when the token is not one of ours. */
export function decodeToken(encoded: string): ListToken {
  try {
    const parsed = JSON.parse(atob(encoded.replaceAll('-', '+').replaceAll('_', '/'))) as unknown;
    if (typeof parsed === 'object' && parsed !== null) {
      const { v, rv, start } = parsed as { v?: unknown; rv?: unknown; start?: unknown };
      const known = v === 'meta.k8s.io/v1' && typeof start === 'string' && start.endsWith('\u0000');
      if (known && Number.isSafeInteger(rv)) return { revision: rv as number, after: start.slice(0, -1) };
    }
  } catch {
    // Falls through to the one refusal: a token is either ours or it is not.
  }
  throw badRequest(
    'invalid continue token: continue key is not valid: it must be the metadata.continue of an earlier answer to the same list',
  );
}
