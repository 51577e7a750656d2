/**
 * What clients of the peer links may ask of the store, past the Kubernetes API: raw transactions and
 * linearizable reads. For tools and benchmarks; who gets a certificate for it is an administrator's choice
 * (POST /cluster/v1/client-certificate).
 */
import type { Replica } from '#src/replica/replica.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { TransactionResult } from '#src/store/command.ts';
import { checkTransactions } from '#src/store/codec.ts';
import type { Wire } from '#src/wire/wire.ts';

export const CLIENT_PROPOSE = 'client.propose';
export const CLIENT_GET = 'client.get';

const DEADLINE_MS = 5000;

/** A proposal: `[count, bytes]`, as store/codec's `encodeTransactions` makes them. */
export type ClientProposal = [number, Uint8Array];
/** The answer, for each transaction: `[revisions, deleted]`, or what failed. */
export type ClientResult = [number[], number[]] | Extract<TransactionResult, { ok: false }>;
/** A read: the key, or `[key, 'local']` for what this node has. The answer: `[modRevision, bytes]`, or null when there is none. */
export type ClientValue = [number, Uint8Array] | null;

export function openClientDoor(wire: Wire, replica: Replica): void {
  wire.onClientRequest(CLIENT_PROPOSE, (client, payload) => {
    const [count, body] = checkedProposal(client, payload);
    return replica.proposeEncoded(body, count, { deadlineMs: DEADLINE_MS }).then(answerOf);
  });
  wire.onClientRequest(CLIENT_GET, async (client, what): Promise<ClientValue> => {
    const [key, local] = Array.isArray(what) ? (what as unknown[]) : [what, undefined];
    if (typeof key !== 'string') throw malformed(client, 'a read names no key');
    const type = local === 'local' ? 'any' : 'linearizable';
    const view = await replica.confirm({ type }, { deadlineMs: DEADLINE_MS });
    const value = view.get(key);
    return value === undefined ? null : [value.modRevision, value.bytes];
  });
}

function answerOf(results: TransactionResult[]): ClientResult[] {
  return results.map((result) => (result.ok ? [result.revisions, result.deleted] : result));
}

/** What cannot be decoded would stop every replica that applies it, so it is decoded here first. */
function checkedProposal(client: string, payload: unknown): ClientProposal {
  const [count, bytes] = Array.isArray(payload) ? (payload as unknown[]) : [];
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 1 || !(bytes instanceof Uint8Array))
    throw malformed(client, 'a proposal is no [count, bytes]');
  // A view of the received frame, which is gone after this call.
  const body = new Uint8Array(bytes);
  try {
    checkTransactions(body, count);
  } catch (error) {
    throw malformed(client, messageOf(error));
  }
  return [count, body];
}

function malformed(client: string, why: string): Fault {
  return new Fault('CLIENT_MALFORMED', `client ${client}: ${why}`, 'never');
}
