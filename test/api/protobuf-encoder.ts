/** A second reading of the table, the other way: objects to protobuf, as Go's generated code writes them. */
import { typeOf, type FieldFacts } from '#src/api/facts/facts.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

function varint(value: bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return out;
}

function lengthDelimited(number: number, bytes: ArrayLike<number>): number[] {
  return [...varint(BigInt(number * 8 + 2)), ...varint(BigInt(bytes.length)), ...Array.from(bytes)];
}

function integer(number: number, value: number): number[] {
  return [...varint(BigInt(number * 8)), ...varint(BigInt(value))];
}

function time(text: string): number[] {
  const ms = Date.parse(text);
  const micros = Number((/\.(\d{6})Z$/.exec(text)?.[1] ?? '0').padEnd(6, '0'));
  return [...integer(1, Math.floor(ms / 1000)), ...integer(2, micros * 1000)];
}

function encodeSingle(type: string, number: number, value: unknown): number[] {
  switch (type) {
    case 'string':
      return lengthDelimited(number, utf8(value as string));
    case 'bytes':
      return lengthDelimited(number, Uint8Array.fromBase64(value as string));
    case 'boolean':
      return integer(number, value === true ? 1 : 0);
    case 'int32':
    case 'int64':
      return integer(number, value as number);
    case 'double': {
      const view = new DataView(new ArrayBuffer(8));
      view.setFloat64(0, value as number, true);
      return [...varint(BigInt(number * 8 + 1)), ...new Uint8Array(view.buffer)];
    }
    case 'Time':
    case 'MicroTime':
      return lengthDelimited(number, time(value as string));
    case 'Quantity':
      return lengthDelimited(number, lengthDelimited(1, utf8(value as string)));
    case 'IntOrString':
      return typeof value === 'number'
        ? lengthDelimited(number, [...integer(1, 0), ...integer(2, value), ...lengthDelimited(3, [])])
        : lengthDelimited(number, [...integer(1, 1), ...integer(2, 0), ...lengthDelimited(3, utf8(value as string))]);
    case 'Duration':
      return lengthDelimited(number, integer(1, Number((value as string).slice(0, -1)) * 1e9));
    case 'RawExtension':
    case 'FieldsV1':
      return lengthDelimited(number, lengthDelimited(1, utf8(JSON.stringify(value))));
    default:
      return lengthDelimited(number, encodeStruct(type, value as Record<string, unknown>));
  }
}

function encodeField(field: FieldFacts, object: Record<string, unknown>): number[] {
  if (field.number === 0) return [];
  if (field.inline) return lengthDelimited(field.number, encodeStruct(field.type, object));
  const value = object[field.name];
  if (value === undefined) {
    // Go writes plain values even when empty; the decoder must drop them again.
    const plain = field.shape === 'single' && field.omitEmpty && !field.pointer;
    return plain && field.type === 'string' ? lengthDelimited(field.number, []) : [];
  }
  if (field.shape === 'single') return encodeSingle(field.type, field.number, value);
  if (field.shape === 'list')
    return (value as unknown[]).flatMap((item) => encodeSingle(field.type, field.number, item));
  return Object.entries(value as object).flatMap(([key, member]) => {
    const encoded =
      field.shape === 'map'
        ? encodeSingle(field.type, 2, member)
        : lengthDelimited(
            2,
            (member as string[]).flatMap((item) => lengthDelimited(1, utf8(item))),
          );
    return lengthDelimited(field.number, [...lengthDelimited(1, utf8(key)), ...encoded]);
  });
}

function encodeStruct(typeName: string, object: Record<string, unknown>): number[] {
  return typeOf(typeName).declared.flatMap((field) => encodeField(field, object));
}

/** `k8s\0` and runtime.Unknown around the object. */
export function encodeProtobuf(
  typeName: string,
  { apiVersion, kind }: { apiVersion: string; kind: string },
  object: Record<string, unknown>,
): Uint8Array {
  const typeMeta = [...lengthDelimited(1, utf8(apiVersion)), ...lengthDelimited(2, utf8(kind))];
  const raw = encodeStruct(typeName, object);
  const unknown = [
    ...lengthDelimited(1, typeMeta),
    ...lengthDelimited(2, raw),
    ...lengthDelimited(3, []),
    ...lengthDelimited(4, []),
  ];
  return Uint8Array.from([0x6b, 0x38, 0x73, 0, ...unknown]);
}
