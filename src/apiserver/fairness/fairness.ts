/**
 * Who may be served now: API Priority and Fairness. Every request belongs to a flow of a FlowSchema, which names a
 * priority level; levels have seats, lend idle ones, and queue fairly among flows or refuse with 429.
 * What runs inside the node (controllers, scheduler, kubelet) and the peer links never come through here.
 * Read next: configuration.ts (the data), classify.ts, queue-set.ts.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Identity } from '#src/registry/client.ts';
import type { Metrics } from '#src/std/metrics.ts';
import type { RequestInfo } from '../request-info.ts';
import { classify, inOrder } from './classify.ts';
import {
  CATCH_ALL,
  EXEMPT,
  SUGGESTED,
  type FlowConfiguration,
  type FlowSchema,
  type PriorityLevel,
} from './configuration.ts';
import { QueueSet, type Waiting } from './queue-set.ts';

/** Seats in all: Kubernetes' --max-requests-inflight 400 and --max-mutating-requests-inflight 200. */
export const SEATS_TOTAL = 600;
/** A request that has found no seat by then is refused: a quarter of its deadline, as upstream. */
export const QUEUE_WAIT_MS_MAX = 15_000;
export const RETRY_AFTER_SECONDS = 1;
/** Requests of administrators at once: exempt from queues, not from memory. Probes are not counted. */
export const EXEMPT_MAX = 600;
/** Requests that wait, over all levels: each holds some memory. */
export const WAITING_MAX = 5_000;

export interface Seat {
  headers: Record<string, string>;
  schema: string;
  level: string;
  /** Idempotent. */
  release(): void;
}

export interface LevelView {
  name: string;
  exempt: boolean;
  nominalSeats: number;
  executing: number;
  waiting: number;
}

export interface Fairness {
  /** @throws ApiError 429 when the queue is full or the wait too long. */
  admit(identity: Identity, info: RequestInfo): Promise<Seat>;
  /** Objects as they are now; what is mandatory is added. Requests that wait or run keep the level they are in. */
  configure(configuration: FlowConfiguration): void;
  levels(): LevelView[];
}

/** The built-in schema of health checks. */
const PROBES = 'probes';

interface Level {
  config: PriorityLevel;
  nominal: number;
  lendable: number;
  borrowMax: number;
  executing: number;
  queues: QueueSet | undefined;
}

interface Meters {
  dispatched: ReturnType<Metrics['counter']>;
  rejected: ReturnType<Metrics['counter']>;
  waited: ReturnType<Metrics['histogram']>;
}

export function createFairness(setup: { clock: Clock; metrics: Metrics; seats?: number }): Fairness {
  return new Admission(setup);
}

class Admission implements Fairness {
  readonly #clock: Clock;
  readonly #meters: Meters;
  readonly #seats: number;
  #schemas: FlowSchema[] = [];
  #levels = new Map<string, Level>();

  constructor({ clock, metrics, seats }: { clock: Clock; metrics: Metrics; seats?: number }) {
    this.#clock = clock;
    this.#seats = seats ?? SEATS_TOTAL;
    this.#meters = metersOf(metrics, () => this.levels());
    this.configure(SUGGESTED);
  }

