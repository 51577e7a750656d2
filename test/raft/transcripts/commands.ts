/** The words of a transcript. Each command does one thing to the lab, or states what must be true of it. */
import type { RaftConfig, RaftMutation } from '#src/raft/raft.ts';
import type { ConfigurationChange, NodeId } from '#src/raft/types.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Surroundings } from '../member.ts';
import { formatNode } from './format.ts';
import { Lab } from './lab.ts';
import type { Interpreter } from './transcript.ts';

export interface ScriptOptions {
  mutations?: readonly RaftMutation[];
  started?: Surroundings['started'];
}

/** Runs the commands of one transcript. */
export class Script implements Interpreter {
  #lab: Lab | undefined;
  readonly #options: ScriptOptions;

  /** For those who look on, or plant a mistake (../model). */
  constructor(options: ScriptOptions = {}) {
    this.#options = options;
  }

  /** What there is to see; throws when a command makes no sense, an `expect` fails or an invariant is broken. */
  run(line: string): string[] {
    const words = line.split(/\s+/);
    const quiet = words[0] === 'quietly';
    if (quiet) words.shift();
    const [command = '', ...args] = words;
    if (command === 'nodes') {
      this.#lab = createLab(args, this.#options);
      return [];
    }
    const lab = this.#lab;
    if (!lab) throw new Error(`'${line}': the first command is 'nodes'`);
    lab.quiet = quiet;
    const act = commands[command];
    if (!act) throw new Error(`there is no command '${command}'; there are ${Object.keys(commands).join(', ')}`);
    if (command !== 'begin') lab.startAll();
    act(lab, args);
    if (command !== 'begin') lab.afterwards();
    return lab.lines.splice(0);
  }
}

/** nodes 3 learners 1 with inflightMessagesMax=3 */
function createLab(args: string[], options: ScriptOptions): Lab {
  const count = number(args[0]);
  const learnerCount = args.includes('learners') ? number(args[args.indexOf('learners') + 1]) : 0;
  const config: Record<string, number | string> = {};
  for (const setting of args.includes('with') ? args.slice(args.indexOf('with') + 1) : []) {
    const [key = '', value = ''] = setting.split('=');
    config[key] = key === 'readMode' ? value : number(value);
  }
  const ids = Array.from({ length: count + learnerCount }, (_, i) => `n${i + 1}`);
  return new Lab({
    voters: ids.slice(0, count),
    learners: ids.slice(count),
    config: config as Partial<RaftConfig>,
    ...options,
  });
}

