/**
 * A live copy of one resource: a linearizable list, then a watch that resumes, lists again after
 * 410 Expired and backs off when the API is away. For every reconciler that only has a Client
 * (kubelet, proxy, dns, scheduler, controllers).
 * Owns: the copy, its indices, the watch and the retry timer.
 * Imports: std, ports, api, the Client.
 */
import { isApiError } from '#src/api/api-error.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import { messageOf } from '#src/std/fault.ts';
import type { Client, ObjectWatch, ResourceRef } from './client.ts';

/** One page of the initial list; the store answers it without holding the loop for long. */
export const LIST_PAGE_OBJECTS = 500;
export const RETRY_MIN_MS = 200;
export const RETRY_MAX_MS = 30_000;
/** A watch ends by itself after 5 to 10 minutes and is resumed, so that a silent link is noticed. */
export const WATCH_TIMEOUT_MIN_SECONDS = 300;

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** `previous` is what the copy held before; undefined for ADDED. For DELETED `object` is the last state known. */
export type ChangeHandler<T> = (type: ChangeType, object: T, previous: T | undefined) => void;

/** Which keys an object is found under, e.g. its node's name. */
export type IndexFunction<T> = (object: T) => readonly string[];

export interface InformerOptions<T extends KubeObject> {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  indices?: Record<string, IndexFunction<T>>;
  /** What of an object is held, where the rest is of no interest: metadata stays. */
  keep?: (object: T) => T;
}

export interface InformerSetup<T extends KubeObject> {
  client: Client;
  clock: Clock;
  log: Log;
  random: Random;
  resource: ResourceRef;
  options?: InformerOptions<T>;
}

export interface Informer<T extends KubeObject> {
  readonly resource: ResourceRef;
  /** Idempotent. After stop() it starts over with a list. */
  start(): void;
  /** Cancels the watch and every timer; the copy stays readable. Promises of synced() stay pending until a next start. */
  stop(): void;
  /** Resolves when the first list of this start has been taken over. */
  synced(): Promise<void>;
  isSynced(): boolean;
  /** The revision the copy has reached, '' before the first list. */
  resourceVersion(): string;
  /** `namespace` undefined (or '') for objects without one. The object is shared: never change it. */
  get(namespace: string | undefined, name: string): T | undefined;
  /** In the order in which objects were first seen. */
  list(): T[];
  /** Objects that the named index of the options puts under `key`. */
  byIndex(index: string, key: string): T[];
  /** Called for every change, at once for what is already there. Returns the removal. */
  onChange(handler: ChangeHandler<T>): () => void;
}

/** `namespace/name`, or `name` for objects without a namespace. */
export function objectKey(object: KubeObject): string {
  return keyOf(object.metadata?.namespace, object.metadata?.name ?? '');
}

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

export function createInformer<T extends KubeObject>(setup: InformerSetup<T>): Informer<T> {
  return new Reflector(setup);
}

class Reflector<T extends KubeObject> implements Informer<T> {
  readonly resource: ResourceRef;
  readonly #setup: InformerSetup<T>;
  readonly #log: Log;
  readonly #objects = new Map<string, T>();
  readonly #indices = new Map<string, Map<string, Map<string, T>>>();
  readonly #handlers = new Set<ChangeHandler<T>>();
  #revision = '';
  #synced = false;
  #waiting: (() => void)[] = [];
  #watch: ObjectWatch<T> | undefined;
  #retry: Timer | undefined;
  #retryMs = RETRY_MIN_MS;
  /** Counts starts and stops; a loop of an older run notices it and ends. */
  #run = 0;
  #running = false;

  constructor(setup: InformerSetup<T>) {
    this.#setup = setup;
    this.resource = setup.resource;
    this.#log = setup.log.scope('informer');
    for (const name of Object.keys(setup.options?.indices ?? {})) this.#indices.set(name, new Map());
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#run += 1;
    this.#revision = '';
    this.#synced = false;
    this.#retryMs = RETRY_MIN_MS;
    this.#launch(this.#run);
  }

