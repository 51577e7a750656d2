/**
 * Clients of a simulated cluster: writers that create and update under a revision, readers, and
 * watchers that resume on another node. Everything they saw becomes a history (history.ts).
 * Owns: the history of a run.
 */
import { ApiClient, configMapsPath, revisionOf, type TokenObject } from './api-client.ts';
import type { SimCluster } from './cluster.ts';
import type { History, WatchHistory, WriteOperation } from './history.ts';
import type { HttpStream } from './http.ts';

export interface WorkloadOptions {
  writers: number;
  readers: number;
  watchers: number;
  /** A client rests up to this long between two operations. */
  thinkMs: number;
}

/** Updates go to the newest keys, so that writers meet. */
const hotKeys = 6;
/** A watch that says nothing for this long is begun anew; a node without power says nothing. */
const watchSilenceMs = 1500;
const resumeMs = 50;

export interface Workload {
  readonly history: Omit<History, 'finals'>;
  readonly acknowledged: number;
  readonly unknown: number;
  start(): void;
  /** No new writes and reads; watches go on. */
  stop(): void;
  /** Nothing waits for an answer. */
  isIdle(): boolean;
  /** A last write, tried until it is acknowledged; after it every watch has a last event to reach. */
  mark(): void;
  /** The mark's revision has come to every watcher. */
  isMarked(): boolean;
  close(): void;
  /** For a failure's message: who waits for what. */
  describe(): string;
}

export function createWorkload(cluster: SimCluster, options: WorkloadOptions): Workload {
  return new Clients(cluster, options);
}

class Clients implements Workload {
  readonly history: Omit<History, 'finals'> = { writes: [], reads: [], watches: [] };
  readonly #cluster: SimCluster;
  readonly #options: WorkloadOptions;
  readonly #watchers: Watcher[] = [];
  /** Newest revision of a key that some client has seen. */
  readonly #known = new Map<string, number>();
  #running = false;
  #open = 0;
  #tokens = 0;
  #markRevision: number | undefined;

  constructor(cluster: SimCluster, options: WorkloadOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  get acknowledged(): number {
    return this.history.writes.filter((write) => write.outcome === 'ok').length;
  }

  get unknown(): number {
    return this.history.writes.filter((write) => write.outcome === 'unknown').length;
  }

  start(): void {
    this.#running = true;
    const { writers, readers, watchers } = this.#options;
    for (let i = 0; i < writers; i += 1)
      this.#loop(new ApiClient(this.#cluster, `writer${i}`), (client) => this.#write(client));
    for (let i = 0; i < readers; i += 1)
      this.#loop(new ApiClient(this.#cluster, `reader${i}`), (client) => this.#read(client));
    for (let i = 0; i < watchers; i += 1) {
      const watcher = new Watcher(this.#cluster, new ApiClient(this.#cluster, `watcher${i}`), this.history);
      this.#watchers.push(watcher);
      watcher.start();
    }
  }

  stop(): void {
    this.#running = false;
  }

  isIdle(): boolean {
    return this.#open === 0;
  }

  mark(): void {
    const client = new ApiClient(this.#cluster, 'marker');
    const tryOnce = async (): Promise<void> => {
      const write = await this.#create(client, `mark${this.#tokens}`);
      if (write.outcome === 'ok') this.#markRevision = write.revision;
      else this.#cluster.world.after(100, () => void tryOnce());
    };
    void tryOnce();
  }

  isMarked(): boolean {
    const mark = this.#markRevision;
    return mark !== undefined && this.#watchers.every((watcher) => watcher.lastRevision >= mark);
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  describe(): string {
    const watchers = this.#watchers.map((watcher) => `${watcher.name} at ${watcher.lastRevision}`).join(', ');
    return `${this.#open} requests open, mark at ${this.#markRevision}, ${watchers}`;
  }

  #loop(client: ApiClient, act: (client: ApiClient) => Promise<void>): void {
    const next = (): void => {
      this.#cluster.world.after(1 + client.prng.below(this.#options.thinkMs), () => {
        if (!this.#running) return;
        this.#open += 1;
        void act(client).then(() => {
          this.#open -= 1;
          next();
        });
      });
    };
    next();
  }

  async #write(client: ApiClient): Promise<void> {
    const keys = [...this.#known.keys()].slice(-hotKeys);
    const key = keys.length < hotKeys || client.prng.chance(0.4) ? undefined : keys[client.prng.below(keys.length)];
    if (key === undefined) await this.#create(client, `k${this.#tokens}`);
    else await this.#update(client, key);
  }

  async #create(client: ApiClient, key: string): Promise<WriteOperation> {
    const write = this.#begin(client, key, undefined);
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: key }, data: { token: write.token } };
    return await this.#finish(write, client.send('POST', configMapsPath, object));
  }

  async #update(client: ApiClient, key: string): Promise<void> {
    const revision = this.#known.get(key) ?? 0;
    const write = this.#begin(client, key, revision);
    const metadata = { name: key, resourceVersion: String(revision) };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { token: write.token } };
    await this.#finish(write, client.send('PUT', `${configMapsPath}/${key}`, object));
    // Whoever was refused, or does not know, looks before it tries again.
    if (write.outcome !== 'ok') await this.#readKey(client, key);
  }

  #begin(client: ApiClient, key: string, expectedRevision: number | undefined): WriteOperation {
    this.#tokens += 1;
    const write: WriteOperation = {
      type: 'write',
      client: client.name,
      key,
      token: `t${this.#tokens}`,
      invokedMs: this.#cluster.world.nowMs(),
      completedMs: undefined,
      outcome: 'unknown',
      revision: undefined,
      expectedRevision,
    };
    this.history.writes.push(write);
    return write;
  }

  async #finish(write: WriteOperation, sent: ReturnType<ApiClient['send']>): Promise<WriteOperation> {
    const { outcome, body } = await sent;
    write.outcome = outcome;
    if (outcome === 'unknown') return write;
    write.completedMs = this.#cluster.world.nowMs();
    if (outcome === 'ok') {
      write.revision = revisionOf(body);
      this.#learn(write.key, write.revision);
    }
    return write;
  }

  async #read(client: ApiClient): Promise<void> {
    const keys = [...this.#known.keys()];
    const recent = keys.slice(-2 * hotKeys);
    const from = client.prng.chance(0.8) ? recent : keys;
    const key = from.length > 0 ? from[client.prng.below(from.length)] : undefined;
    if (key !== undefined) await this.#readKey(client, key);
  }

  async #readKey(client: ApiClient, key: string): Promise<void> {
    const invokedMs = this.#cluster.world.nowMs();
    const { outcome, status, body } = await client.send('GET', `${configMapsPath}/${key}`);
    if (outcome !== 'ok' && status !== 404) return;
    const found = outcome === 'ok' ? (body as TokenObject) : undefined;
    const revision = found ? revisionOf(found) : 0;
    const completedMs = this.#cluster.world.nowMs();
    this.history.reads.push({
      type: 'read',
      client: client.name,
      key,
      invokedMs,
      completedMs,
      revision,
      token: found?.data?.token,
    });
    if (found) this.#learn(key, revision);
  }

  #learn(key: string, revision: number): void {
    this.#known.set(key, Math.max(revision, this.#known.get(key) ?? 0));
  }
}

