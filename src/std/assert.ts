/**
 * Checks for our own mistakes, on in production too: stopping is better than diverging.
 * Bad input and broken networks are not asserted; they are faults (fault.ts).
 */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** Throw when a fact that must hold does not. State one fact, with its numbers. */
export function assert(holds: unknown, message: string): asserts holds {
  if (!holds) throw new AssertionFailure(message);
}

/** For the default branch of a switch over a closed union. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value ${JSON.stringify(value)}`);
}
