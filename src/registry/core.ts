/** What every verb of the registry works with, and the rule of refusals (DESIGN §4.4). */
import { ApiError } from '#src/api/api-error.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { Http } from '#src/ports/http.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Proposer } from '#src/replica/proposer.ts';
import type { Freshness, Reader } from '#src/replica/reader.ts';
import { isFault } from '#src/std/fault.ts';
import type { StoreView } from '#src/store/view.ts';
import type { ServedKinds } from './kinds.ts';
import type { DecodedCache } from './raw.ts';
import type { Programs } from './admission/expressions.ts';
import type { Rbac } from './rbac.ts';
import { badRequest, futureRevision } from './refusals.ts';
import type { TokenJudge } from './reviews.ts';

/** How long a read waits to be as fresh as asked. Kubernetes waits about 3 s for a revision to come. */
export const FRESHNESS_DEADLINE_MS = 3_000;
/** Linearizable reads outlast one leader election. */
export const CONFIRM_DEADLINE_MS = 10_000;
/** How long a write waits to be applied here. */
export const WRITE_DEADLINE_MS = 30_000;

export interface RegistryConfig {
  /** IPv4 range of ClusterIPs, e.g. 10.96.0.0/12. */
  serviceCidr: string;
  /** Inclusive; Kubernetes' default is 30000-32767. */
  nodePortRange?: { from: number; to: number };
  /** Seconds Pods stay on a node that is not ready or unreachable; Kubernetes' default is 300. */
  evictionTolerationSeconds?: number;
}

export interface RegistryPorts {
  clock: Clock;
  random: Random;
  log: Log;
  proposer: Proposer;
  reader: Reader;
  /** Answers TokenReviews; absent where no tokens are accepted. */
  judgeToken?: TokenJudge;
  /** For webhooks; without it whatever needs one is refused. */
  http?: Pick<Http, 'fetch'>;
  /** The certificate by which aggregated API servers know us. */
  frontProxy?: () => Promise<{ certificatePem: string; privateKeyPem: string }>;
}

export interface RegistryCore extends RegistryPorts {
  config: Required<RegistryConfig>;
  decoded: DecodedCache;
  kinds: ServedKinds;
  /** Compiled expressions of webhooks and policies. */
  programs: Programs;
  rbac: Rbac;
}

/** Wait for local state of this freshness. @throws ApiError 504 for a revision that does not come. */
export async function viewOf(core: RegistryCore, freshness: Freshness): Promise<StoreView> {
  const deadlineMs = freshness.type === 'atLeast' ? FRESHNESS_DEADLINE_MS : CONFIRM_DEADLINE_MS;
  try {
    return await core.reader.confirm(freshness, { deadlineMs });
  } catch (error) {
    if (freshness.type === 'atLeast' && isFault(error, 'REPLICA_FUTURE_REVISION')) {
      throw futureRevision(freshness.revision, core.reader.local().revision);
    }
    throw error;
  }
}

/** A refusal that does not rest on the state of the store: it is given without confirming that. */
export class FinalRefusal extends ApiError {}

/**
 * Judge by the local state; give a refusal only after ReadIndex has confirmed the state it rests on.
 * `judge` waits for nothing but webhooks: what it saw before is guarded by the conditions of its plan.
 */
export async function judged<T>(core: RegistryCore, judge: (view: StoreView) => T | Promise<T>): Promise<T> {
  try {
    return await judge(core.reader.local());
  } catch (error) {
    if (!(error instanceof ApiError) || error instanceof FinalRefusal) throw error;
    return await judge(await viewOf(core, { type: 'linearizable' }));
  }
}

/** @throws ApiError 400 when it is not a decimal number. */
export function parseRevision(text: string): number {
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(revision)) throw badRequest(`invalid resource version ${JSON.stringify(text)}`);
  return revision;
}
