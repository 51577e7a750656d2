/** Kubernetes quantities: `100m`, `1.5Gi`, `1e3`. Exact, on bigint. */

export interface Quantity {
  /** In units of 10^-9 (nano); quantities are rounded up to that. */
  readonly nano: bigint;
  readonly format: 'DecimalSI' | 'BinarySI' | 'DecimalExponent';
}

export const QUANTITY_PATTERN = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$';

/** Fault QUANTITY_SYNTAX. */
export function parseQuantity(_text: string | number): Quantity {
  return { nano: 0n, format: 'DecimalSI' };
}
export function isQuantity(_text: string): boolean {
  return true;
}
/** Negative, zero or positive. */
export function compareQuantity(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}
/** Keeps the format of `a` (of `b` when `a` is zero). */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}
export function subtractQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format };
}
/** Canonical text. */
export function formatQuantity(_quantity: Quantity): string {
  return '0';
}
/** Whole units, rounded up (bytes of memory). */
export function quantityValue(_quantity: Quantity): number {
  return 0;
}
/** Thousandths, rounded up (CPU). */
export function quantityMilliValue(_quantity: Quantity): number {
  return 0;
}
