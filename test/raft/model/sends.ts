/** What a node may say: with what it believes when it decides to (promise), and with what its disk has when it leaves (send). */
import type { NodeId } from '#src/raft/types.ts';
import { allow } from './rules.ts';
import type { Rule } from './rules.ts';
import { lastTermOf, sameEntry, termAt } from './state.ts';
import type { ModelMessage, ModelNode, ModelState } from './state.ts';

export function checkPromise(state: ModelState, node: ModelNode, message: ModelMessage): void {
  const { to, term } = message;
  const what = `${message.type} to ${to} in term ${term}`;
  const asLeader = (): void => {
    const leader = state.history.leaders.get(term)?.id;
    allow(leader === node.id, `${what}: only the leader of that term, ${leader ?? 'nobody'}, sends it`);
  };
  switch (message.type) {
    case 'vote': {
      if (term < node.term) return; // asked before the term went on
      const own = message.preVote ? node.term + 1 : node.term;
      allow(term === own, `${what}: a ${message.preVote ? 'pre-vote' : 'vote'} is asked for in term ${own}`);
      allow(
        message.lastIndex === node.log.length && message.lastTerm === lastTermOf(node.log),
        `${what}: the log ends at ${node.log.length}/${lastTermOf(node.log)}, not ${message.lastIndex}/${message.lastTerm}`,
      );
      return;
    }
    case 'voteReply':
      if (message.granted && !message.preVote) {
        const vote = node.term === term ? node.vote : node.past.get(term)?.vote;
        allow(vote === to, `${what}: the vote of term ${term} is for ${vote}`);
      }
      return;
    case 'append':
      asLeader();
      checkAppend(state, node, message);
      return;
    case 'heartbeat': {
      asLeader();
      const most = Math.min(node.commit, node.match.get(to) ?? 0);
      allow(message.commit <= most, `${what}: ${most} are committed and known to be at ${to}, not ${message.commit}`);
      return;
    }
    case 'appendReply':
      if (!message.rejected) checkAnswer(state, node, message);
      return;
    case 'timeoutNow':
      asLeader();
      if (term === node.term)
        allow(
          node.match.get(to) === node.log.length,
          `${what}: ${to} has ${node.match.get(to)} of ${node.log.length} entries`,
        );
      return;
    case 'readIndexReply':
      asLeader();
      return;
    case 'heartbeatReply':
    case 'readIndex':
    case 'snapshot':
      return;
  }
}

/** What leaves now must not be lost in a crash. */
export function checkSend(node: ModelNode, message: ModelMessage, without: ReadonlySet<Rule>): void {
  const { disk } = node;
  const { to, term } = message;
  const votedFor = (whom: NodeId): void => {
    if (without.has('durable-vote')) return;
    allow(
      disk.term > term || (disk.term === term && disk.vote === whom),
      `${message.type} to ${to} in term ${term}: the vote for ${whom} must be on the disk before; there is term ${disk.term}, vote ${disk.vote}`,
    );
  };
  if (message.type === 'vote' && !message.preVote) votedFor(node.id);
  if (message.type === 'voteReply' && message.granted && !message.preVote) votedFor(to);
  if (message.type === 'appendReply' && !message.rejected && !without.has('durable-answer'))
    allow(
      disk.term > term || message.index <= disk.log.length,
      `appendReply to ${to} in term ${term}: entry ${message.index} must be on the disk before; there are ${disk.log.length}`,
    );
}

/** An append says what the log of its term's leader is. */
function checkAppend(state: ModelState, node: ModelNode, message: ModelMessage & { type: 'append' }): void {
  const log = state.history.leaders.get(message.term)?.log ?? [];
  allow(
    termAt(log, message.prevIndex) === message.prevTerm,
    `append after ${message.prevIndex}/${message.prevTerm}: the leader has term ${termAt(log, message.prevIndex)} there`,
  );
  for (const [i, entry] of message.entries.entries()) {
    const own = log[message.prevIndex + i];
    allow(
      sameEntry(own, entry),
      `append of ${entry.index}/${entry.term}: the leader has ${own?.index}/${own?.term} there`,
    );
  }
  allow(message.commit <= node.commit, `append with commit ${message.commit}: only ${node.commit} are committed`);
}

/** An accepting answer says that the log equals the leader's up to there. */
function checkAnswer(state: ModelState, node: ModelNode, message: ModelMessage & { type: 'appendReply' }): void {
  const leader = state.history.leaders.get(message.term);
  allow(leader?.id === message.to, `the leader of term ${message.term} is ${leader?.id}, not ${message.to}`);
  if (message.term < node.term) {
    const agreed = node.past.get(message.term)?.agreed ?? 0;
    allow(
      message.index <= agreed,
      `answer 'has ${message.index}' in term ${message.term}: the logs agreed up to ${agreed}`,
    );
    return;
  }
  allow(message.index <= node.log.length, `answer 'has ${message.index}': the log ends at ${node.log.length}`);
  const own = message.index === 0 || sameEntry(node.log[message.index - 1], leader?.log[message.index - 1]);
  allow(own, `answer 'has ${message.index}': the leader of term ${message.term} has another entry there`);
}
