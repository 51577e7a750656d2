/** Tests of traps that are run twice: as they are, and with a planted mistake, which must make them fail. */
import test, { type ExecutionContext } from 'ava';
import type { RaftMutation } from '#src/raft/raft.ts';

let planted: RaftMutation | undefined;

/** What the cores of the test that runs now are made with. */
export function plantedMutations(): RaftMutation[] {
  return planted === undefined ? [] : [planted];
}

/** Mutations that have a trap. */
export const trapped = new Set<RaftMutation>();

export function trap(name: string, mutation: RaftMutation, body: (t: ExecutionContext) => void): void {
  trapped.add(mutation);
  test(name, body);
  test(`${name} [fails with ${mutation}]`, async (t) => {
    const attempt = await t.try((inner) => {
      planted = mutation;
      try {
        body(inner);
      } finally {
        planted = undefined;
      }
    });
    const { passed } = attempt;
    attempt.discard();
    t.false(passed, `the test does not notice ${mutation}`);
  });
}
