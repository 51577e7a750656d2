/**
 * Whether transactions that read lists and append to them were strictly serializable, from what they saw alone (after
 * Kingsbury and Alvaro, "Elle", 2020). A list shows the order of its writers, so who came before whom is known, not
 * searched for; what must not be is a circle. Pure.
 *
 * Anomalies by their names since Adya (1999):
 *   G0            a circle of overwrites                       G1a   a read of something refused
 *   G1b           a read from the middle of a transaction      G1c   a circle of overwrites and reads
 *   G-single      a circle with one "read before that write"   G2    with more than one of them
 * A circle that needs the order of real time too carries `-realtime` behind its name. `incompatible-order`: two reads
 * of one list of which neither begins the other. `lost-append`, `doubled-append`, `internal` say what they are.
 */

export interface ListTransaction {
  id: string;
  /** In order, as written; elements are unique over all lists. */
  operations: ListOperation[];
  outcome: 'ok' | 'refused' | 'unknown';
  /** Places in one total order of all beginnings and ends. */
  invokedAt: number;
  /** Undefined without an answer. */
  completedAt: number | undefined;
}

export type ListOperation =
  | { type: 'append'; key: string; element: string }
  /** Before the appends that follow it in the same transaction. */
  | { type: 'read'; key: string; list: readonly string[] };

export interface Anomaly {
  name: string;
  message: string;
}

type EdgeKind = 'ww' | 'wr' | 'rw' | 'rt';
type Graph = Map<string, Map<string, Set<EdgeKind>>>;

/** Every anomaly that is found; one circle of each knot. */
export function checkListAppend(transactions: readonly ListTransaction[]): Anomaly[] {
  const anomalies: Anomaly[] = [];
  const writers = writersOf(transactions, anomalies);
  const orders = ordersOf(transactions, anomalies);
  checkReads(transactions, writers, anomalies);
  checkAppends(transactions, orders, anomalies);
  const graph = dependencies(transactions, writers, orders);
  for (const knot of knots(graph)) anomalies.push(circleIn(graph, knot));
  return anomalies;
}

function appendsOf(transaction: ListTransaction): { key: string; element: string }[] {
  return transaction.operations.flatMap((one) => (one.type === 'append' ? [one] : []));
}

function readsOf(transaction: ListTransaction): { key: string; list: readonly string[] }[] {
  return transaction.outcome === 'ok'
    ? transaction.operations.flatMap((one) => (one.type === 'read' ? [one] : []))
    : [];
}

const at = (key: string, element: string): string => `${key}/${element}`;

function writersOf(transactions: readonly ListTransaction[], anomalies: Anomaly[]): Map<string, ListTransaction> {
  const writers = new Map<string, ListTransaction>();
  for (const transaction of transactions)
    for (const { key, element } of appendsOf(transaction)) {
      const other = writers.get(at(key, element));
      if (other)
        anomalies.push({
          name: 'bad-history',
          message: `${other.id} and ${transaction.id} both append ${element} to ${key}`,
        });
      writers.set(at(key, element), transaction);
    }
  return writers;
}

/** Of each list the longest that was read; all others must be its beginnings. */
function ordersOf(transactions: readonly ListTransaction[], anomalies: Anomaly[]): Map<string, readonly string[]> {
  const orders = new Map<string, readonly string[]>();
  const all = transactions.flatMap((transaction) =>
    readsOf(transaction).map((read) => ({ ...read, by: transaction.id })),
  );
  for (const { key, list } of all) if (list.length > (orders.get(key)?.length ?? -1)) orders.set(key, list);
  for (const { key, list, by } of all) {
    const order = orders.get(key) ?? [];
    const wrong = list.findIndex((element, i) => element !== order[i]);
    if (wrong >= 0)
      anomalies.push({
        name: 'incompatible-order',
        message: `${by} read ${key} as [${list.join()}], another read it as [${order.join()}]`,
      });
    const twice = list.find((element, i) => list.indexOf(element) !== i);
    if (twice !== undefined)
      anomalies.push({
        name: 'doubled-append',
        message: `${by} read ${twice} more than once in ${key}: [${list.join()}]`,
      });
  }
  return orders;
}

