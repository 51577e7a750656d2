/**
 * The record of who did what: audit.k8s.io/v1 Events, a JSON line each, given to a sink that never makes a request
 * wait. Bodies are kept only where the policy asks for them, and only up to a size.
 * Read next: policy.ts (what is recorded), log-file.ts (where it goes).
 */
import type { ApiError } from '#src/api/api-error.ts';
import type { Clock } from '#src/ports/clock.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import type { Random } from '#src/ports/random.ts';
import { utf8 } from '#src/registry/bytes.ts';
import type { Identity } from '#src/registry/client.ts';
import type { Metrics } from '#src/std/metrics.ts';
import type { RequestInfo } from '../request-info.ts';
import { statusOf } from '../status.ts';
import { decide, type AuditDecision, type AuditPolicy, type AuditStage } from './policy.ts';

/** A larger body is left out and the event says so. */
export const AUDIT_BODY_BYTES_MAX = 256 * 1024;
const URI_CHARACTERS_MAX = 4096;
const HEADER_CHARACTERS_MAX = 1024;
const SOURCES_MAX = 16;

/** Takes a line and returns at once; false: it had to be dropped. */
export interface AuditSink {
  write(line: Uint8Array): boolean;
}

export interface AuditOptions {
  policy: AuditPolicy;
  sink: AuditSink;
  random: Random;
}

/** One request on its way; every call is cheap, and none throws. */
export interface AuditTrail {
  readonly id: string;
  /** Hands on the request, noting its body where that is wanted. */
  watchRequest(request: HttpRequest): HttpRequest;
  /** The answer's head is out and it goes on. */
  started(status: number): void;
  /** The whole answer, when it is one piece. */
  answered(status: number, contentType: string, body: Uint8Array): void;
  refused(error: ApiError): void;
  /** Once, at the end. */
  complete(panic: boolean): void;
}

export interface Audit {
  /** undefined: this request is not recorded. */
  begin(
    request: HttpRequest,
    who: { identity: Identity; as?: Identity | undefined },
    info: RequestInfo,
  ): AuditTrail | undefined;
}

export function createAudit(setup: AuditOptions & { clock: Clock; metrics: Metrics }): Audit {
  const events = setup.metrics.counter('apiserver_audit_event_total', 'Audit events made');
  const errors = setup.metrics.counter('apiserver_audit_error_total', 'Audit events that were lost', ['plugin']);
  const levels = setup.metrics.counter('apiserver_audit_level_total', 'Requests by the level they are recorded at', [
    'level',
  ]);
  return {
    begin(request, who, info) {
      const decision = decide(setup.policy, who.identity, info);
      levels.add({ level: decision.level });
      if (decision.level === 'None') return undefined;
      const given = request.headers['audit-id'] ?? '';
      const id = /^[\x21-\x7e]{1,64}$/.test(given) ? given : setup.random.uuid();
      const emit = (event: object) => {
        events.add({});
        if (!setup.sink.write(utf8(`${JSON.stringify(event)}\n`))) errors.add({ plugin: 'log' });
      };
      return new Trail({ id, clock: setup.clock, decision, request, who, info, emit });
    },
  };
}

interface TrailSetup {
  id: string;
  clock: Clock;
  decision: AuditDecision;
  request: HttpRequest;
  who: { identity: Identity; as?: Identity | undefined };
  info: RequestInfo;
  emit: (event: object) => void;
}

class Trail implements AuditTrail {
  readonly id: string;
  readonly #setup: TrailSetup;
  readonly #receivedAt: string;
  readonly #annotations: Record<string, string> = {};
  #requestObject: unknown;
  #responseObject: unknown;
  #status: object | undefined;
  #isOver = false;

  constructor(setup: TrailSetup) {
    this.id = setup.id;
    this.#setup = setup;
    this.#receivedAt = microTime(setup.clock.wallMs());
    this.#emit('RequestReceived');
  }

