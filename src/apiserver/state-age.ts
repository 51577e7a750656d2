/**
 * Reads at resourceVersion=0 are served from local state, also without a quorum. When that state was last confirmed
 * longer ago than a bound, the answer says so: in a header for programs and in a warning that kubectl prints.
 */
import type { Verbs } from '#src/registry/verbs.ts';
import { warningHeaders, type Exchange } from './exchange.ts';

/** A healthy node hears its leader every 50 ms, and an election takes below a second. */
export const STATE_AGE_MS_MAX = 5_000;

/** Before the answer's head is sent. */
export function markAge(exchange: Exchange, verbs: Verbs): void {
  if (exchange.query.get('resourceVersion') !== '0') return;
  const ageMs = verbs.stateAgeMs();
  if (ageMs !== undefined && ageMs <= STATE_AGE_MS_MAX) return;
  const when = ageMs === undefined ? 'never since this node started' : `${Math.round(ageMs / 1000)} s ago`;
  const warning = `this node has lost contact with the cluster: the answer is of a state last confirmed ${when}`;
  exchange.add({
    ...warningHeaders([warning]),
    'kontiki-state-age-ms': ageMs === undefined ? 'unknown' : String(Math.round(ageMs)),
  });
}
