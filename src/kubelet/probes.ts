/** Startup, liveness and readiness probes of one running attempt of a container. */
import type { Container, Probe } from '#src/api/objects.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { Fault, messageOf } from '#src/std/fault.ts';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

export interface ProbeReport {
  started(): void;
  ready(isReady: boolean): void;
  /** The threshold is reached: the container has to go. */
  unhealthy(kind: 'startup' | 'liveness', message: string): void;
  /** One failed probe, for an event. */
  failed(kind: ProbeKind, message: string): void;
}

export interface Prober {
  stop(): void;
}

const EXEC_OUTPUT_BYTES_MAX = 10 * 1024;

interface Options {
  clock: Clock;
  runtime: Runtime;
  container: Container;
  containerId: string;
  /** Address to probe when the probe names no host. */
  podIp: string;
  startedAtMs: number;
  report: ProbeReport;
}

function portOf(container: Container, port: number | string): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((p) => p.name === port)?.containerPort;
  if (named === undefined) throw new Fault('KUBELET_PROBE', `couldn't find port: ${port}`, 'never');
  return named;
}

async function runExec(options: Options, command: string[], timeoutMs: number): Promise<void> {
  const session = await options.runtime.exec(options.containerId, { command, tty: false, stdin: false });
  let output = '';
  const timer = options.clock.after(timeoutMs, () => session.cancel());
  try {
    const pump = session.output.pump((chunk) => {
      if (output.length < EXEC_OUTPUT_BYTES_MAX) output += new TextDecoder().decode(chunk);
    });
    const { exitCode } = await session.exited;
    await pump;
    if (exitCode !== 0) throw new Fault('KUBELET_PROBE', output.trim(), 'later');
  } finally {
    timer.cancel();
  }
}

async function once(options: Options, probe: Probe): Promise<void> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.exec) {
    await runExec(options, probe.exec.command ?? [], timeoutMs);
  } else if (probe.httpGet) {
    const { host, path, scheme, httpHeaders } = probe.httpGet;
    const answer = await options.runtime.probe(
      {
        type: 'http',
        host: host || options.podIp,
        port: portOf(options.container, probe.httpGet.port),
        path: path || '/',
        scheme: scheme === 'HTTPS' ? 'https' : 'http',
        headers: httpHeaders ?? [],
      },
      timeoutMs,
    );
    const status = answer.status ?? 0;
    if (status < 200 || status >= 400)
      throw new Fault('KUBELET_PROBE', `HTTP probe failed with statuscode: ${status}`, 'later');
  } else if (probe.tcpSocket) {
    await options.runtime.probe(
      {
        type: 'tcp',
        host: probe.tcpSocket.host || options.podIp,
        port: portOf(options.container, probe.tcpSocket.port),
      },
      timeoutMs,
    );
  } else {
    throw new Fault('KUBELET_PROBE', 'this kind of probe is not supported here', 'never');
  }
}

/** Begin probing; without a probe of a kind its answer is yes. */
export function createProber(options: Options): Prober {
  const { clock, container, report } = options;
  const timers = new Map<ProbeKind, Timer>();
  let stopped = false;

  function loop(kind: ProbeKind, probe: Probe): void {
    const periodMs = (probe.periodSeconds ?? 10) * 1000;
    let successes = 0;
    let failures = 0;

    async function round(): Promise<void> {
      let failure: string | undefined;
      try {
        await once(options, probe);
      } catch (error) {
        failure = messageOf(error);
      }
      if (stopped) return;
      if (failure === undefined) {
        failures = 0;
        successes += 1;
        if (successes >= (probe.successThreshold ?? 1) && succeed(kind)) return;
      } else {
        successes = 0;
        failures += 1;
        report.failed(kind, failure);
        if (failures >= (probe.failureThreshold ?? 3) && fail(kind, failure)) return;
      }
      schedule(periodMs);
    }

    function schedule(delayMs: number): void {
      timers.set(
        kind,
        clock.after(delayMs, () => void round()),
      );
    }
    const sinceStart = clock.wallMs() - options.startedAtMs;
    schedule(Math.max(0, (probe.initialDelaySeconds ?? 0) * 1000 - sinceStart));
  }

  /** Whether the loop of this kind is over. */
  function succeed(kind: ProbeKind): boolean {
    if (kind === 'readiness') report.ready(true);
    if (kind !== 'startup') return false;
    begin();
    return true;
  }

  function fail(kind: ProbeKind, message: string): boolean {
    if (kind === 'readiness') {
      report.ready(false);
      return false;
    }
    report.unhealthy(kind, message);
    return true;
  }

  /** After the start-up is over. */
  function begin(): void {
    report.started();
    if (container.livenessProbe) loop('liveness', container.livenessProbe);
    if (container.readinessProbe) loop('readiness', container.readinessProbe);
    else report.ready(true);
  }

  if (container.startupProbe) loop('startup', container.startupProbe);
  else begin();

  return {
    stop() {
      stopped = true;
      for (const timer of timers.values()) timer.cancel();
    },
  };
}
