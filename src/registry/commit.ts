/**
 * From a plan to an applied write. A plan is made from one state of the store and says what must still
 * hold; when it no longer does at apply, a new plan is made from the newer state.
 */
import { ApiError } from '#src/api/api-error.ts';
import { isFault } from '#src/std/fault.ts';
import type { Condition, Operation, Transaction, TransactionResult } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import type { ResourceRef, WriteOptions } from './client.ts';
import { inStoredVersion, withConversions } from './conversion.ts';
import { judged, viewOf, WRITE_DEADLINE_MS, type RegistryCore } from './core.ts';
import { conflict, fenced, MODIFIED } from './refusals.ts';
import type { NamedObject } from './raw.ts';

/** How often a write is planned anew when others were faster. */
export const WRITE_ATTEMPTS_MAX = 16;
/** Writes of a batch planned before other things may run. */
const PLAN_SLICE_WRITES = 64;

export interface WriteAnswer {
  /** As written, or as it was when removed. */
  object: NamedObject;
  /** What became of the object. */
  outcome: 'created' | 'updated' | 'unchanged' | 'removed';
  /** For `Warning` headers. */
  warnings: string[];
}

export interface Plan {
  resource: ResourceRef;
  name: string;
  outcome: WriteAnswer['outcome'];
  /** The object as it will be, without its new resourceVersion; with the old one when unchanged or removed. */
  object: NamedObject;
  conditions: Condition[];
  /** The object's own operation comes first; empty: nothing to write. */
  operations: Operation[];
  warnings: string[];
}

/** Makes the plan of one write from a state. Refuses by throwing ApiError. */
export type Planner = (view: StoreView) => Plan | Promise<Plan>;

export async function commit(core: RegistryCore, planner: Planner, options: WriteOptions): Promise<WriteAnswer> {
  const [answer] = await commitAll(core, [planner], options);
  if (answer === undefined) throw new ApiError(500, 'InternalError', 'a write had no answer');
  if (!answer.ok) throw answer.error;
  return answer.answer;
}

export type Committed = { ok: true; answer: WriteAnswer } | { ok: false; error: Error };

/** Independent writes as one proposal; those that lost a race are planned and proposed again together. */
export async function commitAll(core: RegistryCore, planners: Planner[], options: WriteOptions): Promise<Committed[]> {
  const done: (Committed | undefined)[] = planners.map(() => undefined);
  let waiting = planners.map((_, i) => i);
  let lastPlans = new Map<number, Plan>();
  for (let attempt = 0; attempt < WRITE_ATTEMPTS_MAX && waiting.length > 0; attempt += 1) {
    lastPlans = new Map();
    for (const [at, i] of waiting.entries()) {
      if (at > 0 && at % PLAN_SLICE_WRITES === 0) await new Promise<void>((resolve) => core.clock.soon(resolve));
      const planner = planners[i];
      if (planner === undefined) continue;
      const planned = await withConversions(core, async () => await planOne(core, planner, options)).catch(refusalOf);
      if ('plan' in planned) lastPlans.set(i, planned.plan);
      else done[i] = planned.committed;
    }
    const proposed = [...lastPlans.entries()];
    if (proposed.length === 0) break;
    const transactions = proposed.map(([, plan]) => transactionOf(plan, options));
    const results = await propose(core, transactions);
    waiting = [];
    proposed.forEach(([i, plan], at) => {
      const committed = judgeResult(plan, results[at], options);
      if (committed === undefined) waiting.push(i);
      else done[i] = committed;
    });
  }
  return done.map((committed, i) => committed ?? lostRace(lastPlans.get(i)));
}

/** One proposal, or as few as the byte limit of an entry allows: the writes are independent anyway. */
async function propose(core: RegistryCore, transactions: Transaction[]): Promise<TransactionResult[]> {
  try {
    return await core.proposer.propose(transactions, { deadlineMs: WRITE_DEADLINE_MS });
  } catch (error) {
    if (!isFault(error, 'REPLICA_TOO_LARGE') || transactions.length === 1) throw error;
    const half = Math.ceil(transactions.length / 2);
    const first = await propose(core, transactions.slice(0, half));
    return [...first, ...(await propose(core, transactions.slice(half)))];
  }
}

async function planOne(
  core: RegistryCore,
  planner: Planner,
  options: WriteOptions,
): Promise<{ plan: Plan } | { committed: Committed }> {
  try {
    if (options.dryRun !== true) {
      const plan = await judged(core, planner);
      if (plan.operations.length > 0) return { plan: await inStoredVersion(core, plan) };
    }
    // Nothing will be judged at apply, so the state this rests on must be confirmed instead.
    const confirmed = await planner(await viewOf(core, { type: 'linearizable' }));
    if (confirmed.operations.length > 0 && options.dryRun !== true)
      return { plan: await inStoredVersion(core, confirmed) };
    return {
      committed: {
        ok: true,
        answer: { object: confirmed.object, outcome: confirmed.outcome, warnings: confirmed.warnings },
      },
    };
  } catch (error) {
    if (error instanceof ApiError) return { committed: { ok: false, error } };
    throw error;
  }
}

/** Of one write among several: the others go on. */
function refusalOf(error: unknown): { committed: Committed } {
  if (error instanceof ApiError) return { committed: { ok: false, error } };
  throw error;
}

function transactionOf(plan: Plan, options: WriteOptions): Transaction {
  const fence: Condition[] = options.term === undefined ? [] : [{ type: 'entryTerm', term: options.term }];
  return { conditions: [...fence, ...plan.conditions], operations: plan.operations };
}

/** undefined: the state had moved on, plan anew. */
function judgeResult(plan: Plan, result: TransactionResult | undefined, options: WriteOptions): Committed | undefined {
  if (result === undefined) return undefined;
  if (!result.ok) {
    const isFence = options.term !== undefined && result.failed.type === 'condition' && result.failed.index === 0;
    return isFence ? { ok: false, error: fenced(plan.resource, plan.name, options.term ?? 0) } : undefined;
  }
  const resourceVersion = String(result.revisions[0] ?? 0);
  const object = { ...plan.object, metadata: { ...plan.object.metadata, resourceVersion } };
  return { ok: true, answer: { object, outcome: plan.outcome, warnings: plan.warnings } };
}

function lostRace(plan: Plan | undefined): Committed {
  const error =
    plan === undefined
      ? new ApiError(500, 'InternalError', 'a write was never planned')
      : conflict(plan.resource, plan.name, MODIFIED);
  return { ok: false, error };
}
