/** A running hash over everything that happens: two runs of one seed must end with the same. */
export interface Trace {
  text(text: string): void;
  number(value: number): void;
  bytes(bytes: Uint8Array): void;
  /** Eight hex digits. */
  digest(): string;
}

const prime = 0x01000193;

/** FNV-1a, 32 bits, over what is told in order. */
export function createTrace(): Trace {
  let hash = 0x811c9dc5;
  const word = new Float64Array(1);
  const parts = new Uint32Array(word.buffer);
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ value, prime);
  };
  return {
    text(text) {
      for (let i = 0; i < text.length; i += 1) mix(text.charCodeAt(i));
      mix(0x100);
    },
    number(value) {
      word[0] = value;
      mix(parts[0] ?? 0);
      mix(parts[1] ?? 0);
    },
    bytes(bytes) {
      for (let i = 0; i < bytes.length; i += 1) mix(bytes[i] ?? 0);
      mix(bytes.length);
    },
    digest: () => (hash >>> 0).toString(16).padStart(8, '0'),
  };
}
