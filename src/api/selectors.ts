/** Label and field selectors: text or object → matcher. */
import type { KubeObject } from './object.ts';
import type { LabelSelector } from './objects.ts';
import type { Kind } from './kinds.ts';

export interface Requirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | '=' | '==' | '!=' | 'Gt' | 'Lt';
  values: string[];
}

export interface LabelMatcher {
  readonly requirements: readonly Requirement[];
  /** True for the empty selector. */
  readonly everything: boolean;
  matches(labels: Record<string, string> | undefined): boolean;
}

export interface FieldMatcher {
  readonly everything: boolean;
  /** The value a path is required to equal, e.g. to answer `metadata.name=x` with one get. */
  exact(path: string): string | undefined;
  matches(object: KubeObject): boolean;
}

const everyLabel: LabelMatcher = { requirements: [], everything: true, matches: () => true };

/** `a=b,c in (d,e),!f`. ApiError 400 in Kubernetes' words. */
export function parseLabelSelector(_text: string | undefined): LabelMatcher {
  return everyLabel;
}

/** A LabelSelector object; undefined matches nothing, `{}` everything. ApiError 400 for an unknown operator. */
export function labelSelectorMatcher(_selector: LabelSelector | undefined): LabelMatcher {
  return everyLabel;
}

/** A plain map (`spec.selector` of a Service). Empty matches everything; the caller decides otherwise. */
export function labelMapMatcher(_labels: Record<string, string>): LabelMatcher {
  return everyLabel;
}

/** A LabelSelector as text (`a=b,c in (d,e)`), as printed in tables and Scale.status.selector. */
export function formatLabelSelector(_selector: LabelSelector | undefined): string {
  return '';
}

/** `status.phase=Running,spec.nodeName!=n1`; paths the kind does not offer are ApiError 400. */
export function parseFieldSelector(_kind: Kind, _text: string | undefined): FieldMatcher {
  return { everything: true, exact: () => undefined, matches: () => true };
}
