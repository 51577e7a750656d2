/**
 * The model itself, explored: within small bounds nothing it allows breaks an invariant, and each rule that is taken
 * away does. KONTIKI_STATES sets how many states are looked at (default: what fits in a test).
 */
import test from 'ava';

import { explore } from './explore.ts';
import type { Bounds } from './explore.ts';
import type { Rule } from './rules.ts';

const states = Number(process.env['KONTIKI_STATES'] ?? 4000);

const intact: [string, Bounds][] = [
  ['three nodes', { nodes: 3, term: 5, entries: 3, states }],
  ['three nodes that crash', { nodes: 3, term: 4, entries: 4, states, crashes: true }],
  ['three nodes and changes of the voters', { nodes: 3, term: 4, entries: 7, states, changes: true }],
  ['two nodes', { nodes: 2, term: 5, entries: 5, states, crashes: true }],
];

for (const [name, bounds] of intact) {
  test(`the model keeps its invariants: ${name}`, (t) => {
    const found = explore(bounds);
    t.log(`${found.states} states, depth ${found.depth}${found.exhausted ? ', all there are within the bounds' : ''}`);
    t.is(found.violation, undefined, found.path.join('\n'));
  });
}

const broken: [Rule, Bounds, RegExp][] = [
  [
    'commit-own-term',
    { nodes: 3, term: 5, entries: 4, states: 200_000 },
    /LeaderCompleteness|MoreUpToDateCorrect|LogInv|QuorumLog/,
  ],
  [
    'vote-up-to-date',
    { nodes: 3, term: 4, entries: 4, states: 50_000 },
    /LeaderCompleteness|MoreUpToDateCorrect|LogInv/,
  ],
  ['one-vote', { nodes: 3, term: 3, entries: 4, states: 50_000 }, /MoreThanOneLeader|ElectionSafety/],
  [
    'durable-vote',
    { nodes: 3, term: 3, entries: 4, states: 50_000, crashes: true },
    /MoreThanOneLeader|ElectionSafety/,
  ],
  ['durable-answer', { nodes: 3, term: 3, entries: 4, states: 50_000, crashes: true }, /CommittedIsDurable|QuorumLog/],
  [
    'joint-majorities',
    { nodes: 3, term: 4, entries: 7, states: 100_000, changes: true },
    /LeaderCompleteness|MoreUpToDateCorrect|LogInv|QuorumLog/,
  ],
];

for (const [rule, bounds, sentence] of broken) {
  test(`without the rule '${rule}' an invariant breaks`, (t) => {
    const found = explore(bounds, [rule]);
    t.log(`${found.states} states: ${found.violation}; ${found.path.join(', ')}`);
    t.regex(found.violation ?? `nothing found in ${found.states} states, depth ${found.depth}`, sentence);
  });
}
