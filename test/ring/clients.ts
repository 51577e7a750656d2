/** Clients of a real cluster whose history the simulator's checkers judge. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FinalState, History, WatchHistory, WriteOperation } from '#src/sim/history.ts';
import type { Prng } from '#src/sim/prng.ts';
import type { Ring, RingNode } from './nodes.ts';

const PATH = '/api/v1/namespaces/default/configmaps';
/** Updates go to the newest keys, so that writers meet. */
const HOT_KEYS = 6;
const STUFF_BYTES = 900_000;
const WATCH_SILENCE_MS = 3000;

interface Meta {
  metadata: { name: string; resourceVersion: string };
  data?: { token?: string };
}

export class Clients {
  readonly history: Omit<History, 'finals'> = { writes: [], reads: [], watches: [] };
  /** Answers that nobody should get. */
  readonly wrong: string[] = [];
  readonly #ring: Ring;
  readonly #prng: Prng;
  readonly #known = new Map<string, number>();
  readonly #running: Promise<void>[] = [];
  #stopping = false;
  #watching = true;
  #tokens = 0;
  #markRevision = Infinity;
  readonly #watches: WatchHistory[] = [];

  constructor(ring: Ring, prng: Prng) {
    this.#ring = ring;
    this.#prng = prng;
  }

  get acknowledged(): number {
    return this.history.writes.filter(({ outcome }) => outcome === 'ok').length;
  }

  get unknown(): number {
    return this.history.writes.filter(({ outcome }) => outcome === 'unknown').length;
  }

  start(count: { writers: number; readers: number; watchers: number }): void {
    for (let i = 0; i < count.writers; i += 1)
      this.#loop(`writer${i}`, (at, prng) => this.#write(`writer${i}`, at, prng));
    for (let i = 0; i < count.readers; i += 1)
      this.#loop(`reader${i}`, (at, prng) => this.#read(`reader${i}`, at, prng));
    for (let i = 0; i < count.watchers; i += 1) this.#running.push(this.#watch(`watcher${i}`));
  }

  #loop(name: string, act: (at: RingNode, prng: Prng) => Promise<boolean>): void {
    const prng = this.#prng.fork(name);
    const run = async (): Promise<void> => {
      let at = prng.below(this.#ring.nodes.length);
      while (!this.#stopping) {
        const node = this.#ring.nodes[at];
        if (!node) return;
        // Who got no answer turns to another node, and so does everybody now and then.
        if (!(await act(node, prng)) || prng.chance(0.02)) at = prng.below(this.#ring.nodes.length);
        await sleep(prng.below(10));
      }
    };
    this.#running.push(run());
  }

  async #write(client: string, at: RingNode, prng: Prng): Promise<boolean> {
    const keys = [...this.#known.keys()].slice(-HOT_KEYS);
    const isNew = keys.length < HOT_KEYS || prng.chance(0.3);
    const key = isNew ? `k${this.#tokens}` : (keys[prng.below(keys.length)] ?? '');
    return (await this.#put(client, at, key, isNew ? undefined : this.#known.get(key))).outcome !== 'unknown';
  }

  async #put(client: string, at: RingNode, key: string, expectedRevision: number | undefined): Promise<WriteOperation> {
    const token = `t${(this.#tokens += 1)}`;
    const write: WriteOperation = {
      type: 'write',
      client,
      key,
      token,
      invokedMs: performance.now(),
      completedMs: undefined,
      outcome: 'unknown',
      revision: undefined,
      expectedRevision,
    };
    this.history.writes.push(write);
    const metadata = {
      name: key,
      ...(expectedRevision === undefined ? {} : { resourceVersion: String(expectedRevision) }),
    };
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { token } };
    const [method, path] = expectedRevision === undefined ? ['POST', PATH] : ['PUT', `${PATH}/${key}`];
    const answer = await this.#ring.call(at, method, path, { body });
    if (answer.status === 200 || answer.status === 201) {
      write.completedMs = performance.now();
      write.outcome = 'ok';
      write.revision = this.#learn(answer.body as Meta);
    } else if (answer.status === 409) {
      write.completedMs = performance.now();
      write.outcome = 'refused';
    } else if (answer.status !== 0 && answer.status < 500 && answer.status !== 429) {
      this.wrong.push(`${method} ${path} at ${at.name} got ${answer.status}: ${JSON.stringify(answer.body)}`);
    }
    return write;
  }

