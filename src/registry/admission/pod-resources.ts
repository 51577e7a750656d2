/** What a Pod asks for as a whole: containers together, init containers as they run, overhead (KEP-753, KEP-2837). */
import type { Container, PodSpec } from '#src/api/objects.ts';
import { addQuantity, compareQuantity, parseQuantity, type Quantity } from '#src/api/quantity.ts';

export type Quantities = Map<string, Quantity>;
type Side = 'requests' | 'limits';

/** Resources that a Pod as a whole may name in `spec.resources`. */
const POD_LEVEL = /^(cpu|memory|hugepages-.+)$/;

export function quantitiesOf(list: Record<string, string> | undefined): Quantities {
  return new Map(Object.entries(list ?? {}).map(([name, text]) => [name, parseQuantity(text)]));
}

export function podResources(spec: PodSpec, side: Side): Quantities {
  const total: Quantities = new Map();
  const sidecars: Quantities = new Map();
  const peak: Quantities = new Map();
  for (const container of spec.containers ?? []) add(total, quantitiesOf(resourcesOf(container, side)));
  for (const container of spec.initContainers ?? []) {
    const own = quantitiesOf(resourcesOf(container, side));
    if (container.restartPolicy === 'Always') {
      // A sidecar goes on running beside everything that starts after it.
      add(sidecars, own);
      raise(peak, sidecars);
      continue;
    }
    add(own, sidecars);
    raise(peak, own);
  }
  add(total, sidecars);
  raise(total, peak);
  const whole = quantitiesOf((spec as { resources?: Record<Side, Record<string, string>> }).resources?.[side]);
  for (const [name, quantity] of whole) if (POD_LEVEL.test(name)) total.set(name, quantity);
  for (const [name, quantity] of quantitiesOf(spec.overhead)) {
    // An overhead is no limit by itself.
    if (side === 'requests' || total.has(name)) add(total, new Map([[name, quantity]]));
  }
  return total;
}

export function resourcesOf(container: Container, side: Side): Record<string, string> | undefined {
  return container.resources?.[side] as Record<string, string> | undefined;
}

export function add(into: Quantities, more: Quantities): void {
  for (const [name, quantity] of more) {
    const known = into.get(name);
    into.set(name, known === undefined ? quantity : addQuantity(known, quantity));
  }
}

function raise(into: Quantities, other: Quantities): void {
  for (const [name, quantity] of other) {
    const known = into.get(name);
    if (known === undefined || compareQuantity(known, quantity) < 0) into.set(name, quantity);
  }
}
