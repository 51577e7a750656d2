/**
 * Talking to a Docker engine: where it is, deadlines on calls, and its errors as faults.
 * Codes: RUNTIME_UNAVAILABLE, RUNTIME_PERMISSION, RUNTIME_NOT_FOUND, and RUNTIME_REFUSED for what
 * the engine answered with another error (its own words are the message).
 */
import { Agent } from 'node:http';
import Docker from 'dockerode';
import { Fault, messageOf } from '#src/std/fault.ts';

/** Without a byte from the engine for this long, a call has failed. Removing under load takes seconds. */
const CALL_IDLE_MS = 60_000;
const SOCKETS_MAX = 64;

export interface Engine {
  /** For calls that answer soon. */
  calls: Docker;
  /** For streams, which may be silent for as long as they like. */
  streams: Docker;
  /** For messages. */
  where: string;
}

/** What `docker` itself would use; the Unix socket, or the address in DOCKER_HOST. */
export function engineAddress(): { where: string; socketPath?: string } {
  const host = process.env['DOCKER_HOST'] ?? '';
  if (host === '') return { where: 'unix:///var/run/docker.sock', socketPath: '/var/run/docker.sock' };
  return host.startsWith('unix://')
    ? { where: host, socketPath: host.slice('unix://'.length) || '/var/run/docker.sock' }
    : { where: host };
}

export function connectEngine(): Engine {
  const { where, socketPath } = engineAddress();
  // TLS and ssh engines need dockerode's own agents. No connection is kept: the engine closes idle ones.
  const calls = socketPath === undefined ? {} : { socketPath, agent: new Agent({ maxSockets: SOCKETS_MAX }) };
  const streams = socketPath === undefined ? {} : { socketPath, agent: new Agent() };
  return {
    calls: new Docker({ ...calls, timeout: CALL_IDLE_MS }),
    streams: new Docker(streams),
    where,
  };
}

/** The HTTP status the engine answered with, if it answered. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** The engine's own sentence, without dockerode's wrapping. */
export function saidBy(error: unknown): string {
  const said = (error as { json?: { message?: unknown } } | undefined)?.json?.message;
  return typeof said === 'string'
    ? said
    : messageOf(error)
        .replace(/^\(HTTP code \d+\) [^-]*- /, '')
        .trim();
}

export function engineFault(engine: Engine, error: unknown, what: string): Fault {
  if (error instanceof Fault) return error;
  const status = statusOf(error);
  if (status === 404) return new Fault('RUNTIME_NOT_FOUND', `${what}: ${saidBy(error)}`, 'never', error);
  if (status !== undefined)
    return new Fault('RUNTIME_REFUSED', `${what}: ${saidBy(error)}`, status < 500 ? 'never' : 'later', error);
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') {
    return new Fault(
      'RUNTIME_PERMISSION',
      `this user may not use the Docker engine at ${engine.where}; join its group (usually: sudo usermod -aG docker $USER, then log in again), run as root, or use runtime: process`,
      'never',
      error,
    );
  }
  return new Fault(
    'RUNTIME_UNAVAILABLE',
    `no Docker engine answers at ${engine.where} (${what}: ${messageOf(error)}); start it, set DOCKER_HOST to its address, or use runtime: process`,
    'later',
    error,
  );
}

/** Await a call; its errors become faults. */
export async function call<T>(engine: Engine, what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw engineFault(engine, error, what);
  }
}

/** Until a stream has begun; afterwards it may be silent. */
const OPEN_MS = 30_000;

/** Await a stream's beginning; one that begins too late is closed. */
export async function opened<T extends object>(
  engine: Engine,
  what: string,
  work: Promise<T>,
  timeoutMs: number = OPEN_MS,
): Promise<T> {
  let isLate = false;
  const late = (): Error => {
    isLate = true;
    return new Fault('RUNTIME_UNAVAILABLE', `${what}: the engine said nothing for ${timeoutMs} ms`, 'later');
  };
  work.then(
    (stream) => {
      if (isLate) (stream as { destroy?: () => void }).destroy?.();
    },
    () => undefined, // Told below, if somebody still waits.
  );
  return withDeadline(call(engine, what, work), timeoutMs, late);
}

/** Await a call; when the thing is not there, `missing`. */
export async function callOr<T, M>(engine: Engine, what: string, work: Promise<T>, missing: M): Promise<T | M> {
  try {
    return await work;
  } catch (error) {
    if (statusOf(error) === 404) return missing;
    throw engineFault(engine, error, what);
  }
}

export async function withDeadline<T>(work: Promise<T>, timeoutMs: number, fail: () => Error): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(fail()), timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

export async function pingEngine(engine: Engine, timeoutMs: number): Promise<void> {
  const late = (): Error =>
    new Fault(
      'RUNTIME_UNAVAILABLE',
      `the Docker engine at ${engine.where} does not answer within ${timeoutMs} ms; see its log, or use runtime: process`,
      'later',
    );
  const answer = call(engine, 'ping', engine.calls.ping());
  answer.catch(() => undefined); // May fail after the deadline, when nobody listens any more.
  await withDeadline(answer, timeoutMs, late);
}