  #learn(object: Meta): number {
    const revision = Number(object.metadata.resourceVersion);
    const { name } = object.metadata;
    if (revision > (this.#known.get(name) ?? 0)) this.#known.set(name, revision);
    return revision;
  }

  async #read(client: string, at: RingNode, prng: Prng): Promise<boolean> {
    const keys = [...this.#known.keys()].slice(-2 * HOT_KEYS);
    const key = keys[prng.below(Math.max(1, keys.length))];
    if (key === undefined) return true;
    const invokedMs = performance.now();
    const { status, body } = await this.#ring.call(at, 'GET', `${PATH}/${key}`);
    if (status !== 200 && status !== 404) return false;
    const object = status === 200 ? (body as Meta) : undefined;
    const revision = object ? this.#learn(object) : 0;
    this.history.reads.push({
      type: 'read',
      client,
      key,
      invokedMs,
      completedMs: performance.now(),
      revision,
      token: object?.data?.token,
    });
    return true;
  }

  /** Big objects, one after another, beside the history: they make a log reach the end of its disk. */
  async stuff(at: RingNode, until: () => boolean): Promise<void> {
    const filler = 'x'.repeat(STUFF_BYTES);
    for (let i = 0; !until(); i += 1) {
      const name = `stuff-${i % 4}`;
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { filler, i: String(i) } };
      const { status } = await this.#ring.call(at, 'PUT', `${PATH}/${name}`, { body });
      if (status === 404) await this.#ring.call(at, 'POST', PATH, { body });
      if (status === 0 || status >= 500) await sleep(50);
    }
  }

  /** List, then follow, resuming on other nodes for as long as this run lasts. */
  async #watch(client: string): Promise<void> {
    const prng = this.#prng.fork(client);
    const some = (): RingNode => this.#ring.nodes[prng.below(this.#ring.nodes.length)] as RingNode;
    let watch: WatchHistory | undefined;
    while (this.#watching && (watch?.throughRevision ?? 0) < this.#markRevision) {
      if (!watch) {
        const { status, body } = await this.#ring.call(some(), 'GET', PATH);
        if (status === 200) {
          const revision = Number((body as Meta).metadata.resourceVersion);
          watch = { client, fromRevision: revision, events: [], throughRevision: revision };
          this.history.watches.push(watch);
          this.#watches.push(watch);
        }
      } else if (!(await this.#follow(watch, some()))) {
        this.#watches.splice(this.#watches.indexOf(watch), 1);
        watch = undefined;
      }
      await sleep(20);
    }
  }

  /** False when the revision to go on from is compacted away. */
  async #follow(watch: WatchHistory, at: RingNode): Promise<boolean> {
    const ended = new AbortController();
    let gone = false;
    let text = '';
    let silence = setTimeout(() => ended.abort(), WATCH_SILENCE_MS);
    const query = `?watch=true&allowWatchBookmarks=true&resourceVersion=${watch.throughRevision}`;
    const onData = (chunk: string): void => {
      clearTimeout(silence);
      silence = setTimeout(() => ended.abort(), WATCH_SILENCE_MS);
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        const { type, object } = JSON.parse(line) as { type: string; object: Meta };
        if (type === 'ERROR') {
          gone = true;
          ended.abort();
          return;
        }
        const revision = Number(object.metadata.resourceVersion);
        const token = object.data?.token;
        if (type !== 'BOOKMARK' && token !== undefined)
          watch.events.push({ key: object.metadata.name, revision, token });
        watch.throughRevision = Math.max(watch.throughRevision, revision);
        if (watch.throughRevision >= this.#markRevision) ended.abort();
      }
    };
    const { status } = await this.#ring.call(at, 'GET', PATH + query, { onData, signal: ended.signal });
    clearTimeout(silence);
    return !gone && status !== 410;
  }

  /** No new operations; one last write that every watcher has to see. */
  async finish(withinMs: number): Promise<void> {
    this.#stopping = true;
    const endMs = performance.now() + withinMs;
    for (let i = 0; this.#markRevision === Infinity; i += 1) {
      if (performance.now() > endMs) throw new Error('the last write was not acknowledged after everything was mended');
      const at = this.#ring.nodes[i % this.#ring.nodes.length] as RingNode;
      const write = await this.#put('marker', at, `mark${i}`, undefined);
      if (write.outcome === 'ok') this.#markRevision = write.revision ?? 0;
    }
    const late = sleep(Math.max(0, endMs - performance.now()), 'late');
    if ((await Promise.race([Promise.all(this.#running), late])) === 'late') {
      this.#watching = false;
      throw new Error(
        `a watcher did not see the last write at revision ${this.#markRevision}: ${this.#watches.map((w) => `${w.client} at ${w.throughRevision}`).join(', ')}`,
      );
    }
  }

  async finals(): Promise<FinalState[]> {
    const finals: FinalState[] = [];
    for (const node of this.#ring.nodes) {
      const { status, body } = await this.#ring.call(node, 'GET', PATH, { timeoutMs: 10_000 });
      if (status !== 200) throw new Error(`${node.name} answers a list with ${status} after everything was mended`);
      const { items, metadata } = body as { items: Meta[]; metadata: { resourceVersion: string } };
      const objects: FinalState['objects'] = new Map();
      for (const item of items) {
        const token = item.data?.token;
        if (token !== undefined)
          objects.set(item.metadata.name, { token, revision: Number(item.metadata.resourceVersion) });
      }
      finals.push({ node: node.name, revision: Number(metadata.resourceVersion), objects });
    }
    return finals;
  }
}