function checkReads(
  transactions: readonly ListTransaction[],
  writers: Map<string, ListTransaction>,
  anomalies: Anomaly[],
): void {
  for (const transaction of transactions) {
    for (const { key, list } of readsOf(transaction)) {
      for (const element of list) {
        const writer = writers.get(at(key, element));
        if (writer === undefined)
          anomalies.push({
            name: 'G1a',
            message: `${transaction.id} read ${element} in ${key}, which nobody appended`,
          });
        else if (writer.outcome === 'refused')
          anomalies.push({
            name: 'G1a',
            message: `${transaction.id} read ${element} in ${key}, which was refused to ${writer.id}`,
          });
      }
      // Its last writer may have appended more than what is seen of it.
      const last = list.at(-1);
      const writer = last === undefined ? undefined : writers.get(at(key, last));
      const its = writer === undefined ? [] : appendsOf(writer).filter((one) => one.key === key);
      if (writer !== undefined && writer !== transaction && its.at(-1)?.element !== last)
        anomalies.push({
          name: 'G1b',
          message: `${transaction.id} read ${key} up to ${last}, from the middle of ${writer.id}`,
        });
    }
    checkInternal(transaction, anomalies);
  }
}

/** Within one transaction a read sees the own appends before it, at the end. */
function checkInternal(transaction: ListTransaction, anomalies: Anomaly[]): void {
  if (transaction.outcome !== 'ok') return;
  const own = new Map<string, string[]>();
  for (const operation of transaction.operations) {
    const { key } = operation;
    const before = own.get(key) ?? [];
    if (operation.type === 'append') own.set(key, [...before, operation.element]);
    else if (before.length > 0 && operation.list.slice(-before.length).join() !== before.join())
      anomalies.push({
        name: 'internal',
        message: `${transaction.id} appended [${before.join()}] to ${key} and then read [${operation.list.join()}]`,
      });
  }
}

/** An acknowledged append is in every list that was read after it, as far as that is the longest. */
function checkAppends(
  transactions: readonly ListTransaction[],
  orders: Map<string, readonly string[]>,
  anomalies: Anomaly[],
): void {
  const lastReadAt = new Map<string, number>();
  for (const transaction of transactions)
    for (const { key, list } of readsOf(transaction))
      if (list.length === orders.get(key)?.length)
        lastReadAt.set(key, Math.max(lastReadAt.get(key) ?? 0, transaction.invokedAt));
  for (const transaction of transactions) {
    if (transaction.outcome !== 'ok' || transaction.completedAt === undefined) continue;
    for (const { key, element } of appendsOf(transaction)) {
      if ((lastReadAt.get(key) ?? -1) < transaction.completedAt || orders.get(key)?.includes(element)) continue;
      anomalies.push({
        name: 'lost-append',
        message: `${transaction.id} appended ${element} to ${key}, and a read after it found [${orders.get(key)?.join()}]`,
      });
    }
  }
}

function dependencies(
  transactions: readonly ListTransaction[],
  writers: Map<string, ListTransaction>,
  orders: Map<string, readonly string[]>,
): Graph {
  const graph: Graph = new Map();
  const edge = (from: string, to: string, kind: EdgeKind): void => {
    if (from === to) return;
    const targets = graph.get(from) ?? new Map<string, Set<EdgeKind>>();
    graph.set(from, targets);
    targets.set(to, (targets.get(to) ?? new Set()).add(kind));
  };
  const writer = (key: string, element: string | undefined): string | undefined =>
    element === undefined ? undefined : writers.get(at(key, element))?.id;
  for (const [key, order] of orders)
    for (let i = 1; i < order.length; i += 1) {
      const [before, after] = [writer(key, order[i - 1]), writer(key, order[i])];
      if (before !== undefined && after !== undefined) edge(before, after, 'ww');
    }
  for (const transaction of transactions)
    for (const { key, list } of readsOf(transaction)) {
      const from = writer(key, list.at(-1));
      if (from !== undefined) edge(from, transaction.id, 'wr');
      const next = writer(key, orders.get(key)?.[list.length]);
      if (next !== undefined) edge(transaction.id, next, 'rw');
    }
  realTime(transactions, edge);
  return graph;
}

/**
 * Who ended before who began, with one node of its own for each end, so that the edges are few: end after end in a
 * chain, each transaction before its end and behind the last end before it began.
 */
function realTime(
  transactions: readonly ListTransaction[],
  edge: (from: string, to: string, kind: EdgeKind) => void,
): void {
  const ends = transactions
    .filter((one) => one.completedAt !== undefined && one.outcome === 'ok')
    .toSorted((a, b) => (a.completedAt ?? 0) - (b.completedAt ?? 0));
  const nameOf = (i: number): string => `end ${i}`;
  for (const [i, one] of ends.entries()) {
    edge(one.id, nameOf(i), 'rt');
    if (i > 0) edge(nameOf(i - 1), nameOf(i), 'rt');
  }
  for (const one of transactions) {
    if (one.outcome === 'refused') continue;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ends[middle]?.completedAt ?? 0) < one.invokedAt) low = middle + 1;
      else high = middle;
    }
    if (low > 0) edge(nameOf(low - 1), one.id, 'rt');
  }
}

