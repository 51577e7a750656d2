/** How an evaluation fails inside this folder. The front door turns it into a value; nothing else leaves. */

export class CelFailure extends Error {
  override readonly name = 'CelFailure';
  /** Index into the expression in UTF-16 units; set by the node that failed first. */
  at: number | undefined;
  /** `budget` ends the evaluation at once; other failures may be absorbed by `&&` and `||`. */
  readonly kind: 'evaluation' | 'budget';

  constructor(message: string, kind: CelFailure['kind'] = 'evaluation') {
    super(message);
    this.kind = kind;
  }
}

export class CostExceeded extends CelFailure {
  constructor(limit: number) {
    super(`operation cancelled: actual cost limit exceeded (${limit})`, 'budget');
  }
}

export function noSuchOverload(name: string): CelFailure {
  return new CelFailure(`no such overload: ${name}`);
}
