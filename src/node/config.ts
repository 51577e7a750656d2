/**
 * The settings of one node. Everything a node is told comes through here; each field is
 * checked with a message that names it, the value and what would be right.
 */
import { AUDIT_LOG_DEFAULTS, type AuditLogSettings } from '#src/apiserver/audit/log-file.ts';
import { parseAuditPolicy, type AuditPolicy } from '#src/apiserver/audit/policy.ts';
import { Fault } from '#src/std/fault.ts';

export interface NodeTimes {
  heartbeatMs: number;
  electionMinMs: number;
  electionMaxMs: number;
  /** How often a node renews its Lease (Kubernetes: 10 s). */
  leaseRenewMs: number;
  /** Silence before a node counts as Unknown (Kubernetes: 40 s). */
  nodeGraceMs: number;
  /** Further silence before its Pods are evicted (Kubernetes: 300 s). */
  podEvictionMs: number;
  /** Silence of a voter before a standby takes its place. */
  voterReplaceMs: number;
}

export interface NodeConfig {
  /** DNS-1123 label, unique in the cluster. */
  name: string;
  api: {
    host: string;
    /** This node's own port. */
    port: number;
    /** Shared with the other nodes of this host (SO_REUSEPORT); 0: none. */
    sharedPort: number;
  };
  peer: { host: string; port: number; /** host:port others dial. */ advertise: string };
  /** Absent on the node that makes the cluster, and ignored once the data directory has an identity. */
  join?: { server: string; token: string };
  /** Peer addresses that are known better than the cluster does, after all members have moved at once. */
  peers: Record<string, string>;
  runtime: 'auto' | 'docker' | 'process';
  /** This node's part of the host: capacity is divided by `count`. */
  hostShare: { index: number; count: number };
  times: NodeTimes;
  /** Chosen at bootstrap when absent. */
  ranges?: { pods?: string; services?: string };
  labels: Record<string, string>;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Absent: nothing is recorded. */
  audit?: AuditSettings;
}

export interface AuditSettings extends Omit<AuditLogSettings, 'directory'> {
  policy: AuditPolicy;
}

export const KUBERNETES_TIMES: NodeTimes = {
  heartbeatMs: 50,
  electionMinMs: 300,
  electionMaxMs: 600,
  leaseRenewMs: 10_000,
  nodeGraceMs: 40_000,
  podEvictionMs: 300_000,
  voterReplaceMs: 30_000,
};

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function fail(field: string, value: unknown, want: string): never {
  throw new Fault(
    'CONFIG_INVALID',
    `setting '${field}' is ${JSON.stringify(value) ?? 'missing'}; it must be ${want}`,
    'never',
  );
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(field, value, 'a mapping');
  return value as Record<string, unknown>;
}

function text(value: unknown, field: string): string {
  if (typeof value !== 'string' || value === '') fail(field, value, 'text');
  return value;
}

function integer(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    fail(field, value, `a whole number from ${min} to ${max}`);
  }
  return value;
}

function known(value: Record<string, unknown>, field: string, names: string[]): void {
  for (const name of Object.keys(value)) {
    if (!names.includes(name))
      fail(field === '' ? name : `${field}.${name}`, value[name], `left out; known settings here: ${names.join(', ')}`);
  }
}

function oneOf<T extends string>(value: unknown, field: string, choices: readonly T[]): T {
  if (!choices.includes(value as T)) fail(field, value, `one of ${choices.join(', ')}`);
  return value as T;
}

/** Times as given, the rest as Kubernetes has them. Faults: CONFIG_INVALID. */
export function parseTimes(input: unknown): NodeTimes {
  const given = record(input ?? {}, 'times');
  known(given, 'times', Object.keys(KUBERNETES_TIMES));
  const times = { ...KUBERNETES_TIMES };
  for (const name of Object.keys(times) as (keyof NodeTimes)[]) {
    if (given[name] !== undefined) times[name] = integer(given[name], `times.${name}`, 10, 3_600_000);
  }
  if (times.electionMinMs < 3 * times.heartbeatMs) {
    fail('times.electionMinMs', times.electionMinMs, `at least three heartbeats (${3 * times.heartbeatMs})`);
  }
  if (times.electionMaxMs <= times.electionMinMs)
    fail('times.electionMaxMs', times.electionMaxMs, `above electionMinMs (${times.electionMinMs})`);
  if (times.nodeGraceMs < 2 * times.leaseRenewMs)
    fail('times.nodeGraceMs', times.nodeGraceMs, `at least twice leaseRenewMs (${2 * times.leaseRenewMs})`);
  return times;
}