  stop(): void {
    this.#running = false;
    this.#run += 1;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  synced(): Promise<void> {
    if (this.#synced) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  isSynced(): boolean {
    return this.#synced;
  }

  resourceVersion(): string {
    return this.#revision;
  }

  get(namespace: string | undefined, name: string): T | undefined {
    return this.#objects.get(keyOf(namespace, name));
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, key: string): T[] {
    return [...(this.#indices.get(index)?.get(key)?.values() ?? [])];
  }

  onChange(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#objects.values()) this.#call(handler, 'ADDED', object, undefined);
    return () => this.#handlers.delete(handler);
  }

  #launch(run: number): void {
    this.#listAndWatch(run).catch((error: unknown) => {
      if (run !== this.#run) return;
      this.#later(run, error);
    });
  }

  async #listAndWatch(run: number): Promise<void> {
    if (this.#revision === '') await this.#relist(run);
    let expiredMs = Number.NEGATIVE_INFINITY;
    while (run === this.#run) {
      const ended = await this.#follow(run);
      if (ended !== 'expired' || run !== this.#run) continue;
      // A history that is cut faster than it can be listed must not become a busy loop.
      const nowMs = this.#setup.clock.monotonicMs();
      if (nowMs - expiredMs < RETRY_MAX_MS) await this.#pause(RETRY_MIN_MS);
      expiredMs = nowMs;
      if (run === this.#run) await this.#relist(run);
    }
  }

  async #relist(run: number): Promise<void> {
    const { client, options } = this.#setup;
    const fresh = new Map<string, T>();
    let revision = '';
    let next: string | undefined;
    do {
      const page = await client.list<T>(this.resource, {
        ...selectionOf(options),
        limit: LIST_PAGE_OBJECTS,
        ...(next === undefined ? {} : { continue: next }),
      });
      if (run !== this.#run) return;
      for (const object of page.items) fresh.set(objectKey(object), options?.keep?.(object) ?? object);
      revision = page.metadata.resourceVersion ?? '';
      next = page.metadata.continue === '' ? undefined : page.metadata.continue;
    } while (next !== undefined);

    for (const [key, object] of this.#objects) {
      const now = fresh.get(key);
      // Same name, other uid: the one we knew is gone, and its owners' watchers must hear it.
      if (now === undefined || now.metadata?.uid !== object.metadata?.uid) this.#drop(key);
    }
    for (const object of fresh.values()) this.#put(object);
    this.#revision = revision;
    this.#retryMs = RETRY_MIN_MS;
    if (this.#synced) return;
    this.#synced = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async #follow(run: number): Promise<'ended' | 'expired'> {
    const { client, options, random, clock } = this.#setup;
    const startedMs = clock.monotonicMs();
    try {
      const watch = await client.watch<T>(this.resource, {
        ...selectionOf(options),
        resourceVersion: this.#revision,
        allowBookmarks: true,
        timeoutSeconds: WATCH_TIMEOUT_MIN_SECONDS + random.below(WATCH_TIMEOUT_MIN_SECONDS),
      });
      if (run !== this.#run) {
        watch.cancel();
        return 'ended';
      }
      this.#watch = watch;
      for (let event = await watch.next(); event !== undefined; event = await watch.next()) {
        if (run !== this.#run) return 'ended';
        this.#retryMs = RETRY_MIN_MS;
        if (event.type === 'BOOKMARK') {
          this.#revision = event.resourceVersion;
          continue;
        }
        this.#revision = event.object.metadata?.resourceVersion ?? this.#revision;
        if (event.type === 'DELETED') this.#drop(objectKey(event.object), event.object);
        else this.#put(options?.keep?.(event.object) ?? event.object);
      }
    } catch (error) {
      if (isApiError(error) && error.status === 410) {
        this.#log.info('the watch fell below the history; listing again', { resource: this.resource.resource });
        return 'expired';
      }
      throw error;
    } finally {
      if (run === this.#run) {
        this.#watch?.cancel();
        this.#watch = undefined;
      }
    }
    // A server that ends watches at once must not become a busy loop.
    if (clock.monotonicMs() - startedMs < RETRY_MIN_MS && run === this.#run) await this.#pause(RETRY_MIN_MS);
    return 'ended';
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#retry = this.#setup.clock.after(delayMs, resolve);
    });
  }

  #later(run: number, error: unknown): void {
    const delayMs = this.#retryMs + this.#setup.random.below(this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    this.#log.warn('list or watch failed; trying again', {
      resource: this.resource.resource,
      delayMs,
      error: messageOf(error),
    });
    this.#retry = this.#setup.clock.after(delayMs, () => this.#launch(run));
  }

  #put(object: T): void {
    const key = objectKey(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined && previous.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    if (previous !== undefined && previous.metadata?.uid !== object.metadata?.uid) {
      this.#drop(key);
      this.#put(object);
      return;
    }
    if (previous !== undefined) this.#unindex(key, previous);
    this.#objects.set(key, object);
    this.#index(key, object);
    this.#emit(previous === undefined ? 'ADDED' : 'MODIFIED', object, previous);
  }

  #drop(key: string, last?: T): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    this.#unindex(key, previous);
    this.#emit('DELETED', last ?? previous, previous);
  }

  #index(key: string, object: T): void {
    for (const [name, keysOf] of Object.entries(this.#setup.options?.indices ?? {})) {
      const index = this.#indices.get(name) ?? new Map<string, Map<string, T>>();
      for (const value of keysOf(object)) {
        const bucket = index.get(value) ?? new Map<string, T>();
        index.set(value, bucket);
        bucket.set(key, object);
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [name, keysOf] of Object.entries(this.#setup.options?.indices ?? {})) {
      const index = this.#indices.get(name);
      for (const value of keysOf(object)) {
        const bucket = index?.get(value);
        bucket?.delete(key);
        if (bucket?.size === 0) index?.delete(value);
      }
    }
  }

  #emit(type: ChangeType, object: T, previous: T | undefined): void {
    for (const handler of this.#handlers) this.#call(handler, type, object, previous);
  }

  #call(handler: ChangeHandler<T>, type: ChangeType, object: T, previous: T | undefined): void {
    try {
      handler(type, object, previous);
    } catch (error) {
      // One reconciler's mistake must not end the watch that all others share.
      this.#log.error('a change handler threw', { resource: this.resource.resource, error: messageOf(error) });
    }
  }
}

function selectionOf<T extends KubeObject>(options: InformerOptions<T> | undefined) {
  return {
    ...(options?.namespace === undefined ? {} : { namespace: options.namespace }),
    ...(options?.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
    ...(options?.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector }),
  };
}
