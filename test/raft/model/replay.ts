/** The model takes the steps of a trace, one after the other, and says which one it cannot take and why. */
import { messageOf } from '#src/std/fault.ts';
import type { NodeId } from '#src/raft/types.ts';
import { checkInvariants, Violation } from './invariants.ts';
import { Model } from './model.ts';
import { durableIndex } from './node.ts';
import { Refusal } from './rules.ts';
import type { Observed, TraceEvent } from './recorder.ts';
import { configurationOf, lastTermOf, sameEntry, termAt } from './state.ts';
import type { ModelNode } from './state.ts';

/** Throws at the first step that the model cannot take, or that breaks an invariant; the count of events by kind. */
export function replay(events: readonly TraceEvent[], options: { torn?: boolean } = {}): Map<string, number> {
  const model = new Model();
  const kinds = new Map<string, number>();
  beginWith(model, events);
  for (const [at, event] of events.entries()) {
    try {
      take(model, event, options.torn ?? false);
      kinds.set(event.kind, (kinds.get(event.kind) ?? 0) + 1);
      if (event.after) {
        compare(model.node(event.node), event.after);
        if (event.kind !== 'nothing') checkInvariants(model.state, event.node);
      }
    } catch (error) {
      if (!(error instanceof Refusal) && !(error instanceof Violation)) throw error;
      const before = events.slice(Math.max(0, at - 3), at).map((one) => tell(one));
      throw new Error(`event ${at}, ${tell(event)}: ${messageOf(error)}\n  after ${before.join('; ')}`, {
        cause: error,
      });
    }
  }
  return kinds;
}

/** A cluster that begins with several nodes has all their disks from the beginning. */
function beginWith(model: Model, events: readonly TraceEvent[]): void {
  const seen = new Set<NodeId>();
  for (const event of events) {
    if (event.kind !== 'start' || seen.has(event.node)) continue;
    seen.add(event.node);
    if (event.log.length > 0) begin(model, event, false);
  }
}

function take(model: Model, event: TraceEvent, torn: boolean): void {
  const { node } = event;
  switch (event.kind) {
    case 'start':
      begin(model, event, torn);
      break;
    case 'receive':
      model.receive(event.message);
      break;
    case 'becomeFollower':
      model.becomeFollower(node, event.term);
      break;
    case 'becomePreCandidate':
      model.becomePreCandidate(node);
      break;
    case 'becomeCandidate':
      model.becomeCandidate(node);
      break;
    case 'becomeLeader':
      model.becomeLeader(node);
      break;
    case 'grantVote':
      model.grantVote(node, event.candidate);
      break;
    case 'acceptEntries':
      model.acceptEntries(node);
      break;
    case 'appendEntry':
      model.appendEntry(node, event.entry);
      break;
    case 'advanceCommit':
      model.advanceCommit(node, event.index);
      break;
    case 'learnCommit':
      model.learnCommit(node, event.index);
      break;
    case 'ready': {
      const { id, disk, entries, messages, afterwards } = event;
      model.ready(node, { id, disk, entries, then: afterwards }, messages);
      break;
    }
    case 'apply':
      model.apply(node, event.from, event.to);
      break;
    case 'persisted':
      model.persisted(node, event.id);
      break;
    case 'offerSnapshot':
      model.offerSnapshot(node);
      break;
    case 'installSnapshot':
      model.installSnapshot(node, event.index, event.lastTerm);
      break;
    case 'compact':
      model.compact(node, event.index);
      break;
    case 'askRead':
      model.askRead(node, event.read);
      break;
    case 'finishRead':
      model.finishRead(node, event.read, event.index);
      break;
    case 'applyConfiguration':
    case 'nothing':
      break;
  }
}

