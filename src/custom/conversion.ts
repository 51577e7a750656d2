/** Between the versions of a custom resource whose definition names a webhook: what is asked, and what may be answered. */
import type { KubeObject } from '#src/api/object.ts';
import type { WebhookConversion } from './definition.ts';

/** A stored object is of another version and nobody has converted it yet. Caught by the registry, which then asks. */
export class ConversionNeeded extends Error {
  override readonly name = 'ConversionNeeded';
  readonly stored: KubeObject;
  readonly conversion: Conversion;

  constructor(stored: KubeObject, conversion: Conversion) {
    super(`${stored.metadata?.name ?? ''} is stored as ${stored.apiVersion ?? ''}, wanted as ${conversion.apiVersion}`);
    this.stored = stored;
    this.conversion = conversion;
  }
}

/** Conversions kept for writes that are planned again. */
const CONVERTED_MAX = 1000;

/** What the webhook said, for one version of one definition. */
export class Conversion {
  readonly webhook: WebhookConversion;
  /** The version converted to. */
  readonly apiVersion: string;
  readonly storedVersion: string;
  readonly #converted = new Map<string, KubeObject>();

  constructor(of: { webhook: WebhookConversion; apiVersion: string; storedVersion: string }) {
    this.webhook = of.webhook;
    this.apiVersion = of.apiVersion;
    this.storedVersion = of.storedVersion;
  }

  /** @throws ConversionNeeded */
  of(stored: KubeObject): KubeObject {
    if (stored.apiVersion === this.apiVersion) return stored;
    const known = this.#converted.get(keyOf(stored));
    if (known === undefined) throw new ConversionNeeded(stored, this);
    return known;
  }

  note(stored: KubeObject, converted: KubeObject): void {
    this.#converted.set(keyOf(stored), converted);
    if (this.#converted.size > CONVERTED_MAX) this.#converted.delete(this.#converted.keys().next().value ?? '');
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata?.uid ?? ''}/${metadata?.resourceVersion ?? ''}`;
}

/** apiextensions.k8s.io/v1 ConversionReview, the question. */
export function conversionReview(uid: string, desiredAPIVersion: string, objects: readonly KubeObject[]): unknown {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    request: { uid, desiredAPIVersion, objects },
  };
}

interface Review {
  apiVersion?: unknown;
  kind?: unknown;
  response?: { uid?: unknown; convertedObjects?: unknown; result?: { status?: unknown; message?: unknown } };
}

/** The objects of an answer, or what is wrong with it. */
export function readConversionReview(
  answer: unknown,
  asked: { uid: string; apiVersion: string; objects: readonly KubeObject[] },
): { objects: KubeObject[] } | { problem: string } {
  const review = (typeof answer === 'object' && answer !== null ? answer : {}) as Review;
  const { response } = review;
  if (review.kind !== 'ConversionReview' || review.apiVersion !== 'apiextensions.k8s.io/v1') {
    return { problem: `expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview` };
  }
  if (response === undefined) return { problem: 'no response provided' };
  if (response.uid !== asked.uid) return { problem: `expected response.uid="${asked.uid}"` };
  if (response.result?.status !== 'Success') {
    const message = response.result?.message;
    return {
      problem: typeof message === 'string' && message !== '' ? message : 'response.result.status is no Success',
    };
  }
  const given = Array.isArray(response.convertedObjects) ? (response.convertedObjects as unknown[]) : [];
  if (given.length !== asked.objects.length) {
    return { problem: `returned ${given.length} objects, expected ${asked.objects.length}` };
  }
  const objects: KubeObject[] = [];
  for (const [i, one] of given.entries()) {
    const before = asked.objects[i] as KubeObject;
    const judged = judgeConverted(one, before, asked.apiVersion);
    if ('problem' in judged) return { problem: `invalid converted object at index ${i}: ${judged.problem}` };
    objects.push(judged.object);
  }
  return { objects };
}

/** Of the metadata a webhook may change labels and annotations only. */
function judgeConverted(
  given: unknown,
  before: KubeObject,
  apiVersion: string,
): { object: KubeObject } | { problem: string } {
  const object = (typeof given === 'object' && given !== null ? given : {}) as KubeObject;
  if (object.apiVersion !== apiVersion) return { problem: `expected apiVersion ${apiVersion}` };
  if (object.kind !== before.kind) return { problem: `expected kind ${before.kind ?? ''}` };
  const [was, is] = [before.metadata ?? {}, object.metadata ?? {}];
  for (const field of ['name', 'namespace', 'uid'] as const) {
    if ((is[field] ?? was[field]) !== was[field]) return { problem: `metadata.${field} was changed` };
  }
  const { labels: _labels, annotations: _annotations, ...kept } = was;
  const metadata = {
    ...kept,
    ...(is.labels === undefined ? {} : { labels: is.labels }),
    ...(is.annotations === undefined ? {} : { annotations: is.annotations }),
  };
  return { object: { ...object, metadata } };
}
