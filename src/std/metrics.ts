/**
 * Counters, gauges and histograms with labels, shown in Prometheus' text format 0.0.4.
 * Cardinality is bounded: past `seriesMax` series of one metric, further label values fall together into one series.
 */

/** Series of one metric; kube-apiserver's largest histogram has a few thousand. */
export const SERIES_MAX_DEFAULT = 2_000;
/** Label value of what did not fit. */
const OTHER = 'other';

export type Labels = Readonly<Record<string, string>>;

export interface Metric {
  /** Add `by`, not below 0 for counters. */
  add(labels: Labels, by?: number): void;
  set(labels: Labels, value: number): void;
  /** Histograms only. */
  observe(labels: Labels, value: number): void;
  value(labels: Labels): number;
}

export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): Metric;
  gauge(name: string, help: string, labels?: readonly string[]): Metric;
  /** `buckets`: upper bounds, ascending, without +Inf. */
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): Metric;
  /** Asked each time the text is made, before it: sets gauges of what is counted elsewhere. */
  onCollect(collect: () => void): void;
  text(): string;
}

interface Series {
  labels: string;
  value: number;
  buckets: number[] | undefined;
  count: number;
}

interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  labelNames: readonly string[];
  bounds: readonly number[];
  series: Map<string, Series>;
}

export function createMetrics(options: { seriesMax?: number } = {}): Metrics {
  const seriesMax = options.seriesMax ?? SERIES_MAX_DEFAULT;
  const families = new Map<string, Family>();
  const collectors: (() => void)[] = [];

  const register = (family: Omit<Family, 'series'>): Metric => {
    const known = families.get(family.name);
    const made: Family = known ?? { ...family, series: new Map() };
    families.set(family.name, made);
    return metricOf(made, seriesMax);
  };
  return {
    counter: (name, help, labelNames = []) => register({ name, help, type: 'counter', labelNames, bounds: [] }),
    gauge: (name, help, labelNames = []) => register({ name, help, type: 'gauge', labelNames, bounds: [] }),
    histogram: (name, help, labelNames, bounds) => register({ name, help, type: 'histogram', labelNames, bounds }),
    onCollect: (collect) => void collectors.push(collect),
    text() {
      for (const collect of collectors) collect();
      return [...families.values()]
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map((family) => textOf(family))
        .join('');
    },
  };
}

function metricOf(family: Family, seriesMax: number): Metric {
  const find = (labels: Labels): Series => {
    const key = labelText(family.labelNames.map((name) => [name, labels[name] ?? '']));
    const known = family.series.get(key);
    if (known !== undefined) return known;
    const full = family.series.size >= seriesMax;
    const shown = full ? labelText(family.labelNames.map((name) => [name, OTHER])) : key;
    const overflow = family.series.get(shown);
    if (overflow !== undefined) return overflow;
    const buckets = family.type === 'histogram' ? family.bounds.map(() => 0) : undefined;
    const made: Series = { labels: shown, value: 0, buckets, count: 0 };
    family.series.set(shown, made);
    return made;
  };
  return {
    add(labels, by = 1) {
      find(labels).value += by;
    },
    set(labels, value) {
      find(labels).value = value;
    },
    observe(labels, value) {
      const series = find(labels);
      series.value += value;
      series.count += 1;
      const at = family.bounds.findIndex((bound) => value <= bound);
      if (series.buckets !== undefined && at !== -1) series.buckets[at] = (series.buckets[at] ?? 0) + 1;
    },
    value: (labels) => find(labels).value,
  };
}

function labelText(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([name, value]) => `${name}="${escaped(value)}"`).join(',');
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function textOf(family: Family): string {
  const { name, type } = family;
  const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  for (const series of family.series.values()) {
    if (series.buckets === undefined) lines.push(`${name}${braced(series.labels)} ${numberText(series.value)}`);
    else lines.push(...histogramLines(family, series, series.buckets));
  }
  return `${lines.join('\n')}\n`;
}

function histogramLines({ name, bounds }: Family, series: Series, buckets: readonly number[]): string[] {
  const comma = series.labels === '' ? '' : ',';
  let sum = 0;
  const lines = bounds.map((bound, at) => {
    sum += buckets[at] ?? 0;
    return `${name}_bucket{${series.labels}${comma}le="${numberText(bound)}"} ${sum}`;
  });
  return [
    ...lines,
    `${name}_bucket{${series.labels}${comma}le="+Inf"} ${series.count}`,
    `${name}_sum${braced(series.labels)} ${numberText(series.value)}`,
    `${name}_count${braced(series.labels)} ${series.count}`,
  ];
}

function braced(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