const commands: Record<string, (lab: Lab, args: string[]) => void> = {
  /** begin n2 1 1 4 [term 5] [commit 2]: the log after the first entry, by terms */
  begin(lab, [id = '', ...args]) {
    const end = args.findIndex((word) => Number.isNaN(Number(word)));
    const terms = (end < 0 ? args : args.slice(0, end)).map(number);
    const option = (name: string, otherwise: number): number =>
      args.includes(name) ? number(args[args.indexOf(name) + 1]) : otherwise;
    lab.begin(id, { terms, term: option('term', Math.max(1, ...terms)), commitIndex: option('commit', 1) });
  },
  campaign(lab, [id = '']) {
    lab.timeOut(id);
  },
  /** The others believe that their leader is silent. */
  doubt(lab, ids) {
    for (const id of ids) lab.doubt(id);
  },
  /** Until it leads, with everything delivered; for what is before the situation. */
  elect(lab, [id = '']) {
    lab.quiet = true;
    for (let i = 0; lab.raft(id).role !== 'leader'; i += 1) {
      if (i > 5) throw new Error(`${id} is not elected`);
      for (const [other, { raft }] of lab.members) if (raft && raft.role !== 'leader' && other !== id) lab.doubt(other);
      lab.timeOut(id);
      lab.stabilize([...lab.members.keys()]);
    }
  },
  propose(lab, [id = '', ...texts]) {
    const data = texts.map((text) => new TextEncoder().encode(text));
    const proposal = lab.drive(id, (raft) => raft.propose(data));
    if (!proposal.accepted) lab.say(`${id}: refused: ${proposal.reason}`);
  },
  /** change n1 promote n4, or change n1 setVoters n2 n3 */
  change(lab, [id = '', type, ...args]) {
    const [member = '', address = member] = args;
    if (type === 'addLearner') lab.addEmpty(member);
    const change = (
      type === 'setVoters' ? { type, voters: args } : { type, id: member, address }
    ) as ConfigurationChange;
    try {
      const proposal = lab.drive(id, (raft) => raft.proposeConfiguration(change));
      if (!proposal.accepted) lab.say(`${id}: refused: ${proposal.reason}`);
    } catch (error) {
      lab.say(`${id}: refused: ${messageOf(error)}`);
    }
  },
  /** deliver n1->n2 [count]; all of the link when there is no count */
  deliver(lab, [link, count]) {
    const [from, to] = endsOf(link);
    if (lab.deliver(from, to, limit(count)) === 0) lab.say('nothing');
  },
  drop(lab, [link, count]) {
    const [from, to] = endsOf(link);
    const lost = lab.take(from, to, limit(count));
    for (const envelope of lost) {
      lab.say(`lost: ${lab.describe(envelope)}`);
      lab.lose(envelope);
    }
    if (lost.length === 0) lab.say('nothing');
  },
  /** The oldest message of the link is delivered, and stays. */
  repeat(lab, [link]) {
    const [from, to] = endsOf(link);
    const [envelope] = lab.bag.filter((one) => one.from === from && one.to === to);
    if (envelope) lab.bag.unshift({ ...envelope });
    lab.deliver(from, to, 1);
  },
  /** The oldest of the link becomes the newest. */
  postpone(lab, [link]) {
    const [from, to] = endsOf(link);
    const oldest = lab.take(from, to, 1);
    lab.bag.push(...oldest);
  },
  /** cut n1->n3, or cut n3: all links of it */
  cut(lab, ends) {
    for (const end of ends) {
      if (end.includes('->')) lab.cut.add(endsOf(end).join('>'));
      else for (const id of lab.members.keys()) if (id !== end) lab.cut.add(`${id}>${end}`).add(`${end}>${id}`);
    }
  },
  /** mute n1->n2 append: messages of this type are lost */
  mute(lab, [link, type = '']) {
    lab.cut.add(`${endsOf(link).join('>')} ${type}`);
  },
  heal(lab) {
    lab.cut.clear();
  },
  /** persist n1 [count]: the oldest writes of those that wait now */
  persist(lab, [id = '', count]) {
    if (lab.persist(id, Math.min(limit(count), lab.member(id).writes.length)) === 0) lab.say('nothing');
  },
  tick(lab, [id = '', count = '1']) {
    for (let i = 0; i < number(count); i += 1) lab.drive(id, (raft) => raft.tick());
  },
  /** time 5: so many milliseconds pass, for leases */
  time(lab, [count]) {
    lab.nowMs += number(count);
  },
  stabilize(lab, ids) {
    lab.stabilize(ids.length > 0 ? ids : [...lab.members.keys()]);
  },
  /** compact n1 [entries kept]: a durable snapshot, and the log before it forgotten */
  compact(lab, [id = '', keep = '0']) {
    lab.member(id).takeSnapshot(number(keep));
  },
  transfer(lab, [id = '', to = '']) {
    if (!lab.drive(id, (raft) => raft.transferLeadership(to))) lab.say(`${id}: refused`);
  },
  read(lab, [id = '']) {
    lab.read(id);
  },
  stepDown(lab, [id = '']) {
    lab.drive(id, (raft) => raft.stepDown());
  },
  unreachable(lab, [id = '', other = '']) {
    lab.drive(id, (raft) => raft.unreachable(other));
  },
  /** crash n2 [writes that reach the disk all the same] */
  crash(lab, [id = '', survive = '0']) {
    lab.crash(id, number(survive));
  },
  /** damage n2 4: the disk of a crashed node has lost its log from entry 4 on */
  damage(lab, [id = '', from]) {
    if (!lab.member(id).damage(number(from))) lab.say(`${id}: nothing to lose`);
  },
  restart(lab, [id = '']) {
    lab.member(id).start();
  },
  status(lab, ids) {
    for (const id of ids.length > 0 ? ids : lab.members.keys())
      lab.say(...(lab.member(id).up ? formatNode(lab.raft(id)) : [`${id}: down`]));
  },
  /** The terms of a log that begins at 1. */
  log(lab, ids) {
    for (const id of ids.length > 0 ? ids : lab.members.keys())
      lab.say(`${id}: ${termsOf(lab, id).replaceAll(',', ' ')}`);
  },
  messages(lab) {
    lab.say(...lab.bag.map((envelope) => lab.describe(envelope)));
  },
  /** expect n1 leader term 2 commit 3 terms 1,1,2 ... : pairs and roles; shows nothing, and no rewriting mends it */
  expect(lab, [id = '', ...facts]) {
    for (let i = 0; i < facts.length; i += 1) {
      const name = facts[i] ?? '';
      if (roles.has(name)) {
        same(id, 'role', lab.raft(id).role, name);
        continue;
      }
      const fact = factsOf[name];
      if (!fact) throw new Error(`'${name}' is nothing to expect; there are ${Object.keys(factsOf).join(', ')}`);
      const member = fact.ofMember ? (facts[(i += 1)] ?? '') : '';
      const wanted = facts[(i += 1)] ?? '';
      same(id, `${name} ${member}`.trim(), fact.get(lab, id, member), wanted);
    }
  },
};