/** Strongly connected parts of more than one node (Tarjan 1972, without recursion). */
function knots(graph: Graph): Set<string>[] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const found: Set<string>[] = [];
  for (const root of graph.keys()) {
    if (index.has(root)) continue;
    const work: { node: string; targets: Iterator<string> }[] = [];
    const enter = (node: string): void => {
      index.set(node, index.size);
      low.set(node, index.get(node)!);
      open.push(node);
      isOpen.add(node);
      work.push({ node, targets: (graph.get(node) ?? new Map<string, never>()).keys() });
    };
    enter(root);
    for (let top = work.at(-1); top !== undefined; top = work.at(-1)) {
      const { node } = top;
      const { value: target, done } = top.targets.next();
      if (done !== true && target !== undefined) {
        if (!index.has(target)) enter(target);
        else if (isOpen.has(target)) low.set(node, Math.min(low.get(node)!, index.get(target)!));
        continue;
      }
      work.pop();
      const parent = work.at(-1)?.node;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent)!, low.get(node)!));
      if (low.get(node) !== index.get(node)) continue;
      const knot = new Set<string>();
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        isOpen.delete(member);
        knot.add(member);
        if (member === node) break;
      }
      if (knot.size > 1) found.push(knot);
    }
  }
  return found;
}

/** The least harmful-sounding circle is the most telling: overwrites alone, then reads, then reads before writes. */
function circleIn(graph: Graph, knot: Set<string>): Anomaly {
  const tries: { name: string; kinds: EdgeKind[]; rw: number }[] = [
    { name: 'G0', kinds: ['ww'], rw: 0 },
    { name: 'G1c', kinds: ['ww', 'wr'], rw: 0 },
    { name: 'G-single', kinds: ['ww', 'wr'], rw: 1 },
    { name: 'G2', kinds: ['ww', 'wr', 'rw'], rw: 0 },
    { name: 'G0-realtime', kinds: ['ww', 'rt'], rw: 0 },
    { name: 'G1c-realtime', kinds: ['ww', 'wr', 'rt'], rw: 0 },
    { name: 'G-single-realtime', kinds: ['ww', 'wr', 'rt'], rw: 1 },
    { name: 'G2-realtime', kinds: ['ww', 'wr', 'rw', 'rt'], rw: 0 },
  ];
  for (const { name, kinds, rw } of tries) {
    const circle = rw === 0 ? anyCircle(graph, knot, kinds) : circleWithOne(graph, knot, kinds);
    if (circle !== undefined) return { name, message: circle };
  }
  return { name: 'G2-realtime', message: [...knot].join(', ') };
}

function anyCircle(graph: Graph, knot: Set<string>, kinds: EdgeKind[]): string | undefined {
  for (const start of knot) {
    const path = pathTo(graph, { from: start, to: start, knot, kinds });
    if (path !== undefined) return path;
  }
  return undefined;
}

/** A circle that begins with a "read before that write" and closes without a second one. */
function circleWithOne(graph: Graph, knot: Set<string>, kinds: EdgeKind[]): string | undefined {
  for (const reader of knot)
    for (const [writer, how] of graph.get(reader) ?? []) {
      if (!knot.has(writer) || !how.has('rw')) continue;
      const path = pathTo(graph, { from: writer, to: reader, knot, kinds });
      if (path !== undefined) return `${reader} -rw-> ${path}`;
    }
  return undefined;
}

/** The shortest way over at least one edge of these kinds, in words. */
function pathTo(
  graph: Graph,
  { from, to, knot, kinds }: { from: string; to: string; knot: Set<string>; kinds: EdgeKind[] },
): string | undefined {
  const cameFrom = new Map<string, { node: string; kind: EdgeKind }>();
  const queue = [from];
  for (let node = queue.shift(); node !== undefined; node = queue.shift()) {
    for (const [target, how] of graph.get(node) ?? []) {
      const kind = kinds.find((one) => how.has(one));
      if (kind === undefined || !knot.has(target) || cameFrom.has(target)) continue;
      cameFrom.set(target, { node, kind });
      if (target !== to) {
        queue.push(target);
        continue;
      }
      const words: string[] = [to];
      let step = cameFrom.get(to)!;
      for (;;) {
        words.unshift(step.node, `-${step.kind}->`);
        if (step.node === from) break;
        step = cameFrom.get(step.node)!;
      }
      // What stands for an end of real time says nothing to a reader.
      return words.join(' ').replaceAll(/(-rt-> end \d+ )+-rt->/g, '-rt->');
    }
  }
  return undefined;
}
