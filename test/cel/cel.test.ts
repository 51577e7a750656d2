import test from 'ava';
import { compile, fromJson, toJson } from '#src/cel/cel.ts';

/** Expression → what it yields as JSON, or the message it fails with. */
function run(expression: string, bindings: Record<string, unknown> = {}): unknown {
  const variables = Object.fromEntries(Object.keys(bindings).map((name) => [name, 'dyn' as const]));
  const compiled = compile(expression, { variables });
  if (!compiled.ok) return `compile: ${compiled.errors[0]?.message}`;
  const values = Object.fromEntries(Object.entries(bindings).map(([name, value]) => [name, fromJson(value)]));
  const outcome = compiled.program.evaluate(values, { costLimit: 1_000_000 });
  return outcome.ok ? toJson(outcome.value) : `error: ${outcome.error.message}`;
}
for (const [expression, want] of [
  ['1 + 2 * 3', 7],
  ['[1,2,3].map(x, x * 2).filter(x, x > 2)', [4, 6]],
  ['"abc".matches("^a.c$") && [1].all(x, x == 1)', true],
  ['quantity("1Gi").isGreaterThan(quantity("1Mi"))', true],
  ['cidr("10.0.0.0/8").containsIP("10.1.2.3")', true],
  ['has({"a": 1}.a) && {"a": 1}.?b.orValue(2) == 2', true],
  ['timestamp("2024-02-29T00:00:00Z").getDayOfYear()', 59],
  ['duration("1h30m") > duration("89m")', true],
  ['"%s-%d".format(["a", 3])', 'a-3'],
] as const) {
  test(expression, (t) => t.deepEqual(run(expression), want));
}
