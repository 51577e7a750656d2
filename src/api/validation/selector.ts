/** Rules of label selectors. Source: apimachinery pkg/apis/meta/v1/validation 1.36. */
import { isLabelValue, isQualifiedName } from '../names.ts';
import type { LabelSelector } from '../objects.ts';
import type { Causes } from './causes.ts';
import { validateLabels } from './metadata.ts';

export function validateLabelSelector(causes: Causes, field: string, selector: LabelSelector): void {
  validateLabels(causes, `${field}.matchLabels`, selector.matchLabels);
  for (const [index, { key, operator, values }] of (selector.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`;
    const count = values?.length ?? 0;
    causes.invalidEach(`${path}.key`, key ?? '', isQualifiedName(key ?? ''));
    if (operator === 'In' || operator === 'NotIn') {
      if (count === 0) causes.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (count > 0)
        causes.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else causes.invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator');
    for (const [at, value] of (values ?? []).entries())
      causes.invalidEach(`${path}.values[${at}]`, value, isLabelValue(value));
  }
}
