/** Values that are a number or text: ports by name, percentages. */

export type IntOrString = number | string;

/** `25%` of `total`, or the number itself. Undefined when it is neither. */
export function resolvePercent(_value: IntOrString, _total: number, _round: 'up' | 'down'): number | undefined {
  return undefined;
}