  configure(given: FlowConfiguration): void {
    const configuration = withMandatory(given);
    const limited = configuration.priorityLevels.filter((level) => level.limited !== undefined);
    const shares = limited.reduce((sum, level) => sum + (level.limited?.nominalConcurrencyShares ?? 0), 0);
    const before = this.#levels;
    this.#levels = new Map();
    for (const config of configuration.priorityLevels) {
      const share = config.limited?.nominalConcurrencyShares ?? 0;
      const nominal = shares === 0 ? 0 : Math.ceil((this.#seats * share) / shares);
      const percent = config.limited?.borrowingLimitPercent;
      const sizes = {
        config,
        nominal,
        lendable: Math.round((nominal * (config.limited?.lendablePercent ?? 0)) / 100),
        borrowMax: percent === undefined ? this.#seats : Math.round((nominal * percent) / 100),
      };
      const known = before.get(config.name);
      const sameQueues = known !== undefined && sameQueuing(known.config, config);
      const queuing = config.limited?.queuing;
      if (known !== undefined && sameQueues) this.#levels.set(config.name, Object.assign(known, sizes));
      else {
        const queues = queuing === undefined ? undefined : new QueueSet(queuing);
        this.#levels.set(config.name, { ...sizes, executing: 0, queues });
      }
    }
    this.#schemas = inOrder(configuration.flowSchemas.filter((schema) => this.#levels.has(schema.priorityLevel)));
    this.#serveAll();
  }

  levels(): LevelView[] {
    return [...this.#levels.values()].map(({ config, nominal, executing, queues }) => ({
      name: config.name,
      exempt: config.limited === undefined,
      nominalSeats: nominal,
      executing,
      waiting: queues?.length ?? 0,
    }));
  }

  async admit(identity: Identity, info: RequestInfo): Promise<Seat> {
    const flow = classify(this.#schemas, identity, info);
    const level = this.#levels.get(flow?.schema.priorityLevel ?? CATCH_ALL);
    if (flow === undefined || level === undefined) throw tooMany();
    const { schema } = flow;
    if (level.config.limited === undefined && level.executing >= EXEMPT_MAX && isCapped(schema, info)) {
      this.#meters.rejected.add(labelsOf(level, schema, 'concurrency-limit'));
      throw tooMany();
    }
    if (level.config.limited === undefined || (this.#hasSeat(level) && level.queues === undefined)) {
      return this.#seat(level, schema, () => undefined);
    }
    if (level.queues === undefined) {
      this.#meters.rejected.add(labelsOf(level, schema, 'concurrency-limit'));
      throw tooMany();
    }
    return await this.#queue(level, level.queues, schema, `${schema.name}\n${flow.distinguisher}`);
  }

  /** Everything limited goes through a queue, if only to leave it at once: so that every flow's use is counted. */
  #queue(level: Level, queues: QueueSet, schema: FlowSchema, flow: string): Promise<Seat> {
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const sinceMs = this.#clock.monotonicMs();
      const refuse = (reason: string) => {
        this.#meters.rejected.add(labelsOf(level, schema, reason));
        reject(tooMany());
      };
      const request: Waiting = {
        flow,
        sinceMs,
        dispatch: (done) => {
          timer?.cancel();
          const waitedMs = this.#clock.monotonicMs() - sinceMs;
          this.#meters.waited.observe({ ...labelsOf(level, schema), execute: 'true' }, waitedMs / 1000);
          resolve(this.#seat(level, schema, () => done(this.#clock.monotonicMs())));
        },
      };
      const waiting = this.levels().reduce((sum, one) => sum + one.waiting, 0);
      if (waiting >= WAITING_MAX || !queues.enqueue(request, sinceMs)) {
        refuse('queue-full');
        return;
      }
      timer = this.#clock.after(QUEUE_WAIT_MS_MAX, () => {
        if (queues.remove(request, this.#clock.monotonicMs())) refuse('time-out');
      });
      this.#serve(level);
    });
  }

