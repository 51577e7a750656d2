/** Who votes, as a rule over values: every line is a situation and what the cluster decides. */
import test from 'ava';
import { decideVoters, survivalOf, votersWanted, type VoterView } from '#src/cluster/voters.ts';

interface Situation {
  voters: string;
  standbys?: string;
  /** Silent for so many seconds. */
  silent?: Record<string, number>;
  /** Entries behind. */
  behind?: Record<string, number>;
  zones?: Record<string, string>;
  held?: string[];
}

function viewOf({ voters, standbys = '', silent = {}, behind = {}, zones = {}, held = [] }: Situation): VoterView {
  const list = (text: string): string[] => text.split(' ').filter((id) => id !== '');
  const members = [...list(voters), ...list(standbys)];
  const leader = members[0] ?? '';
  return {
    leader,
    voters: list(voters),
    standbys: list(standbys),
    commitIndex: 1000,
    progress: Object.fromEntries(
      members
        .filter((id) => id !== leader)
        .map((id) => [id, { matchIndex: 1000 - (behind[id] ?? 0), lastContactMs: (silent[id] ?? 0) * 1000 }]),
    ),
    zones,
    held: new Set(held),
    replaceAfterMs: 30_000,
  };
}

const situations: [name: string, situation: Situation, decision: string][] = [
  ['one node votes alone', { voters: 'a' }, 'none'],
  ['two nodes both vote', { voters: 'a', standbys: 'b' }, 'a b: b caught up; 2 voters'],
  ['of three, all vote, at once', { voters: 'a', standbys: 'b c' }, 'a b c: b and c caught up; 3 voters'],
  ['not two of three while the third is on its way', { voters: 'a', standbys: 'b c', behind: { c: 500 } }, 'none'],
  ['but when the third is lost', { voters: 'a', standbys: 'b c', silent: { c: 60 } }, 'a b: b caught up; 2 voters'],
  ['three of four', { voters: 'a b c', standbys: 'd' }, 'none'],
  ['five of five', { voters: 'a b c', standbys: 'd e' }, 'a b c d e: d and e caught up; 5 voters'],
  ['five of seven', { voters: 'a b c d e', standbys: 'f g' }, 'none'],
  ['nobody who does not answer', { voters: 'a', standbys: 'b', silent: { b: 5 } }, 'none'],
  ['a short silence changes nothing', { voters: 'a b c', standbys: 'd', silent: { c: 29 } }, 'none'],
  [
    'a lost voter is replaced by a standby, in one change',
    { voters: 'a b c', standbys: 'd', silent: { c: 31 } },
    'a b d: c is lost since 31 s; d in place',
  ],
  [
    'two lost voters too',
    { voters: 'a b c d e', standbys: 'f g', silent: { d: 40, e: 50 } },
    'a b c f g: d and e are lost since 40 s; f and g in place',
  ],
  [
    'by the one in the zone that lost its voter',
    { voters: 'a b c', standbys: 'd e', silent: { c: 31 }, zones: { a: 'x', b: 'y', c: 'z', d: 'x', e: 'z' } },
    'a b e: c is lost since 31 s; e in place',
  ],
  [
    'without a standby it is only told',
    { voters: 'a b c', silent: { c: 31 } },
    'wait: c is lost since 31 s; no standby is fit to replace it',
  ],
  [
    'a standby that is behind is not fit',
    { voters: 'a b c', standbys: 'd', silent: { c: 31 }, behind: { d: 500 } },
    'wait: c is lost since 31 s; no standby is fit to replace it',
  ],
  [
    'not when the change itself would not find a majority',
    { voters: 'a b c', standbys: 'd', silent: { b: 10, c: 31 } },
    'wait: c is lost since 31 s; d in place, but only 1 of the 3 present voters answer',
  ],
  [
    'three of five go on as three: one more may be lost then',
    { voters: 'a b c d e', silent: { d: 31, e: 31 } },
    'a b c: d and e are lost since 31 s; a, b and c go on',
  ],
  ['who comes back stands by: enough vote already', { voters: 'a b d', standbys: 'c' }, 'none'],
  ['who was demoted by hand stays standby', { voters: 'a b', standbys: 'c', held: ['c'] }, 'none'],
  [
    'members that left leave an odd number',
    { voters: 'a b c d' },
    'a c d: 3 voters are enough for 4 members; b stands by',
  ],
  [
    'and of those the silent one goes first',
    { voters: 'a b c d', silent: { d: 10 } },
    'a b c: 3 voters are enough for 4 members; d stands by',
  ],
  [
    'a zone without a voter gets one',
    { voters: 'a b c', standbys: 'd', zones: { a: 'x', b: 'x', c: 'y', d: 'z' } },
    "a c d: d votes instead of b: its zone 'z' had no voter",
  ],
  [
    'zones that all have one stay',
    { voters: 'a b c', standbys: 'd', zones: { a: 'x', b: 'y', c: 'z', d: 'z' } },
    'none',
  ],
];

for (const [name, situation, wanted] of situations) {
  test(name, (t) => {
    const decision = decideVoters(viewOf(situation));
    const told =
      decision.type === 'none'
        ? 'none'
        : decision.type === 'wait'
          ? `wait: ${decision.reason}`
          : `${decision.voters.join(' ')}: ${decision.reason}`;
    t.is(told, wanted);
  });
}

test('carried out, a decision leaves nothing to decide', (t) => {
  for (const [name, situation] of situations) {
    const before = viewOf(situation);
    const decision = decideVoters(before);
    if (decision.type !== 'change') continue;
    const standbys = [...before.voters, ...before.standbys].filter((id) => !decision.voters.includes(id));
    const after = decideVoters({ ...before, voters: decision.voters, standbys });
    t.not(after.type, 'change', name);
  }
});

test('how many vote, and what that survives', (t) => {
  t.deepEqual([1, 2, 3, 4, 5, 6, 7, 9].map(votersWanted), [1, 2, 3, 3, 5, 5, 5, 5]);
  t.regex(survivalOf(2), /the loss of either stops writes until it is back, and loses nothing; add a third node/);
  t.is(survivalOf(5), '5 voters: survives the loss of 2');
});
