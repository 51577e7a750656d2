/** /healthz, /livez and /readyz in Kubernetes' words (k8s.io/apiserver/pkg/server/healthz, 1.36). */
import type { Metrics } from '#src/std/metrics.ts';
import type { Exchange } from './exchange.ts';

/** A named check of readiness or liveness: undefined when well, else what is wrong. */
export interface HealthCheck {
  name: string;
  check(): string | undefined;
}

export interface HealthSettings {
  livenessChecks: HealthCheck[];
  readinessChecks: HealthCheck[];
  metrics?: Metrics | undefined;
}

export const HEALTH_ENDPOINTS = ['healthz', 'livez', 'readyz'] as const;
export type HealthEndpoint = (typeof HEALTH_ENDPOINTS)[number];

export function isHealthPath(path: string): boolean {
  return HEALTH_ENDPOINTS.some((endpoint) => path === `/${endpoint}` || path.startsWith(`/${endpoint}/`));
}

export function checksOf(settings: HealthSettings, endpoint: HealthEndpoint): HealthCheck[] {
  return [
    { name: 'ping', check: () => undefined },
    ...settings.livenessChecks,
    ...(endpoint === 'readyz' ? settings.readinessChecks : []),
  ];
}

/** False when there is no such check. */
export function sendHealth(exchange: Exchange, settings: HealthSettings, path: string): boolean {
  const [, endpoint = '', only, ...rest] = path.split('/');
  const checks = checksOf(settings, endpoint as HealthEndpoint);
  if (only !== undefined) {
    const check = checks.find(({ name }) => name === [only, ...rest].join('/'));
    if (check === undefined) return false;
    const wrong = run(settings, endpoint, check);
    // The reason is for administrators: the path is open to anybody.
    if (wrong === undefined) exchange.sendText(200, 'ok');
    else exchange.sendText(500, `internal server error: ${shown(exchange, wrong)}\n`);
    return true;
  }
  sendAll(exchange, settings, endpoint, checks);
  return true;
}

function sendAll(exchange: Exchange, settings: HealthSettings, endpoint: string, checks: HealthCheck[]): void {
  const excluded = new Set(exchange.query.getAll('exclude'));
  const lines: string[] = [];
  let failed = false;
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const wrong = run(settings, endpoint, check);
    failed ||= wrong !== undefined;
    lines.push(wrong === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: ${shown(exchange, wrong)}`);
  }
  if (excluded.size > 0) {
    const names = [...excluded].map((name) => JSON.stringify(name.slice(0, 64))).slice(0, 16);
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names.join(',')}`);
  }
  if (failed) exchange.sendText(500, `${lines.join('\n')}\n${endpoint} check failed\n`);
  else if (exchange.query.has('verbose')) exchange.sendText(200, `${lines.join('\n')}\n${endpoint} check passed\n`);
  else exchange.sendText(200, 'ok');
}

function run(settings: HealthSettings, endpoint: string, health: HealthCheck): string | undefined {
  const wrong = health.check();
  const labels = { name: health.name, type: endpoint };
  settings.metrics
    ?.gauge('kubernetes_healthcheck', '1 while a check passes', ['name', 'type'])
    .set(labels, wrong === undefined ? 1 : 0);
  return wrong;
}

function shown(exchange: Exchange, wrong: string): string {
  return exchange.identity.groups.includes('system:masters') ? wrong : 'reason withheld';
}
