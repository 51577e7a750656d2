/**
 * All that the model itself can do within small bounds, breadth first: elections by every minimal quorum, appends of one or all
 * entries, commits, crashes. Each step is a whole exchange (request, write, answer), which keeps the space small;
 * that messages are lost, late or repeated is what the runs of replay.test.ts are for.
 */
import type { Configuration, NodeId } from '#src/raft/types.ts';
import { checkInvariants, Violation } from './invariants.ts';
import { Model } from './model.ts';
import { Refusal } from './rules.ts';
import type { Rule } from './rules.ts';
import { agreement, configurationOf, emptyState, lastTermOf, termAt } from './state.ts';
import type { Disk, LogEntry, ModelMessage, ModelNode, ModelState } from './state.ts';

export interface Bounds {
  nodes: number;
  term: number;
  entries: number;
  /** Stop after so many states. */
  states: number;
  /** Also crashes, and disks that lag where the rules allow it. */
  crashes?: boolean;
  /** Also changes of the voters to one node alone, and back. */
  changes?: boolean;
}

export interface Found {
  states: number;
  depth: number;
  /** Everything within the bounds was seen. */
  exhausted: boolean;
  violation: string | undefined;
  /** The steps that lead to it. */
  path: string[];
}

type Step = { name: string; take: (model: Model) => void };
type Seen = { state: ModelState; depth: number; step: string; before: Seen | undefined };

/** Takes everything that the model allows with these rules taken away. */
export function explore(bounds: Bounds, without: readonly Rule[] = []): Found {
  const rules = new Set<Rule>(['pre-vote', ...without]);
  const first: Seen = { state: beginning(bounds), depth: 0, step: '', before: undefined };
  const known = new Set([hashOf(first.state)]);
  const queue: Seen[] = [first];
  let depth = 0;
  for (let next = 0; next < queue.length; next += 1) {
    const from = queue[next];
    if (!from) break;
    depth = from.depth;
    if (known.size >= bounds.states)
      return { states: known.size, depth, exhausted: false, violation: undefined, path: [] };
    for (const { name, take } of stepsOf(from.state, bounds, rules)) {
      const state = copy(from.state);
      const seen: Seen = { state, depth: from.depth + 1, step: name, before: from };
      try {
        take(new Model({ state, without: rules }));
        state.sent.clear();
        checkInvariants(state);
      } catch (error) {
        if (error instanceof Refusal) continue;
        if (!(error instanceof Violation)) throw error;
        return {
          states: known.size,
          depth: seen.depth,
          exhausted: false,
          violation: error.message,
          path: pathTo(seen),
        };
      }
      const hash = hashOf(state);
      if (known.has(hash)) continue;
      known.add(hash);
      queue.push(seen);
    }
  }
  return { states: known.size, depth, exhausted: true, violation: undefined, path: [] };
}

function beginning({ nodes }: Bounds): ModelState {
  const state = emptyState();
  const model = new Model({ state });
  const voters = Array.from({ length: nodes }, (_, i) => `n${i + 1}`);
  const first = configurationEntry(1, 1, { voters, votersOutgoing: [], learners: [], addresses: {} });
  for (const id of voters) model.start(id, { term: 1, vote: undefined, commit: 1, log: [first] });
  return state;
}

// ── what may happen next ──────────────────────────────────────────────────────────────────────────

function stepsOf(state: ModelState, bounds: Bounds, rules: ReadonlySet<Rule>): Step[] {
  const steps: Step[] = [];
  const ids = [...state.nodes.keys()];
  for (const node of state.nodes.values()) {
    const { id, log } = node;
    const others = ids.filter((other) => other !== id);
    if (log.length < bounds.entries) {
      const quorums = subsets(others, Math.floor(ids.length / 2));
      // Of a configuration of its own it needs nobody.
      if (bounds.changes) quorums.push([]);
      for (const voters of quorums) {
        // The next term; and the first that nobody here has seen, as after candidacies in vain.
        const terms = new Set([node.term, ...voters.map((voter) => state.nodes.get(voter)?.term ?? 0)]);
        for (const term of new Set([node.term + 1, Math.max(...terms) + 1]))
          if (term <= bounds.term)
            steps.push({
              name: `${id} is elected for ${term} by ${voters.join(' ')}`,
              take: (model) => elect(model, id, { voters, term }),
            });
      }
    }
    if (node.role === 'leader') {
      for (const other of others) steps.push(...replications(state, node, other));
      for (let to = node.commit + 1; to <= log.length; to += 1)
        steps.push({ name: `${id} commits ${to}`, take: (model) => commit(model, id, to) });
      if (log.length < bounds.entries) {
        const entry: LogEntry = {
          index: log.length + 1,
          term: node.term,
          type: 'command',
          content: 'x',
          configuration: undefined,
        };
        steps.push({ name: `${id} proposes`, take: (model) => append(model, id, entry) });
        if (bounds.changes) steps.push(change(node, ids));
      }
    }
    if (bounds.crashes) steps.push(...crashes(node, rules));
  }
  return steps;
}

