/**
 * The API's verbs without HTTP: reading, planning and proposing writes, admission, subresources.
 * Owns: the keys and bytes of objects, the rules of every verb, who may do what.
 * Imports: std, ports, api, store's transaction types, replica's Proposer and Reader. Never: HTTP, clocks of its own.
 * Read next: client.ts (what others call), verbs.ts (what the edge calls), commit.ts (how a write happens),
 * create.ts / update.ts / delete.ts (the plans), read.ts, watch.ts.
 */
import type { Kind } from '#src/api/kinds.ts';
import { assert } from '#src/std/assert.ts';
import { createAggregation, type Aggregation } from './aggregation.ts';
import type { Client, ClientFor, Identity } from './client.ts';
import type { RegistryConfig, RegistryCore, RegistryPorts } from './core.ts';
import { Programs } from './admission/expressions.ts';
import { createQuotaKeeper, type QuotaKeeper } from './quota-keeper.ts';
import { inProcessClient } from './in-process-client.ts';
import { servedKinds, type ServedKinds } from './kinds.ts';
import { objectRange } from './keys.ts';
import { createRbac } from './rbac.ts';
import { DecodedCache } from './raw.ts';
import { parseIpv4Range } from './services.ts';
import { verbsFor, type Verbs } from './verbs.ts';

export type { RegistryConfig, RegistryPorts } from './core.ts';

export const SERVICE_CIDR_DEFAULT = '10.96.0.0/12';
export const NODE_PORT_RANGE_DEFAULT = { from: 30_000, to: 32_767 };
/** Kubernetes' DefaultTolerationSeconds. */
export const EVICTION_TOLERATION_SECONDS_DEFAULT = 300;

export interface Registry {
  clientFor: ClientFor;
  /** For the HTTP edge: the same verbs on ready bytes. */
  verbsFor(identity: Identity): Verbs;
  /** Objects of a kind in the local state, for metrics. */
  countOf(kind: Kind): number;
  readonly config: Required<RegistryConfig>;
  /** For the leader. */
  readonly quotas: QuotaKeeper;
  /** Fixed kinds and custom resources, by the local state. */
  readonly kinds: ServedKinds;
  /** Groups that other API servers have. */
  readonly aggregation: Aggregation;
}

export function createRegistry(from: RegistryPorts & { config: RegistryConfig }): Registry {
  const config: Required<RegistryConfig> = {
    serviceCidr: from.config.serviceCidr,
    nodePortRange: from.config.nodePortRange ?? NODE_PORT_RANGE_DEFAULT,
    evictionTolerationSeconds: from.config.evictionTolerationSeconds ?? EVICTION_TOLERATION_SECONDS_DEFAULT,
  };
  assert(
    parseIpv4Range(config.serviceCidr) !== undefined,
    `serviceCidr ${config.serviceCidr} is not an IPv4 range such as ${SERVICE_CIDR_DEFAULT}`,
  );
  const decoded = new DecodedCache();
  const core: RegistryCore = {
    clock: from.clock,
    random: from.random,
    log: from.log.scope('registry'),
    proposer: from.proposer,
    reader: from.reader,
    ...(from.frontProxy === undefined ? {} : { frontProxy: from.frontProxy }),
    config,
    decoded,
    rbac: createRbac(from.reader, decoded),
    ...(from.http === undefined ? {} : { http: from.http }),
    ...(from.judgeToken === undefined ? {} : { judgeToken: from.judgeToken }),
    kinds: servedKinds(from.reader),
    programs: new Programs(),
  };
  return {
    config,
    quotas: createQuotaKeeper(core),
    kinds: core.kinds,
    aggregation: createAggregation(core),
    verbsFor: (identity) => verbsFor(core, identity),
    countOf: (kind) => core.reader.local().range({ ...objectRange(kind, undefined), limit: 1 }).count,
    clientFor: (identity): Client => inProcessClient(core, verbsFor(core, identity)),
  };
}
