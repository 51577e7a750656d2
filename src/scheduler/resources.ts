/** How much a Pod asks for and a Node offers: CPU in millis, memory in bytes, Pods by number, others as written. */
import { parseQuantity, quantityMilliValue, quantityValue } from '#src/api/quantity.ts';
import type { Container, Node, Pod, PodSpec } from '#src/api/objects.ts';

/** CPU in thousandths of a core, everything else in whole units. */
export type Amounts = Record<string, number>;

/** Not a constraint here: its use is not measured, so promising it would be a lie. */
const IGNORED = new Set(['ephemeral-storage']);
/** For scores only: what a container without requests is taken to need, so that such Pods spread too (Kubernetes). */
const DEFAULT_CPU_MILLIS = 100;
const DEFAULT_MEMORY_BYTES = 200 * 1024 * 1024;

export function amountsOf(quantities: Record<string, string> | undefined): Amounts {
  const amounts: Amounts = {};
  for (const [name, text] of Object.entries(quantities ?? {})) {
    if (IGNORED.has(name)) continue;
    const quantity = parseQuantity(text);
    amounts[name] = name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
  }
  return amounts;
}

/** The sum of the containers, or the largest init container with the sidecars before it, whichever is more (KEP-753). */
export function podRequests(pod: Pod): Amounts {
  const spec = pod.spec;
  const total: Amounts = {};
  for (const container of spec?.containers ?? []) add(total, amountsOf(container.resources?.requests));
  const peak: Amounts = {};
  const sidecars: Amounts = {};
  for (const container of spec?.initContainers ?? []) {
    const requests = amountsOf(container.resources?.requests);
    if (container.restartPolicy === 'Always') {
      add(total, requests);
      add(sidecars, requests);
      max(peak, sidecars);
    } else {
      max(peak, sum(sidecars, requests));
    }
  }
  max(total, peak);
  max(total, amountsOf(spec?.resources?.requests));
  add(total, amountsOf(spec?.overhead));
  return total;
}

/** For the scores: like podRequests, but no container counts as nothing. */
export function scoredRequests(spec: PodSpec | undefined, requests: Amounts): { cpu: number; memory: number } {
  const without = (name: string) =>
    (spec?.containers ?? []).filter((container: Container) => container.resources?.requests?.[name] === undefined);
  return {
    cpu: (requests['cpu'] ?? 0) + without('cpu').length * DEFAULT_CPU_MILLIS,
    memory: (requests['memory'] ?? 0) + without('memory').length * DEFAULT_MEMORY_BYTES,
  };
}

export function allocatable(node: Node): Amounts {
  return amountsOf(node.status?.allocatable ?? node.status?.capacity);
}

export function add(to: Amounts, more: Amounts): void {
  for (const [name, amount] of Object.entries(more)) to[name] = (to[name] ?? 0) + amount;
}

function sum(a: Amounts, b: Amounts): Amounts {
  const result = { ...a };
  add(result, b);
  return result;
}

function max(to: Amounts, other: Amounts): void {
  for (const [name, amount] of Object.entries(other)) to[name] = Math.max(to[name] ?? 0, amount);
}
