/** JSON as it was asked for: indented for people (`?pretty=true`, browsers, curl), or as YAML. */
import { stringify } from 'yaml';
import { utf8 } from '#src/registry/bytes.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import { prefersYaml } from './negotiate.ts';
import { booleanOf } from './query.ts';

/** Reading and writing an answer again costs time on the one loop: larger ones stay as they are. */
export const REFORMED_BYTES_MAX = 512 * 1024;
/** As in Kubernetes: programs that people look at the output of. */
const PEOPLES_AGENTS = ['curl', 'Wget', 'Mozilla/5.0'];

const LONG_NUMBER = /[:[,]-?[\d.]{16,}/;

export function inAskedForm(
  asked: { request: HttpRequest; query: URLSearchParams },
  contentType: string,
  body: Uint8Array,
): { contentType: string; body: Uint8Array } {
  if (contentType !== 'application/json' || body.length > REFORMED_BYTES_MAX) return { contentType, body };
  const { request, query } = asked;
  const yaml = prefersYaml(request.headers['accept']);
  const agent = request.headers['user-agent'] ?? '';
  const pretty = booleanOf(query, 'pretty') ?? PEOPLES_AGENTS.some((one) => agent.startsWith(one));
  if (!yaml && !pretty) return { contentType, body };
  const text = new TextDecoder().decode(body);
  // A number that JavaScript cannot hold must not be changed on its way.
  if (LONG_NUMBER.test(text)) return { contentType, body };
  const value = JSON.parse(text) as unknown;
  if (yaml) return { contentType: 'application/yaml', body: utf8(stringify(value, { aliasDuplicateObjects: false })) };
  return { contentType, body: utf8(`${JSON.stringify(value, undefined, 2)}\n`) };
}
