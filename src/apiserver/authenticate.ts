/** Who asks: the name in the verified client certificate, or whom its owner stands in for. */
import { ApiError } from '#src/api/api-error.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import type { Identity } from '#src/registry/client.ts';

/** Paths anybody may see; everything else needs a name. */
const OPEN_PATHS = ['/healthz', '/livez', '/readyz', '/version'];

export const ANONYMOUS: Identity = { user: 'system:anonymous', groups: ['system:unauthenticated'] };

export function isOpenPath(path: string): boolean {
  return OPEN_PATHS.some((open) => path === open || path.startsWith(`${open}/`));
}

/** undefined: nobody we know. @throws ApiError 403 for an impersonation that is not allowed. */
export function identityOf(request: HttpRequest): Identity | undefined {
  const { client } = request;
  if (client === undefined || client.commonName === '') return undefined;
  const userAgent = request.headers['user-agent'];
  const identity: Identity = {
    user: client.commonName,
    groups: [...client.organizations, 'system:authenticated'],
    ...(userAgent === undefined ? {} : { userAgent }),
  };
  return impersonated(request, identity);
}

/** `kubectl --as`: for system:masters only, until RBAC can say more. */
function impersonated(request: HttpRequest, identity: Identity): Identity {
  const user = request.headers['impersonate-user'];
  const group = request.headers['impersonate-group'];
  if (user === undefined && group === undefined) return identity;
  if (user === undefined || user === '')
    throw new ApiError(400, 'BadRequest', 'requested impersonation of groups without impersonating a user');
  if (!identity.groups.includes('system:masters')) {
    const message = `users "${user}" is forbidden: User "${identity.user}" cannot impersonate resource "users" in API group "" at the cluster scope`;
    throw new ApiError(403, 'Forbidden', message, { details: { name: user, kind: 'users' } });
  }
  const groups = (group ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const { userAgent } = identity;
  return { user, groups: [...groups, 'system:authenticated'], ...(userAgent === undefined ? {} : { userAgent }) };
}

export function forbiddenPath({ user }: Identity, method: string, path: string): ApiError {
  const message = `forbidden: User "${user}" cannot ${method.toLowerCase()} path "${path}"`;
  return new ApiError(403, 'Forbidden', message);
}

export function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}