/** List, watch, and after every end watch on from the last revision, somewhere else. */
class Watcher {
  readonly name: string;
  readonly #cluster: SimCluster;
  readonly #client: ApiClient;
  readonly #history: Omit<History, 'finals'>;
  #watch: WatchHistory | undefined;
  #stream: HttpStream | undefined;
  #silence: { cancel(): void } | undefined;
  #closed = false;

  constructor(cluster: SimCluster, client: ApiClient, history: Omit<History, 'finals'>) {
    this.name = client.name;
    this.#cluster = cluster;
    this.#client = client;
    this.#history = history;
  }

  get lastRevision(): number {
    return this.#watch?.throughRevision ?? 0;
  }

  start(): void {
    void this.#list();
  }

  close(): void {
    this.#closed = true;
    this.#silence?.cancel();
    this.#stream?.cancel();
  }

  async #list(): Promise<void> {
    const invokedMs = this.#cluster.world.nowMs();
    const { outcome, body } = await this.#client.send('GET', configMapsPath);
    if (this.#closed) return;
    if (outcome !== 'ok') {
      this.#cluster.world.after(resumeMs, () => void this.#list());
      return;
    }
    const completedMs = this.#cluster.world.nowMs();
    const seen = new Map((body as { items: TokenObject[] }).items.map((item) => [item.metadata.name, item]));
    // A key that is not in the list was read as absent, like one that is was read as present.
    const keys = new Set([
      ...this.#history.writes.filter(({ completedMs: done }) => (done ?? Infinity) < invokedMs).map(({ key }) => key),
      ...seen.keys(),
    ]);
    for (const key of keys) {
      const item = seen.get(key);
      const revision = item ? revisionOf(item) : 0;
      this.#history.reads.push({
        type: 'read',
        client: this.name,
        key,
        invokedMs,
        completedMs,
        revision,
        token: item?.data?.token,
      });
    }
    const revision = revisionOf(body);
    this.#watch = { client: this.name, fromRevision: revision, events: [], throughRevision: revision };
    this.#history.watches.push(this.#watch);
    this.#follow(this.#watch);
  }

  #follow(watch: WatchHistory): void {
    if (this.#closed) return;
    const stream = this.#client.watch(configMapsPath, watch.throughRevision, {
      onEvent: (type, object) => {
        if (this.#stream !== stream) return;
        this.#waitForSilence(watch);
        const revision = revisionOf(object);
        const token = object.data?.token;
        if (type !== 'BOOKMARK' && token !== undefined) {
          watch.events.push({ key: object.metadata.name, revision, token });
          this.#cluster.trace.text(`${this.name} ${token} ${revision}`);
        }
        watch.throughRevision = Math.max(watch.throughRevision, revision);
      },
      onEnd: (gone) => {
        if (this.#stream !== stream) return;
        this.#silence?.cancel();
        this.#cluster.world.after(resumeMs, () => (gone ? void this.#list() : this.#follow(watch)));
      },
    });
    this.#stream = stream;
    this.#waitForSilence(watch);
  }

  #waitForSilence(watch: WatchHistory): void {
    this.#silence?.cancel();
    this.#silence = this.#cluster.world.after(watchSilenceMs, () => {
      this.#stream?.cancel();
      this.#stream = undefined;
      this.#client.moveOn();
      this.#follow(watch);
    });
  }
}
