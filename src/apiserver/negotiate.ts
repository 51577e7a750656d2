/** Content negotiation: which form of an answer the Accept header asks for. */

export type Presentation =
  | { form: 'object' }
  | { form: 'table'; version: 'v1' | 'v1beta1' }
  | { form: 'metadata'; version: 'v1' | 'v1beta1' }
  | { form: 'metadataList'; version: 'v1' | 'v1beta1' }
  | { form: 'discovery'; version: 'v2' | 'v2beta1' };

const YAML_TYPE = 'application/yaml';
/** How many alternatives of one Accept header are looked at. */
const ALTERNATIVES_MAX = 32;

interface MediaRange {
  type: string;
  parameters: Record<string, string>;
  quality: number;
}

function parseAccept(accept: string): MediaRange[] {
  const ranges = accept
    .split(',')
    .slice(0, ALTERNATIVES_MAX)
    .map((one): MediaRange => {
      const [type = '', ...rest] = one.split(';').map((part) => part.trim());
      const parameters: Record<string, string> = Object.create(null) as Record<string, string>;
      for (const parameter of rest) {
        const at = parameter.indexOf('=');
        if (at > 0) parameters[parameter.slice(0, at).toLowerCase()] = parameter.slice(at + 1).replaceAll('"', '');
      }
      const quality = Number(parameters['q'] ?? '1');
      return { type: type.toLowerCase(), parameters, quality: Number.isFinite(quality) ? quality : 1 };
    })
    .filter((range) => range.type !== '' && range.quality > 0);
  // Array.prototype.sort is stable: equal qualities keep the client's order.
  return ranges.sort((a, b) => b.quality - a.quality);
}

function isJson(type: string): boolean {
  return type === 'application/json' || type === '*/*' || type === 'application/*';
}

/**
 * The first form asked for that we can give among `allowed`; undefined when there is none (406).
 * Protobuf is never given: clients that prefer it name JSON as well or accept JSON anyway.
 */
export function negotiate(accept: string | undefined, allowed: Presentation['form'][]): Presentation | undefined {
  if (accept === undefined || accept.trim() === '') return { form: 'object' };
  let protobufAsked = false;
  for (const range of parseAccept(accept)) {
    if (range.type === 'application/vnd.kubernetes.protobuf') protobufAsked = true;
    if (range.type === YAML_TYPE && range.parameters['as'] === undefined) return { form: 'object' };
    if (!isJson(range.type)) continue;
    const found = presentationOf(range.parameters, allowed);
    if (found !== undefined) return found;
  }
  // client-go sends only protobuf when told so and still reads a JSON answer by its Content-Type.
  return protobufAsked ? { form: 'object' } : undefined;
}

/** Whether YAML comes before all forms of JSON in what is accepted. */
export function prefersYaml(accept: string | undefined): boolean {
  if (accept?.toLowerCase().includes(YAML_TYPE) !== true) return false;
  return parseAccept(accept).find(({ type }) => isJson(type) || type === YAML_TYPE)?.type === YAML_TYPE;
}

function presentationOf(parameters: Record<string, string>, allowed: Presentation['form'][]): Presentation | undefined {
  const as = parameters['as'];
  if (as === undefined) return { form: 'object' };
  const { g: group, v: version } = parameters;
  const meta = group === 'meta.k8s.io' && (version === 'v1' || version === 'v1beta1') ? version : undefined;
  let found: Presentation | undefined;
  if (as === 'Table' && meta !== undefined) found = { form: 'table', version: meta };
  if (as === 'PartialObjectMetadata' && meta !== undefined) found = { form: 'metadata', version: meta };
  if (as === 'PartialObjectMetadataList' && meta !== undefined) found = { form: 'metadataList', version: meta };
  if (
    as === 'APIGroupDiscoveryList' &&
    group === 'apidiscovery.k8s.io' &&
    (version === 'v2' || version === 'v2beta1')
  ) {
    found = { form: 'discovery', version };
  }
  return found !== undefined && allowed.includes(found.form) ? found : undefined;
}
