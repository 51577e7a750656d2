/**
 * The kinds that are served: the fixed ones and those of the definitions in the store. Read from the local state each
 * time, so that every node serves what it has applied and nothing has to be told apart from the store.
 */
import { KINDS, findKind, kindOf, type Kind } from '#src/api/kinds.ts';
import { kindsOfDefinition, type Definition } from '#src/custom/custom-kinds.ts';
import type { Reader } from '#src/replica/reader.ts';
import type { Value } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { decodeValue } from './bytes.ts';
import type { ResourceRef } from './client.ts';
import { CONFIRM_DEADLINE_MS } from './core.ts';
import { objectKey, objectRange } from './keys.ts';

/** Definitions kept ready; more are made again when asked for. */
const READY_DEFINITIONS_MAX = 1000;

export const DEFINITIONS = findKind({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  resource: 'customresourcedefinitions',
}) as Kind;

export interface ServedKinds {
  /** All of them, by the local state; the same array as long as nothing changed. */
  all(): readonly Kind[];
  /** By the names in a URL, by the local state. */
  find(ref: ResourceRef): Kind | undefined;
  /** As `find`; that there is none is confirmed by a quorum first. */
  lookup(ref: ResourceRef): Promise<Kind | undefined>;
  /** By apiVersion and kind. */
  of(apiVersion: string, kind: string): Kind | undefined;
}

interface Ready {
  value: Value;
  kinds: readonly Kind[];
}

export function servedKinds(reader: Reader): ServedKinds {
  const ready = new Map<string, Ready>();
  let whole: { kinds: readonly Kind[]; values: readonly Value[] } = { kinds: KINDS, values: [] };

  const kindsOf = (key: string, value: Value): readonly Kind[] => {
    const known = ready.get(key);
    if (known?.value === value) return known.kinds;
    // The fixed kinds win: a definition of the same resource is never served.
    const kinds = kindsOfDefinition(decodeValue(value) as unknown as Definition).filter(
      (kind) => findKind(kind) === undefined,
    );
    ready.delete(key);
    ready.set(key, { value, kinds });
    if (ready.size > READY_DEFINITIONS_MAX) ready.delete(ready.keys().next().value ?? '');
    return kinds;
  };

  const findIn = (view: StoreView, ref: ResourceRef): Kind | undefined => {
    const key = objectKey(DEFINITIONS, undefined, `${ref.resource}.${ref.group}`);
    const value = ref.group === '' ? undefined : view.get(key);
    return value === undefined ? undefined : kindsOf(key, value).find((kind) => kind.version === ref.version);
  };

  const all = (): readonly Kind[] => {
    const { items } = reader.local().range({ ...objectRange(DEFINITIONS, undefined), limit: 0 });
    const values = items.map((item) => item.value);
    const same = values.length === whole.values.length && values.every((value, i) => value === whole.values[i]);
    if (!same) {
      const custom = items.flatMap(({ key, value }) => kindsOf(key, value));
      whole = { values, kinds: values.length === 0 ? KINDS : [...KINDS, ...custom] };
    }
    return whole.kinds;
  };

  return {
    all,
    find: (ref) => findKind(ref) ?? findIn(reader.local(), ref),
    async lookup(ref) {
      const known = findKind(ref) ?? findIn(reader.local(), ref);
      if (known !== undefined || ref.group === '') return known;
      // Another node may have just said that it is established.
      return findIn(await reader.confirm({ type: 'linearizable' }, { deadlineMs: CONFIRM_DEADLINE_MS }), ref);
    },
    of: (apiVersion, name) =>
      kindOf(apiVersion, name) ?? all().find((kind) => kind.apiVersion === apiVersion && kind.kind === name),
  };
}