/** From where the logs part: the next entry, or all; nothing but the commit index when there are none. */
function replications({ nodes }: ModelState, leader: ModelNode, to: NodeId): Step[] {
  const same = agreement(leader.log, nodes.get(to)?.log ?? []);
  const counts = new Set(
    [1, leader.log.length - same].filter((count) => count > 0 && same + count <= leader.log.length),
  );
  if (same === leader.log.length) counts.add(0);
  return [...counts].map((count) => ({
    name: `${leader.id} sends ${count} after ${same} to ${to}`,
    take: (model: Model) => replicate(model, leader.id, { to, prev: same, count }),
  }));
}

function crashes(node: ModelNode, rules: ReadonlySet<Rule>): Step[] {
  const { id, writes } = node;
  const steps: Step[] = [];
  const lags = rules.has('durable-vote') || rules.has('durable-answer');
  if (node.role !== 'follower' || writes.length > 0)
    steps.push({ name: `${id} crashes`, take: (model) => model.restart(id, { survive: 0 }) });
  if (lags && writes.length > 0)
    steps.push({ name: `${id} syncs`, take: (model) => model.persisted(id, writes.at(-1)?.id ?? 0) });
  return steps;
}

/** The leader alone, or all again: through a joint configuration, which is left when it is committed. */
function change(node: ModelNode, ids: NodeId[]): Step {
  const { id, log, term } = node;
  const current = configurationOf(log);
  const wanted = current.voters.length > 1 ? [id] : ids;
  const next: Configuration =
    current.votersOutgoing.length > 0
      ? { ...current, votersOutgoing: [] }
      : { ...current, voters: wanted, votersOutgoing: current.voters };
  return {
    name: `${id} changes the voters to ${next.voters.join(' ')}${next.votersOutgoing.length > 0 ? ' (joint)' : ''}`,
    take: (model) => append(model, id, configurationEntry(log.length + 1, term, next, model)),
  };
}

// ── whole exchanges ───────────────────────────────────────────────────────────────────────────────

function elect(model: Model, id: NodeId, { voters, term }: { voters: NodeId[]; term: number }): void {
  const { log } = model.node(id);
  // A leader may give up at any time.
  model.becomeFollower(id, model.node(id).term);
  while (model.node(id).term < term) model.becomeCandidate(id);
  const asks = voters.map((to): ModelMessage => ({
    type: 'vote',
    from: id,
    to,
    term,
    preVote: false,
    transfer: false,
    lastIndex: log.length,
    lastTerm: lastTermOf(log),
  }));
  handOver(model, id, asks);
  for (const ask of asks) {
    hear(model, ask);
    model.grantVote(ask.to, id);
    const answer: ModelMessage = { type: 'voteReply', from: ask.to, to: id, term, preVote: false, granted: true };
    handOver(model, ask.to, [answer], 'durable-vote');
    model.receive(answer);
  }
  model.becomeLeader(id);
  append(model, id, { index: log.length + 1, term, type: 'noop', content: '', configuration: undefined });
}

function append(model: Model, id: NodeId, entry: LogEntry): void {
  model.appendEntry(id, entry);
  handOver(model, id, [], 'durable-answer');
}

function commit(model: Model, id: NodeId, to: number): void {
  model.advanceCommit(id, to);
  handOver(model, id, []);
}

