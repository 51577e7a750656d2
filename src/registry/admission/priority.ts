/** Priority: the number and preemption policy behind priorityClassName; one class is the default at most. */
import { objectRange } from '../keys.ts';
import { decodeValue } from '../bytes.ts';
import { findKind } from '#src/api/kinds.ts';
import type { Pod } from '#src/api/objects.ts';
import type { StoreView } from '#src/store/view.ts';
import type { NamedObject } from '../raw.ts';
import { forbidden } from '../refusals.ts';
import { isPodKind, type AdmissionPlugin, type Attributes } from './attributes.ts';

type PriorityClass = NamedObject & { value?: number; globalDefault?: boolean; preemptionPolicy?: string };

/** The two classes every cluster has; others are objects. */
const SYSTEM_CLASSES: Record<string, number> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};
/** Classes looked at for the default; more than anybody names. */
const CLASSES_MAX = 1000;

export const priority: AdmissionPlugin = {
  name: 'Priority',
  mutate(attributes) {
    const { kind, operation } = attributes;
    if (isPodKind(kind) && operation === 'CREATE') setPriority(attributes);
  },
  validate(attributes) {
    if (attributes.kind.resource === 'priorityclasses') requireOneDefault(attributes);
    return undefined;
  },
};

function classesOf(view: StoreView): PriorityClass[] {
  const kind = findKind({ group: 'scheduling.k8s.io', version: 'v1', resource: 'priorityclasses' });
  if (kind === undefined) return [];
  const { items } = view.range({ ...objectRange(kind, undefined), limit: CLASSES_MAX });
  return items.map(({ value }) => decodeValue(value) as PriorityClass);
}

function setPriority({ view, kind, object }: Attributes): void {
  const pod = object as NamedObject & Pod;
  const { spec } = pod;
  if (spec === undefined) return;
  const name = pod.metadata.name ?? '';
  const found = classOf(view, spec.priorityClassName ?? '');
  if (found === undefined) {
    throw forbidden(kind, name, `no PriorityClass with name ${spec.priorityClassName ?? ''} was found`);
  }
  if (found.name !== '') spec.priorityClassName = found.name;
  if (spec.priority !== undefined && spec.priority !== found.value) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${found.value} from the given PriorityClass name`;
    throw forbidden(kind, name, why);
  }
  spec.priority = found.value;
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== found.preemptionPolicy) {
    const why = `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${found.preemptionPolicy} from the given PriorityClass name`;
    throw forbidden(kind, name, why);
  }
  spec.preemptionPolicy = found.preemptionPolicy;
}

interface Found {
  name: string;
  value: number;
  preemptionPolicy: string;
}

/** Of no name: the lowest global default, if there is one, else zero. */
function classOf(view: StoreView, name: string): Found | undefined {
  const classes = classesOf(view);
  const found =
    name === ''
      ? classes.filter((one) => one.globalDefault === true).toSorted((a, b) => (a.value ?? 0) - (b.value ?? 0))[0]
      : classes.find((one) => one.metadata.name === name);
  const preemptionPolicy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
  if (found !== undefined) return { name: found.metadata.name ?? '', value: found.value ?? 0, preemptionPolicy };
  if (name === '') return { name: '', value: 0, preemptionPolicy };
  const value = SYSTEM_CLASSES[name];
  return value === undefined ? undefined : { name, value, preemptionPolicy };
}

/** @throws ApiError 403. */
function requireOneDefault({ view, kind, object, name }: Attributes): void {
  if ((object as PriorityClass | undefined)?.globalDefault !== true) return;
  const other = classesOf(view).find((one) => one.globalDefault === true && one.metadata.name !== name);
  if (other === undefined) return;
  const why = `PriorityClass ${other.metadata.name ?? ''} is already marked as default. Only one default can exist`;
  throw forbidden(kind, name, why);
}
