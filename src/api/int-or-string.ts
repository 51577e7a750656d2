/** Values that are a number or text: ports by name, percentages. */

export type IntOrString = number | string;

const PERCENT = /^(\d{1,9})%$/;

/** `25%` → 25; undefined for anything else. */
export function percentOf(value: IntOrString): number | undefined {
  const match = typeof value === 'string' ? PERCENT.exec(value) : null;
  return match === null ? undefined : Number(match[1]);
}

/** `25%` of `total`, rounded, or the number itself. Undefined when it is neither. */
export function resolvePercent(value: IntOrString, total: number, round: 'up' | 'down'): number | undefined {
  if (typeof value === 'number') return value;
  const percent = percentOf(value);
  if (percent === undefined) return undefined;
  return round === 'up' ? Math.ceil((percent * total) / 100) : Math.floor((percent * total) / 100);
}
