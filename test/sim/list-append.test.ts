/** Transactions over lists: every anomaly by its name, and histories that have none. */
import test from 'ava';
import { checkListAppend, type ListOperation, type ListTransaction } from '#src/sim/list-append.ts';

const r = (key: string, ...list: string[]): ListOperation => ({ type: 'read', key, list });
const a = (key: string, element: string): ListOperation => ({ type: 'append', key, element });
let clock = 0;
/** One after the other in real time, unless `from` and `to` say otherwise. */
function T(id: string, operations: ListOperation[], more: Partial<ListTransaction> = {}): ListTransaction {
  clock += 2;
  return { id, operations, outcome: 'ok', invokedAt: clock, completedAt: clock + 1, ...more };
}
const atOnce = { invokedAt: 0, completedAt: 1e6 };
const names = (transactions: ListTransaction[]): string[] => checkListAppend(transactions).map(({ name }) => name);

test('transactions one after the other have no anomaly', (t) => {
  t.deepEqual(
    names([
      T('1', [r('x'), a('x', 'p')]),
      T('2', [r('x', 'p'), a('x', 'q'), a('y', 'u')]),
      T('3', [r('x', 'p', 'q'), r('y', 'u')]),
    ]),
    [],
  );
});

test('transactions at once may take any order, the unanswered too', (t) => {
  t.deepEqual(
    names([
      T('1', [a('x', 'p')], atOnce),
      T('2', [r('x', 'q'), a('y', 'u')], atOnce),
      T('3', [a('x', 'q')], { ...atOnce, outcome: 'unknown', completedAt: undefined }),
      T('4', [r('x', 'q', 'p')], atOnce),
    ]),
    [],
  );
});

const NAMED: [string, ListTransaction[]][] = [
  [
    'G0',
    [
      T('1', [a('x', 'p'), a('y', 'u')], atOnce),
      T('2', [a('x', 'q'), a('y', 'v')], atOnce),
      T('3', [r('x', 'p', 'q')], atOnce),
      T('4', [r('y', 'v', 'u')], atOnce),
    ],
  ],
  ['G1a', [T('1', [a('x', 'p')], { outcome: 'refused' }), T('2', [r('x', 'p')])]],
  [
    'G1b',
    [T('1', [a('x', 'p'), a('x', 'q')], atOnce), T('2', [r('x', 'p')], atOnce), T('3', [r('x', 'p', 'q')], atOnce)],
  ],
  ['G1c', [T('1', [a('x', 'p'), r('y', 'u')], atOnce), T('2', [a('y', 'u'), r('x', 'p')], atOnce)]],
  [
    'G-single',
    [T('1', [r('x', 'p'), r('y')], atOnce), T('2', [a('x', 'p'), a('y', 'u')], atOnce), T('3', [r('y', 'u')], atOnce)],
  ],
  [
    'G2',
    [
      T('1', [r('x'), a('y', 'u')], atOnce),
      T('2', [r('y'), a('x', 'p')], atOnce),
      T('3', [r('x', 'p')], atOnce),
      T('4', [r('y', 'u')], atOnce),
    ],
  ],
  [
    'G-single-realtime',
    [
      T('1', [a('x', 'p')], { invokedAt: 1, completedAt: 2 }),
      T('2', [r('x')], { invokedAt: 3, completedAt: 4 }),
      T('3', [r('x', 'p')], { invokedAt: 0, completedAt: 9 }),
    ],
  ],
  [
    'incompatible-order',
    [
      T('1', [a('x', 'p')], atOnce),
      T('2', [a('x', 'q')], atOnce),
      T('3', [r('x', 'p')], atOnce),
      T('4', [r('x', 'q')], atOnce),
    ],
  ],
  ['doubled-append', [T('1', [a('x', 'p')]), T('2', [r('x', 'p', 'p')])]],
  [
    'lost-append',
    [T('1', [a('x', 'p')], { invokedAt: 1, completedAt: 2 }), T('2', [r('x')], { invokedAt: 3, completedAt: 4 })],
  ],
  ['internal', [T('1', [a('x', 'p'), r('x')])]],
];
for (const [name, transactions] of NAMED)
  test(`${name} is called so`, (t) => t.true(names(transactions).includes(name), names(transactions).join()));

test('a circle is told edge by edge', (t) => {
  const [found] = checkListAppend(NAMED[3]![1]);
  t.regex(found?.message ?? '', /^[12] -wr-> [12] -wr-> [12]$/);
});

test("a refused transaction and one without effect are in nobody's way", (t) => {
  t.deepEqual(
    names([
      T('1', [r('x'), a('x', 'p')]),
      T('2', [r('x'), a('x', 'q')], { outcome: 'refused' }),
      T('3', [r('x', 'p')]),
    ]),
    [],
  );
});
