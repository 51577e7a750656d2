/**
 * The three calls of the Reflect metadata proposal that tsyringe, a dependency of
 * @peculiar/x509, makes while it is loaded; it refuses to load without them and brings no
 * polyfill. Import this before @peculiar/x509. Owns: the global it patches. Imports: nothing.
 */
type Metadata = Map<unknown, Map<unknown, unknown>>;

interface ReflectWithMetadata {
  getMetadata?: (key: unknown, target: object) => unknown;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
}

const byTarget: Metadata = new Map();
const patched = Reflect as ReflectWithMetadata;

patched.defineMetadata ??= (key, value, target) => {
  const own = byTarget.get(target) ?? new Map<unknown, unknown>();
  byTarget.set(target, own.set(key, value));
};
patched.getOwnMetadata ??= (key, target) => byTarget.get(target)?.get(key);
patched.getMetadata ??= (key, target) => {
  for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
    const own = byTarget.get(at);
    if (own?.has(key) === true) return own.get(key);
  }
  return undefined;
};