  #seat(level: Level, schema: FlowSchema, done: () => void): Seat {
    level.executing += 1;
    this.#meters.dispatched.add(labelsOf(level, schema));
    let over = false;
    return {
      schema: schema.name,
      level: level.config.name,
      headers: {
        'x-kubernetes-pf-flowschema-uid': schema.uid,
        'x-kubernetes-pf-prioritylevel-uid': level.config.uid,
      },
      release: () => {
        if (over) return;
        over = true;
        level.executing -= 1;
        done();
        this.#serve(level);
        // A seat that was lent, or that may be, can be anybody's now.
        this.#serveAll();
      },
    };
  }

  #serveAll(): void {
    for (const level of this.#levels.values()) this.#serve(level);
  }

  #serve(level: Level): void {
    const { queues } = level;
    if (queues === undefined) return;
    while (queues.length > 0 && this.#hasSeat(level)) {
      if (!queues.dispatchNext(this.#clock.monotonicMs())) return;
    }
  }

  /**
   * Below what it never lends a level always has a seat; below its nominal seats while any is free; above them while
   * others have idle seats to lend. What is never lent by one is never taken by another.
   */
  #hasSeat(level: Level): boolean {
    if (level.executing < level.nominal - level.lendable) return true;
    let total = 0;
    let borrowed = 0;
    let idle = 0;
    for (const other of this.#levels.values()) {
      if (other.config.limited === undefined) continue;
      total += other.executing;
      borrowed += Math.max(0, other.executing - other.nominal);
      if (other !== level) idle += Math.max(0, Math.min(other.lendable, other.nominal - other.executing));
    }
    if (level.executing < level.nominal) return total < this.#seats;
    return level.executing - level.nominal < level.borrowMax && borrowed < idle && total < this.#seats;
  }
}

/** Health checks must pass a flood; watches have a bound of their own. */
function isCapped(schema: FlowSchema, info: RequestInfo): boolean {
  return schema.name !== PROBES && !info.longRunning;
}

function sameQueuing(a: PriorityLevel, b: PriorityLevel): boolean {
  return JSON.stringify(a.limited?.queuing) === JSON.stringify(b.limited?.queuing);
}

/** exempt and catch-all are always there and always so (upstream's mandatory objects). */
function withMandatory(given: FlowConfiguration): FlowConfiguration {
  const names = [EXEMPT, CATCH_ALL];
  const mandatory = <T extends { name: string }>(all: T[], own: T[]): T[] => [
    ...all.filter(({ name }) => !names.includes(name)),
    ...own
      .filter(({ name }) => names.includes(name))
      .map((one) => ({ ...one, uid: uidOf(all, one.name) ?? (one as { uid?: string }).uid })),
  ];
  return {
    priorityLevels: mandatory(given.priorityLevels, SUGGESTED.priorityLevels),
    flowSchemas: mandatory(given.flowSchemas, SUGGESTED.flowSchemas),
  };
}

function uidOf(all: readonly { name: string }[], wanted: string): string | undefined {
  return (all.find(({ name }) => name === wanted) as { uid?: string } | undefined)?.uid;
}

function labelsOf(level: Level, schema: FlowSchema, reason?: string): Record<string, string> {
  const labels = { priority_level: level.config.name, flow_schema: schema.name };
  return reason === undefined ? labels : { ...labels, reason };
}

function metersOf(metrics: Metrics, levels: () => LevelView[]): Meters {
  const both = ['priority_level', 'flow_schema'];
  const gauge = (name: string, help: string) =>
    metrics.gauge(`apiserver_flowcontrol_${name}`, help, ['priority_level']);
  const executing = gauge('current_executing_seats', 'Seats occupied by requests that are being worked on');
  const waiting = gauge('current_inqueue_requests', 'Requests that wait in the queues of a priority level');
  const nominal = gauge('nominal_limit_seats', 'Seats a priority level has by its shares');
  metrics.onCollect(() => {
    for (const level of levels()) {
      executing.set({ priority_level: level.name }, level.executing);
      waiting.set({ priority_level: level.name }, level.waiting);
      nominal.set({ priority_level: level.name }, level.nominalSeats);
    }
  });
  return {
    dispatched: metrics.counter(
      'apiserver_flowcontrol_dispatched_requests_total',
      'Requests that were given a seat',
      both,
    ),
    rejected: metrics.counter('apiserver_flowcontrol_rejected_requests_total', 'Requests that were refused', [
      ...both,
      'reason',
    ]),
    waited: metrics.histogram(
      'apiserver_flowcontrol_request_wait_duration_seconds',
      'Time a request waited in its queue',
      [...both, 'execute'],
      [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
    ),
  };
}

function tooMany(): ApiError {
  return new ApiError(429, 'TooManyRequests', 'too many requests, please try again later', {
    details: { retryAfterSeconds: RETRY_AFTER_SECONDS },
  });
}