  watchRequest(request: HttpRequest): HttpRequest {
    if (this.#setup.decision.level === 'Metadata') return request;
    return {
      ...request,
      body: async (limits) => {
        const bytes = await request.body(limits);
        if (bytes.length > 0) this.#requestObject = this.#objectOf(bytes, 'request');
        return bytes;
      },
    };
  }

  started(status: number): void {
    this.#status ??= { metadata: {}, code: status };
    if (this.#setup.info.longRunning) this.#emit('ResponseStarted');
  }

  answered(status: number, contentType: string, body: Uint8Array): void {
    this.#status ??= { metadata: {}, code: status };
    if (this.#setup.decision.level !== 'RequestResponse' || !contentType.startsWith('application/json')) return;
    this.#responseObject = this.#objectOf(body, 'response');
  }

  refused(error: ApiError): void {
    const { kind: _kind, apiVersion: _version, ...status } = statusOf(error);
    this.#status = status;
    this.#annotations['authorization.k8s.io/decision'] =
      error.reason === 'Forbidden' && error.message.includes(' cannot ') ? 'forbid' : 'allow';
  }

  complete(panic: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#emit(panic ? 'Panic' : 'ResponseComplete');
  }

  /** Bodies are shown as the objects they are; what is no JSON (protobuf, YAML) is left out by name. */
  #objectOf(bytes: Uint8Array, which: string): unknown {
    const note = `kontiki.audit/${which}-body`;
    if (bytes.length > AUDIT_BODY_BYTES_MAX) {
      this.#annotations[note] = `left out: ${bytes.length} bytes, more than ${AUDIT_BODY_BYTES_MAX}`;
      return undefined;
    }
    try {
      const object = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
      return this.#setup.decision.omitManagedFields ? withoutManagedFields(object) : object;
    } catch {
      // The request is refused, or decoded, by those whose business it is; the record only says what it lacks.
      this.#annotations[note] = 'left out: not JSON';
      return undefined;
    }
  }

  #emit(stage: AuditStage): void {
    const { decision, request, who, info, clock, emit } = this.#setup;
    if (decision.omitStages.includes(stage)) return;
    const isBegin = stage === 'RequestReceived';
    const sources = (request.headers['x-forwarded-for'] ?? '').split(',').map((one) => one.trim());
    const sourceIPs = [...sources.filter((one) => one !== '').slice(0, SOURCES_MAX), hostOf(request.remoteAddress)];
    const hasAnnotations = Object.keys(this.#annotations).length > 0;
    emit({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: decision.level,
      auditID: this.id,
      stage,
      requestURI: request.url.slice(0, URI_CHARACTERS_MAX),
      verb: info.verb,
      user: userOf(who.identity),
      ...(who.as === undefined ? {} : { impersonatedUser: userOf(who.as) }),
      sourceIPs,
      userAgent: (request.headers['user-agent'] ?? '').slice(0, HEADER_CHARACTERS_MAX),
      ...(info.isResource ? { objectRef: referenceOf(info) } : {}),
      ...(isBegin || this.#status === undefined ? {} : { responseStatus: this.#status }),
      ...(isBegin || this.#requestObject === undefined ? {} : { requestObject: this.#requestObject }),
      ...(isBegin || this.#responseObject === undefined ? {} : { responseObject: this.#responseObject }),
      requestReceivedTimestamp: this.#receivedAt,
      stageTimestamp: microTime(clock.wallMs()),
      ...(isBegin || !hasAnnotations ? {} : { annotations: this.#annotations }),
    });
  }
}

function userOf({ user, groups, uid }: Identity): object {
  return { username: user, ...(uid === undefined ? {} : { uid }), groups };
}

function referenceOf(info: RequestInfo): object {
  const all = {
    resource: info.resource,
    namespace: info.namespace,
    name: info.name,
    apiGroup: info.group,
    apiVersion: info.version,
    subresource: info.subresource,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

function withoutManagedFields(object: unknown): unknown {
  if (typeof object !== 'object' || object === null) return object;
  const { metadata, items } = object as { metadata?: unknown; items?: unknown };
  if (typeof metadata === 'object' && metadata !== null) delete (metadata as Record<string, unknown>)['managedFields'];
  if (Array.isArray(items)) for (const item of items) withoutManagedFields(item);
  return object;
}

/** `10.0.0.1:1234` or `[::1]:1234` or without a port. */
function hostOf(address: string): string {
  const match = /^\[?(.+?)\]?:\d+$/.exec(address);
  const isPlainIpv6 = !address.startsWith('[') && address.split(':').length > 2;
  return isPlainIpv6 ? address : (match?.[1] ?? address);
}

function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
