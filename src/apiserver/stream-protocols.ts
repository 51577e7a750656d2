/** What a client asks to be upgraded to, and which of the protocols it offers is spoken. */
import { ApiError } from '#src/api/api-error.ts';
import type { HttpHeaders } from '#src/ports/http.ts';
import { badRequest } from '#src/registry/refusals.ts';

/** @throws ApiError 400 for anything else. */
export function upgradeKind(headers: HttpHeaders): 'websocket' | 'spdy' {
  const asked = (headers['upgrade'] ?? '').toLowerCase();
  if (asked === 'websocket') return 'websocket';
  if (asked.startsWith('spdy/3.1')) return 'spdy';
  throw badRequest(
    `unable to upgrade: ${JSON.stringify(asked.slice(0, 100))} is not served; use websocket or SPDY/3.1`,
  );
}

/** The first of ours that the client of a SPDY upgrade offers. @throws ApiError 400, 403. */
export function negotiateSpdy(headers: HttpHeaders, ours: readonly string[]): string {
  const offered = listOf(headers['x-stream-protocol-version']);
  if (offered.length === 0) throw badRequest('unable to upgrade: X-Stream-Protocol-Version is required');
  const found = ours.find((protocol) => offered.includes(protocol));
  if (found !== undefined) return found;
  throw new ApiError(
    403,
    'Forbidden',
    `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${ours.join(' ')}]`,
    { details: {} },
  );
}

/** The first of ours that the client of a WebSocket offers. @throws ApiError 400 when it speaks none of them. */
export function negotiateWebSocket(headers: HttpHeaders, ours: readonly string[]): string {
  const offered = listOf(headers['sec-websocket-protocol']);
  const found = ours.find((protocol) => offered.includes(protocol));
  if (found !== undefined) return found;
  throw badRequest(
    `unable to upgrade: none of the offered protocols [${offered.join(' ')}] is served; use one of ${ours.join(', ')}`,
  );
}

function listOf(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '');
}