/** Check what a file or flags gave. Faults: CONFIG_INVALID. */
export function parseNodeConfig(input: unknown): NodeConfig {
  const given = record(input, 'the configuration');
  known(given, '', [
    'name',
    'api',
    'peer',
    'join',
    'peers',
    'runtime',
    'hostShare',
    'times',
    'ranges',
    'labels',
    'logLevel',
    'audit',
  ]);
  const name = text(given['name'], 'name');
  if (!LABEL.test(name))
    fail('name', name, 'a DNS-1123 label: lower-case letters, digits and -, at most 63 characters');
  const api = record(given['api'], 'api');
  known(api, 'api', ['host', 'port', 'sharedPort']);
  const peer = record(given['peer'], 'peer');
  known(peer, 'peer', ['host', 'port', 'advertise']);
  const peerHost = text(peer['host'] ?? '127.0.0.1', 'peer.host');
  const peerPort = integer(peer['port'], 'peer.port', 1, 65_535);
  const share = record(given['hostShare'] ?? { index: 0, count: 1 }, 'hostShare');
  const config: NodeConfig = {
    name,
    api: {
      host: text(api['host'] ?? '127.0.0.1', 'api.host'),
      port: integer(api['port'], 'api.port', 1, 65_535),
      sharedPort: integer(api['sharedPort'] ?? 0, 'api.sharedPort', 0, 65_535),
    },
    peer: {
      host: peerHost,
      port: peerPort,
      advertise: text(peer['advertise'] ?? `${peerHost}:${peerPort}`, 'peer.advertise'),
    },
    runtime: oneOf(given['runtime'] ?? 'auto', 'runtime', ['auto', 'docker', 'process']),
    hostShare: {
      index: integer(share['index'], 'hostShare.index', 0, 255),
      count: integer(share['count'], 'hostShare.count', 1, 256),
    },
    peers: peersOf(given['peers']),
    times: parseTimes(given['times']),
    labels: labelsOf(given['labels']),
    logLevel: oneOf(given['logLevel'] ?? 'info', 'logLevel', ['debug', 'info', 'warn', 'error']),
  };
  if (given['join'] !== undefined) {
    const join = record(given['join'], 'join');
    known(join, 'join', ['server', 'token']);
    config.join = { server: text(join['server'], 'join.server'), token: text(join['token'], 'join.token') };
  }
  if (given['audit'] !== undefined) config.audit = auditOf(given['audit']);
  if (given['ranges'] !== undefined) config.ranges = rangesOf(given['ranges']);
  return config;
}

function peersOf(input: unknown): Record<string, string> {
  const peers: Record<string, string> = {};
  for (const [name, address] of Object.entries(record(input ?? {}, 'peers'))) {
    if (typeof address !== 'string' || !/^[^\s:]+:\d{1,5}$/.test(address))
      fail(`peers.${name}`, address, 'host:port of the peer link of that node');
    peers[name] = address;
  }
  return peers;
}

function labelsOf(input: unknown): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(record(input ?? {}, 'labels'))) {
    if (typeof value !== 'string') fail(`labels.${key}`, value, 'text');
    labels[key] = value;
  }
  return labels;
}

/** The command line has read the policy's file by now. */
function auditOf(input: unknown): AuditSettings {
  const given = record(input, 'audit');
  known(given, 'audit', ['policy', 'maxSizeMb', 'maxBackups', 'maxAgeDays']);
  const { maxSizeMb, maxBackups, maxAgeDays } = AUDIT_LOG_DEFAULTS;
  return {
    policy: parseAuditPolicy(given['policy']),
    maxSizeMb: integer(given['maxSizeMb'] ?? maxSizeMb, 'audit.maxSizeMb', 1, 10_000),
    maxBackups: integer(given['maxBackups'] ?? maxBackups, 'audit.maxBackups', 0, 1000),
    maxAgeDays: integer(given['maxAgeDays'] ?? maxAgeDays, 'audit.maxAgeDays', 0, 3650),
  };
}

const CIDR = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/;

function rangesOf(input: unknown): { pods?: string; services?: string } {
  const given = record(input, 'ranges');
  known(given, 'ranges', ['pods', 'services']);
  const ranges: { pods?: string; services?: string } = {};
  for (const name of ['pods', 'services'] as const) {
    if (given[name] === undefined) continue;
    const value = text(given[name], `ranges.${name}`);
    const match = CIDR.exec(value);
    if (
      !match ||
      match.slice(1, 5).some((part) => Number(part) > 255) ||
      Number(match[5]) > 24 ||
      Number(match[5]) < 8
    ) {
      fail(`ranges.${name}`, value, 'an IPv4 range such as 10.64.0.0/16, from /8 to /24');
    }
    ranges[name] = value;
  }
  return ranges;
}