/** A first start is taken as it is; a restart must find what a crash can have left. */
function begin(model: Model, event: TraceEvent & { kind: 'start' }, torn: boolean): void {
  const { node: id, term, vote, commit, firstIndex, log } = event;
  if (!model.state.nodes.has(id)) {
    model.start(id, { term, vote, commit, log });
    return;
  }
  const length = firstIndex - 1 + log.length;
  const possible: string[] = [];
  for (const crash of crashesOf(model.node(id), torn)) {
    const attempt = new Model({ state: { ...model.state, nodes: new Map([[id, copyNode(model.node(id))]]) } });
    attempt.restart(id, crash);
    const found = attempt.node(id);
    possible.push(`term ${found.term} vote ${found.vote} log to ${found.log.length}/${lastTermOf(found.log)}`);
    // Where the lost end was is known to the disk; Infinity: it is damaged, and that is all that could be seen.
    const repairTo = event.repairTo === Infinity ? found.log.length : event.repairTo;
    const damaged = repairTo >= found.log.length && found.log.length > length;
    const recoveredTerm = Math.max(found.disk.term, log.at(-1)?.term ?? 0);
    const recoveredVote = recoveredTerm === found.disk.term ? found.disk.vote : undefined;
    const fits =
      (found.log.length === length || damaged) &&
      log.every((entry) => sameEntry(entry, found.log[entry.index - 1])) &&
      recoveredTerm === term &&
      recoveredVote === vote &&
      commit <= Math.max(found.disk.commit, firstIndex - 1);
    if (!fits) continue;
    model.restart(id, crash);
    if (damaged) model.damage(id, length, repairTo);
    Object.assign(model.node(id), { term, vote, commit, applied: firstIndex - 1 });
    return;
  }
  throw new Refusal(
    `a restart with term ${term} vote ${vote} log to ${length}/${log.at(-1)?.term} commit ${commit}; what a crash can have left is: ${possible.join(' or ')}`,
  );
}

/** Each way in which a crash can leave the disk. */
function crashesOf({ writes, offers }: ModelNode, torn: boolean): Parameters<Model['restart']>[1][] {
  const ways: Parameters<Model['restart']>[1][] = [];
  for (const offer of [undefined, ...offers]) {
    for (let survive = 0; survive <= writes.length; survive += 1) {
      const tears = torn ? (writes[survive]?.entries.length ?? 0) : 0;
      for (let tear = 0; tear <= tears; tear += 1) ways.push({ survive, torn: tear, offer });
    }
  }
  return ways;
}

function copyNode(node: ModelNode): ModelNode {
  const { disk, handed, writes, offers, log } = node;
  return {
    ...node,
    log: [...log],
    writes: [...writes],
    offers: [...offers],
    disk: { ...disk, log: [...disk.log] },
    handed: { ...handed, log: [...handed.log] },
  };
}

/** What the model came to, and what was seen. */
function compare(node: ModelNode, seen: Observed): void {
  const wanted: [string, unknown, unknown][] = [
    ['term', node.term, seen.term],
    ['vote', node.vote, seen.vote],
    ['role', node.role, seen.role],
    ['commit', node.commit, seen.commit],
    ['applied', node.applied, seen.applied],
    ['last index', node.log.length, seen.lastIndex],
    ['last term', lastTermOf(node.log), seen.lastTerm],
    ['configuration', JSON.stringify(configurationOf(node.log)), JSON.stringify(seen.configuration)],
  ];
  for (const [what, model, real] of wanted)
    if (model !== real) throw new Refusal(`${what} is ${String(real)}; the model has ${String(model)}`);
  const durable = durableIndex(node);
  if (seen.persisted > durable)
    throw new Refusal(
      `it believes that entry ${seen.persisted} is on its disk; there are ${durable} (term ${termAt(node.log, durable)})`,
    );
}

function tell(event: TraceEvent): string {
  const { node, kind } = event;
  const { after: _after, node: _node, kind: _kind, ...rest } = event;
  const short = JSON.stringify(rest, (key, value: unknown) =>
    key === 'configuration' || key === 'content' ? undefined : value,
  );
  return `${node} ${kind} ${short.length > 300 ? `${short.slice(0, 300)}…` : short}`;
}