const roles = new Set(['leader', 'follower', 'candidate', 'preCandidate']);

type Fact = { ofMember?: true; get: (lab: Lab, id: NodeId, member: NodeId) => string };

const factsOf: Record<string, Fact> = {
  impaired: { get: (lab, id) => `${lab.raft(id).impaired}` },
  up: { get: (lab, id) => `${lab.member(id).up}` },
  term: { get: (lab, id) => `${lab.raft(id).currentTerm}` },
  vote: { get: (lab, id) => lab.raft(id).votedFor ?? 'none' },
  follows: { get: (lab, id) => lab.raft(id).leader ?? 'nobody' },
  commit: { get: (lab, id) => `${lab.raft(id).commitIndex}` },
  applied: { get: (lab, id) => `${lab.raft(id).appliedIndex}` },
  saved: { get: (lab, id) => `${lab.raft(id).log.persistedIndex}` },
  first: { get: (lab, id) => `${lab.raft(id).log.firstIndex}` },
  last: { get: (lab, id) => `${lab.raft(id).log.lastIndex}` },
  terms: { get: (lab, id) => termsOf(lab, id) },
  voters: { get: (lab, id) => lab.raft(id).configuration.voters.join() },
  outgoing: { get: (lab, id) => lab.raft(id).configuration.votersOutgoing.join() || 'none' },
  learners: { get: (lab, id) => lab.raft(id).configuration.learners.join() || 'none' },
  match: { ofMember: true, get: (lab, id, member) => `${lab.raft(id).progress.get(member)?.matchIndex}` },
  next: { ofMember: true, get: (lab, id, member) => `${lab.raft(id).progress.get(member)?.nextIndex}` },
  progress: {
    ofMember: true,
    get: (lab, id, member) => lab.raft(id).progress.get(member)?.replication.state ?? 'none',
  },
  /** Reads answered so far, anywhere. */
  reads: { get: (lab) => `${lab.reads.size}` },
};

function same(id: NodeId, what: string, is: string, wanted: string): void {
  if (is !== wanted) throw new Error(`${id}: ${what} is ${is}, the script expects ${wanted}`);
}

function termsOf(lab: Lab, id: NodeId): string {
  const { log } = lab.raft(id);
  const count = log.lastIndex - log.firstIndex + 1;
  return Array.from({ length: count }, (_, i) => log.termAt(log.firstIndex + i) ?? 0).join();
}

function endsOf(link: string | undefined): [NodeId, NodeId] {
  const [from, to] = (link ?? '').split('->');
  if (!from || !to) throw new Error(`'${link}' is no link; write n1->n2`);
  return [from, to];
}

function limit(count: string | undefined): number {
  return count === undefined ? Infinity : number(count);
}

function number(text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isInteger(value)) throw new Error(`'${text}' is no whole number`);
  return value;
}
