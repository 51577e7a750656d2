/** Types as the checker and overloads know them, and their short notation: `list<string>`, `map<string, A>`. */

export type CelType =
  /** Anything; checked when it runs. */
  | 'dyn'
  | 'int'
  | 'uint'
  | 'double'
  | 'bool'
  | 'string'
  | 'bytes'
  | 'null_type'
  | 'type'
  | 'google.protobuf.Duration'
  | 'google.protobuf.Timestamp'
  | { readonly list: CelType }
  | { readonly map: readonly [CelType, CelType] }
  | { readonly optional: CelType }
  /** A type of a library (`kubernetes.Quantity`), or a parameter of an overload (`A`). */
  | { readonly named: string }
  | ObjectType;

/** A map with known fields; only these can be named. */
export interface ObjectType {
  readonly typeName: string;
  /** By their names in expressions; `property` is the name in JSON. */
  readonly fields: ReadonlyMap<string, { readonly type: CelType; readonly property: string }>;
}

const SHORT: Record<string, CelType> = {
  dyn: 'dyn',
  int: 'int',
  uint: 'uint',
  double: 'double',
  bool: 'bool',
  string: 'string',
  bytes: 'bytes',
  null: 'null_type',
  type: 'type',
  duration: 'google.protobuf.Duration',
  timestamp: 'google.protobuf.Timestamp',
};

/** Written by us only, so that a mistake is an exception. */
export function parseType(text: string): CelType {
  const { type, rest } = readType(text.trim());
  if (rest !== '') throw new Error(`${text} is no type`);
  return type;
}

/** Separated by commas. */
export function parseTypes(text: string): CelType[] {
  const types: CelType[] = [];
  for (let rest = text.trim(); rest !== '';) {
    const read = readType(rest);
    types.push(read.type);
    rest = read.rest.replace(/^,\s*/, '');
  }
  return types;
}

function readType(text: string): { type: CelType; rest: string } {
  const match = /^([A-Za-z_][A-Za-z0-9_.]*)(<?)/.exec(text);
  if (match === null) throw new Error(`${text} is no type`);
  const name = match[1] as string;
  let rest = text.slice(match[0].length);
  if (match[2] === '') return { type: SHORT[name] ?? { named: name }, rest: rest.trimStart() };
  const args: CelType[] = [];
  for (;;) {
    const read = readType(rest.trimStart());
    args.push(read.type);
    rest = read.rest.slice(1).trimStart();
    if (read.rest.startsWith('>')) break;
  }
  const [first = 'dyn', second = 'dyn'] = args;
  if (name === 'list') return { type: { list: first }, rest };
  if (name === 'map') return { type: { map: [first, second] }, rest };
  return { type: { optional: first }, rest };
}

/** The name of its values' kind (see kindOf); `dyn` for what may be anything. */
export function outerKind(type: CelType): string {
  if (typeof type === 'string') return type;
  if ('list' in type) return 'list';
  if ('map' in type || 'fields' in type) return 'map';
  if ('optional' in type) return 'optional_type';
  return /^[A-Z]$/.test(type.named) ? 'dyn' : type.named;
}

/** As cel-go prints it. */
export function typeText(type: CelType): string {
  if (typeof type === 'string') {
    if (type === 'null_type') return 'null';
    return type;
  }
  if ('list' in type) return `list(${typeText(type.list)})`;
  if ('map' in type) return `map(${typeText(type.map[0])}, ${typeText(type.map[1])})`;
  if ('optional' in type) return `optional_type(${typeText(type.optional)})`;
  return 'fields' in type ? type.typeName : type.named;
}
