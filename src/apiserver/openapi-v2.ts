/**
 * `/openapi/v2`: one document for all groups, made of the v3 documents when it is first asked for, in slices, and kept
 * until one of them changes. As JSON, and in the protobuf form that kubectl before 1.29 asks for.
 */
import { swaggerProtobufParts } from '#src/api/openapi-protobuf.ts';
import { addToSwagger, emptySwagger, type Json, type SwaggerDocument } from '#src/api/openapi-v2.ts';
import type { Clock } from '#src/ports/clock.ts';
import { utf8 } from '#src/registry/bytes.ts';

/** Bytes made between two turns of the event loop. */
const SLICE_BYTES = 64 * 1024;
/** Asked for with an at-sign by old clients, which is no media type: the answer has a dot, as Kubernetes' has. */
const PROTOBUF_ASKED = /application\/com\.github\.proto-openapi\.spec\.v2[.@]v1\.0\+protobuf/;
const PROTOBUF_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

export interface V3Document {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

interface Forms {
  json?: Promise<Uint8Array>;
  protobuf?: Promise<Uint8Array>;
}

/** The answer to an Accept header, in the form that it prefers. */
export type SwaggerMaker = (
  accept: string | undefined,
) => Promise<{ bytes: Uint8Array; contentType: string; hash: string }>;

export function createSwaggerMaker(clock: Clock, documents: () => readonly V3Document[]): SwaggerMaker {
  let madeOf = '';
  let forms: Forms = {};
  return async (accept = '') => {
    const sources = documents();
    const hash = sources.map((source) => source.hash).join('');
    if (hash !== madeOf) [madeOf, forms] = [hash, {}];
    // Requests that come meanwhile wait for the same document.
    if (!PROTOBUF_ASKED.test(accept)) {
      forms.json ??= makeJson(clock, sources);
      return { bytes: await forms.json, contentType: 'application/json', hash };
    }
    forms.protobuf ??= makeProtobuf(clock, sources);
    return { bytes: await forms.protobuf, contentType: PROTOBUF_TYPE, hash };
  };
}

async function turn(clock: Clock): Promise<void> {
  await new Promise<void>((resolve) => clock.soon(resolve));
}

async function makeSwagger(clock: Clock, sources: readonly V3Document[]): Promise<SwaggerDocument> {
  const swagger = emptySwagger();
  for (const source of sources) {
    addToSwagger(swagger, JSON.parse(new TextDecoder().decode(source.bytes)) as Json);
    await turn(clock);
  }
  return swagger;
}

async function makeJson(clock: Clock, sources: readonly V3Document[]): Promise<Uint8Array> {
  const { paths, definitions, ...rest } = await makeSwagger(clock, sources);
  const texts = [JSON.stringify(rest).slice(0, -1)];
  let sliceBytes = 0;
  for (const [key, members] of Object.entries({ paths, definitions })) {
    texts.push(`,${JSON.stringify(key)}:{`);
    let separator = '';
    for (const [name, member] of Object.entries(members)) {
      const text = `${separator}${JSON.stringify(name)}:${JSON.stringify(member)}`;
      separator = ',';
      texts.push(text);
      sliceBytes += text.length;
      if (sliceBytes < SLICE_BYTES) continue;
      sliceBytes = 0;
      await turn(clock);
    }
    texts.push('}');
  }
  return utf8(`${texts.join('')}}`);
}

async function makeProtobuf(clock: Clock, sources: readonly V3Document[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let sliceBytes = 0;
  let length = 0;
  for (const part of swaggerProtobufParts(await makeSwagger(clock, sources))) {
    parts.push(part);
    length += part.length;
    sliceBytes += part.length;
    if (sliceBytes < SLICE_BYTES) continue;
    sliceBytes = 0;
    await turn(clock);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