function replicate(model: Model, id: NodeId, { to, prev, count }: { to: NodeId; prev: number; count: number }): void {
  const { log, term, commit: committed } = model.node(id);
  const entries = log.slice(prev, prev + count);
  const message: ModelMessage = {
    type: 'append',
    from: id,
    to,
    term,
    prevIndex: prev,
    prevTerm: termAt(log, prev) ?? 0,
    entries,
    commit: committed,
  };
  model.ready(id, { id: readyId(model.node(id)), disk: undefined, entries: [], then: [] }, [message]);
  hear(model, message);
  model.becomeFollower(to, term);
  model.acceptEntries(to);
  const known = Math.min(committed, prev + count);
  if (known > model.node(to).commit) model.learnCommit(to, known);
  const answer: ModelMessage = { type: 'appendReply', from: to, to: id, term, rejected: false, index: prev + count };
  handOver(model, to, [answer], 'durable-answer');
  model.receive(answer);
}

/** A message arrives, and its term is taken. A node of a higher term is not to be had. */
function hear(model: Model, message: ModelMessage): void {
  model.receive(message);
  const { to, term } = message;
  if (model.node(to).term > term) throw new Refusal(`${to} is in a later term`);
  if (model.node(to).term < term) model.becomeFollower(to, term);
}

/** Write what changed, and say this; at once, unless it may be said before. */
function handOver(model: Model, id: NodeId, messages: ModelMessage[], early?: Rule): void {
  const node = model.node(id);
  const { term, vote, commit: committed, handed, log } = node;
  const from = agreement(handed.log, log);
  const ready = readyId(node);
  const write = { id: ready, disk: { term, vote, commit: committed }, entries: log.slice(from) };
  if (early !== undefined && model.without.has(early)) {
    model.ready(id, { ...write, then: [] }, messages);
    return;
  }
  model.ready(id, { ...write, then: messages }, []);
  model.persisted(id, ready);
}

function readyId({ writes }: ModelNode): number {
  return (writes.at(-1)?.id ?? 0) + 1;
}

// ── states as values ──────────────────────────────────────────────────────────────────────────────

function configurationEntry(index: number, term: number, configuration: Configuration, model?: Model): LogEntry {
  const content = `${configuration.voters.join()}|${configuration.votersOutgoing.join()}`;
  // One object for each, so that states share them.
  const known = model?.state.history.committed.find(({ entry }) => entry.index === index && entry.content === content);
  return known?.entry.term === term ? known.entry : { index, term, type: 'configuration', content, configuration };
}

function copy({ nodes, history }: ModelState): ModelState {
  return {
    nodes: new Map([...nodes].map(([id, node]) => [id, copyNode(node)])),
    sent: new Set(),
    history: {
      leaders: new Map([...history.leaders].map(([term, { id, log }]) => [term, { id, log: [...log] }])),
      committed: [...history.committed],
      lastCount: history.lastCount,
      reads: new Map(),
    },
  };
}

function copyNode(node: ModelNode): ModelNode {
  const { log, disk, handed, writes, votes, preVotes, match, past } = node;
  const copyDisk = (one: Disk): Disk => ({ ...one, log: [...one.log] });
  return {
    ...node,
    log: [...log],
    disk: copyDisk(disk),
    handed: copyDisk(handed),
    writes: [...writes],
    votes: new Set(votes),
    preVotes: new Set(preVotes),
    match: new Map(match),
    heard: undefined,
    past: new Map(past),
  };
}

/** What tells two states apart for all that can follow. */
function hashOf({ nodes, history }: ModelState): string {
  const parts: string[] = [];
  const logOf = (log: LogEntry[]): string => log.map(({ term, content }) => `${term}${content}`).join(' ');
  for (const { term, vote, role, log, commit: committed, disk, writes, votes, match } of nodes.values()) {
    const leads =
      role === 'leader'
        ? [...match.keys()]
            .map((one) => `${one}${match.get(one)}`)
            .toSorted(byName)
            .join()
        : [...votes].toSorted(byName).join();
    const lag = writes.length > 0 ? `${disk.term} ${disk.vote} ${logOf(disk.log)} ${writes.length}` : '';
    parts.push(`${term} ${vote} ${role} ${logOf(log)} ${committed} ${leads} ${lag}`);
  }
  const committed = history.committed.map(({ inTerm }) => inTerm).join();
  return `${parts.join(';')};${[...history.leaders].map(([term, { id }]) => `${term}${id}`).join()};${committed}`;
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1;
}

function subsets(ids: NodeId[], size: number): NodeId[][] {
  const all = Array.from({ length: 2 ** ids.length }, (_, bits) => ids.filter((_id, i) => (bits >> i) % 2 === 1));
  return all.filter((set) => set.length === size);
}

function pathTo(seen: Seen): string[] {
  return seen.before ? [...pathTo(seen.before), seen.step] : [];
}
