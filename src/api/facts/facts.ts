/** The table of type facts: what every API type looks like in JSON and in protobuf. */

/** Leaf types; every other type name is the full `io.k8s.…` name of a struct. */
export type ScalarType =
  | 'string'
  | 'bytes'
  | 'boolean'
  | 'int32'
  | 'int64'
  | 'double'
  | 'Quantity'
  | 'IntOrString'
  | 'Time'
  | 'MicroTime'
  | 'Duration'
  | 'RawExtension'
  | 'FieldsV1';

export interface FieldFacts {
  /** JSON name; '' for an inlined struct. */
  readonly name: string;
  /** Protobuf number; 0 when the field is not in protobuf (TypeMeta). */
  readonly number: number;
  /** A ScalarType or the full name of a struct. */
  readonly type: string;
  readonly shape: 'single' | 'list' | 'map' | 'mapOfLists';
  /** Its fields melt into the parent in JSON, but it is a message of its own in protobuf. */
  readonly inline: boolean;
  /** Left out of JSON when empty (zero for a plain value, absent for a pointer). */
  readonly omitEmpty: boolean;
  /** A pointer in Go: zero is a value, absence is different. */
  readonly pointer: boolean;
  readonly required: boolean;
  readonly listType: 'atomic' | 'set' | 'map' | undefined;
  readonly mapKeys: readonly string[];
  readonly mapType: 'atomic' | 'granular' | undefined;
  readonly mergeKey: string | undefined;
  /** 'merge', 'replace', 'retainKeys' or both joined by a comma. */
  readonly patchStrategy: string | undefined;
  readonly enum: readonly string[] | undefined;
  readonly default: unknown;
}

export interface TypeFacts {
  /** Full name, `io.k8s.api.core.v1.Pod`. */
  readonly name: string;
  /** As declared: inlined structs are one entry. For protobuf. */
  readonly declared: readonly FieldFacts[];
  /** With inlined structs melted in. For JSON. */
  readonly fields: readonly FieldFacts[];
  readonly byName: ReadonlyMap<string, FieldFacts>;
  readonly byNumber: ReadonlyMap<number, FieldFacts>;
}

/** Undefined for scalars and unknown names. */
export function findType(_name: string): TypeFacts | undefined {
  return undefined;
}

/** The facts of a struct; an unknown name is our mistake. */
export function typeOf(name: string): TypeFacts {
  const type = findType(name);
  if (type === undefined) throw new Error(`no facts about type ${name}`);
  return type;
}

export function fieldsOf(name: string): readonly FieldFacts[] {
  return typeOf(name).fields;
}
