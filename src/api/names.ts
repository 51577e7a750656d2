/** Names: which are allowed, and the texts that say why not. */

/** Texts of what is wrong; empty when right. */
export function isDns1123Label(_value: string): string[] {
  return [];
}
export function isDns1123Subdomain(_value: string): string[] {
  return [];
}
export function isDns1035Label(_value: string): string[] {
  return [];
}
/** `prefix/name` keys of labels and annotations. */
export function isQualifiedName(_value: string): string[] {
  return [];
}
export function isLabelValue(_value: string): string[] {
  return [];
}

export const GENERATED_SUFFIX_LENGTH = 5;

/** `generateName` plus five characters made from at least five random bytes. */
export function generatedName(generateName: string, random: Uint8Array): string {
  const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
  const base = generateName.slice(0, 63 - GENERATED_SUFFIX_LENGTH);
  return (
    base + Array.from(random.subarray(0, GENERATED_SUFFIX_LENGTH), (byte) => alphabet[byte % alphabet.length]).join('')
  );
}
