/**
 * A whole node out of ports and a configuration: the composition root. What runs here on real
 * drivers runs unchanged in the simulator.
 * Owns: the order of starting and stopping, and who gets which identity.
 * Imports: everything but drivers, sim and cli.
 * Read next: birth.ts (bootstrap or join), duties.ts (what the leader does), routes.ts (/cluster/v1).
 */
import { createApiServer, type ApiServer } from '#src/apiserver/apiserver.ts';
import { createAuditLog, type AuditLog } from '#src/apiserver/audit/log-file.ts';
import type { KubeObject } from '#src/api/object.ts';
import { issueFrontProxyFor } from '#src/cluster/cluster.ts';
import { createRecords } from '#src/cluster/records.ts';
import { countBoot } from '#src/cluster/identity.ts';
import type { Decision, Records } from '#src/cluster/records.ts';
import { createVoterManager, survivalOf, type VoterManager } from '#src/cluster/voters.ts';
import { createMoorings, type Moorings } from './moorings.ts';
import { createKubelet, type Kubelet } from '#src/kubelet/kubelet.ts';
import { nodeAddressOf } from '#src/kubelet/addresses.ts';
import type { Ports } from '#src/ports/ports.ts';
import { createProxy, type Proxy } from '#src/proxy/proxy.ts';
import { createRegistry } from '#src/registry/registry.ts';
import { createReplica, type Replica, type ReplicaMutation, type ReplicaSettings } from '#src/replica/replica.ts';
import type { ReplicaStatus } from '#src/replica/membership.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { createMetrics } from '#src/std/metrics.ts';
import type { Peers } from '#src/wire/peers.ts';
import { createWire, type Wire } from '#src/wire/wire.ts';
import { openClientDoor } from './client-door.ts';
import { createApiEndpoint, type ApiEndpoints } from './api-endpoints.ts';
import { beBorn, type Life } from './birth.ts';
import type { NodeConfig } from './config.ts';
import { createDuties, type LeaderDuties } from './duties.ts';
import { tellNode, type ProcessFacts } from './metrics.ts';
import { CONSENSUS_DIRECTORY } from './rebuild.ts';
import { clusterRoutes } from './routes.ts';
import { VERSION, versionInfo } from './version.ts';

export interface HostFacts {
  cpuMillis: number;
  memoryBytes: number;
  pid: number;
  /** Ranges that the host routes already. */
  routes?: string[];
  system?: { os: string; architecture: string; kernel: string; image: string; machineId: string; bootId: string };
}

export interface NodeOptions {
  ports: Ports;
  config: NodeConfig;
  host: HostFacts;
  /** Objects every cluster starts with. */
  manifests: KubeObject[];
  /** The texts of `kubectl explain`; field '' is the type itself. */
  describe?: (typeName: string, field: string) => string | undefined;
  /** This node cannot go on: its disk failed, or its state is corrupt. */
  onFatal: (fault: Fault) => void;
  /** Test-only: planted bugs for the simulator. */
  mutations?: ReadonlySet<ReplicaMutation>;
  walSegmentBytes?: number;
  /** For the simulator's coverage. */
  mark?: ((mark: string) => void) | undefined;
  /** For /metrics. */
  processFacts?: (() => ProcessFacts) | undefined;
  /** What differs from the replica's defaults; the simulator takes snapshots early. */
  replica?: Partial<ReplicaSettings>;
}

export interface NodeStatus {
  name: string;
  pid: number;
  version: string;
  clusterId: string;
  /** Serves, has caught up, and the API has this node as Ready. */
  ready: boolean;
  replica: ReplicaStatus;
  peers: { name: string; address: string; connected: boolean; rttMs?: number }[];
  /** What the cluster survives with its present voters, in words. */
  survival: string;
  /** The last changes of members with their reasons, oldest first. */
  decisions: Decision[];
  /** On the leader: what should be changed and cannot be now, and why. */
  waiting?: string;
  /** Failure domains by node, and standbys by the operator's wish. */
  zones: Record<string, string>;
  held: string[];
}

export interface Node {
  /** Faults: those of the parts, each with what to do. */
  start(): Promise<void>;
  /** Clean: leadership moves first, containers go on. */
  stop(): Promise<void>;
  status(): NodeStatus;
  /** For checkers; undefined before start. */
  inspect(): Replica | undefined;
}

interface Parts {
  life: Life;
  wire: Wire;
  replica: Replica;
  apiServer: ApiServer;
  auditLog: AuditLog | undefined;
  kubelet: Kubelet;
  proxy: Proxy;
  duties: LeaderDuties;
  voters: VoterManager;
  records: Records;
  moorings: Moorings;
  endpoint: ApiEndpoints;
}

/** Part of the refusal that tells a process that it must not go on. */
const OLDER_COPY = 'an older copy, which may lack what the node has promised,';
const BACKUP_CONFIRM_MS = 5000;
const READY_LAG_MAX_ENTRIES = 1000;
const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** What the operator knows better than the log wins, until the log says the same. */
function withKnownAddresses(wire: Wire, known: Readonly<Record<string, string>>): Peers {
  const left = new Map(Object.entries(known));
  return {
    ...wire,
    setAddress(name, address) {
      const better = left.get(name);
      if (address === undefined || better === address) left.delete(name);
      wire.setAddress(name, address === undefined ? undefined : (left.get(name) ?? address));
    },
  };
}

export function createNode(options: NodeOptions): Node {
  const { ports, config } = options;
  const log = ports.log.scope('node');
  let parts: Parts | undefined;
  let stopping = false;
  /** The newest process of each peer that has come in here; as many as there are members. */
  const meetings = new Map<string, { boots: number; run: string | undefined }>();

  function fatal(fault: Fault): void {
    if (!stopping) options.onFatal(fault);
  }

  async function start(): Promise<void> {
    await ports.disk.lock();
    const info = await ports.runtime.info();
    const life = await beBorn({
      ports,
      config,
      mode: info.network === 'netns' ? 'routed' : 'loopback',
      routes: options.host.routes ?? [],
    });
    const { identity, keys } = life;
    const boots = await countBoot(ports.disk);
    const run = ports.random.uuid();
    const wire = await createWire({
      network: ports.network,
      clock: ports.clock,
      random: ports.random,
      log: ports.log,
      self: config.name,
      clusterId: identity.clusterId,
      incarnation: run,
      version: VERSION,
      boots,
      refusal: (name, process) => refusalOf(name, process),
      identity: { ...keys.peer, authorityPem: keys.trust.peer },
      listen: config.peer,
    });
    const replica = await createReplica({
      ports,
      directory: CONSENSUS_DIRECTORY,
      clusterId: identity.clusterId,
      self: config.name,
      peers: withKnownAddresses(wire, config.peers),
      config: {
        settings: { heartbeatMs: config.times.heartbeatMs, electionMs: config.times.electionMinMs, ...options.replica },
        ...(life.birth ? { bootstrap: { voters: [config.name], addresses: identity.peers } } : {}),
        ...(options.walSegmentBytes === undefined ? {} : { walSegmentBytes: options.walSegmentBytes }),
      },
      ...(options.mutations ? { mutations: options.mutations } : {}),
      mark: options.mark,
      onFatal: fatal,
    });
    for (const [name, address] of Object.entries({ ...identity.peers, ...config.peers }))
      wire.setAddress(name, address);
    await ports.dataplane.prepareNode({
      clusterId: identity.clusterId,
      podCidr: identity.podCidr,
      nodeIp: nodeAddressOf(identity.podCidr),
      clusterPodCidr: identity.ranges.pods,
      serviceCidr: identity.ranges.services,
    });
    // Its own state may never get as far as the record that would tell it.
    wire.onDisconnect((name, reason) => {
      if (reason.includes(OLDER_COPY))
        fatal(new Fault('CLUSTER_OLD_COPY', `${name} refuses this node: ${reason}`, 'never'));
    });
    parts = compose(life, wire, replica, { boots, run });
    openClientDoor(wire, replica);
    replica.start();
    parts.voters.start();
    parts.moorings.start();
    parts.duties.start();
    await startServing(parts);
    parts.kubelet.start();
    parts.proxy.start();
    parts.endpoint.start();
    log.info('started', { node: config.name, cluster: identity.clusterId, version: VERSION });
  }

  /** Members that must not come in, as far as this node knows. */
  function refusalOf(name: string, process: { boots: number; incarnation: string }): string | undefined {
    if (!parts) return undefined;
    const { replica, records } = parts;
    if (replica.status().removed.includes(name))
      return `${name} was removed from this cluster; its data directory is of no use any more`;
    // A process may have been met and have ended before it could register.
    const recorded = records.localBoots(name);
    const met = meetings.get(name);
    const seen = met !== undefined && met.boots > recorded.boots ? met : recorded;
    const isSame = process.boots === seen.boots && process.incarnation === seen.run;
    if (process.boots > seen.boots || isSame) {
      meetings.set(name, { boots: process.boots, run: process.incarnation });
      return undefined;
    }
    return `${name} comes with a data directory of its start ${process.boots}, ${OLDER_COPY} of the one that was seen at start ${seen.boots}`;
  }

  function compose(life: Life, wire: Wire, replica: Replica, started: { boots: number; run: string }): Parts {
    const { clock, random } = ports;
    const { identity, keys } = life;
    const records = createRecords({ proposer: replica, reader: replica });
    let frontProxy: ReturnType<typeof issueFrontProxyFor> | undefined;
    const registry = createRegistry({
      clock,
      random,
      log: ports.log,
      proposer: replica,
      reader: replica,
      http: ports.http,
      // Made when first needed; most clusters aggregate nothing.
      frontProxy: () => (frontProxy ??= issueFrontProxyFor({ crypto: ports.crypto, keys, records })),
      config: {
        serviceCidr: identity.ranges.services,
        evictionTolerationSeconds: Math.round(config.times.podEvictionMs / 1000),
      },
    });
    const clientOf = (user: string, ...groups: string[]) =>
      registry.clientFor({ user, groups: [...groups, 'system:authenticated'] });
    const nodeIdentity = clientOf(`system:node:${config.name}`, 'system:nodes');
    const kubelet = createKubelet({
      client: nodeIdentity,
      clock,
      random,
      log: ports.log,
      runtime: ports.runtime,
      dataplane: ports.dataplane,
      peers: wire,
      config: {
        clusterId: identity.clusterId,
        nodeName: config.name,
        podCidr: identity.podCidr,
        hostIp: config.api.host,
        labels: config.labels,
        cpuMillis: Math.floor(options.host.cpuMillis / config.hostShare.count),
        memoryBytes: Math.floor(options.host.memoryBytes / config.hostShare.count),
        podsMax: 110,
        leaseRenewMs: config.times.leaseRenewMs,
        leaseDurationSeconds: Math.max(1, Math.round(config.times.nodeGraceMs / 1000)),
        version: versionInfo().gitVersion,
        system: options.host.system ?? {
          os: 'linux',
          architecture: 'amd64',
          kernel: '',
          image: '',
          machineId: '',
          bootId: '',
        },
        limits: async () => (await ports.dataplane.capabilities()).limits,
      },
    });
    const metrics = createMetrics();
    const duties = createDuties({
      metrics,
      clientOf,
      clock,
      random,
      log: ports.log,
      membership: replica,
      proposer: replica,
      quotas: registry.quotas,
      disk: ports.disk,
      life,
      times: config.times,
      manifests: options.manifests,
      apiPort: config.api.port,
    });
    const routes = clusterRoutes({
      ports,
      keys,
      records,
      membership: replica,
      wire,
      status,
      actors: () => [...duties.listActors(), ...kubelet.listActors()].map((actor) => ({ node: config.name, ...actor })),
      name: config.name,
      clusterId: identity.clusterId,
      store: () => replica.store,
      confirm: () => replica.confirm({ type: 'linearizable' }, { deadlineMs: BACKUP_CONFIRM_MS }),
      removeContainers: () => kubelet.removeContainers().then(() => ports.dataplane.removeAll()),
    });
    tellNode(metrics, { replica, version: versionInfo(), processFacts: options.processFacts });
    const auditLog = config.audit && createAuditLog({ ...ports, settings: config.audit });
    const apiServer = createApiServer({
      http: ports.http,
      clock,
      log: ports.log,
      registry,
      streams: wire,
      config: {
        version: versionInfo(),
        serverAddress: `${config.api.host}:${config.api.port}`,
        describe: options.describe,
      },
      readinessChecks: [{ name: 'consensus', check: () => unreadyReason(replica) }],
      extraRoutes: routes,
      metrics,
      ...(auditLog && config.audit ? { audit: { policy: config.audit.policy, sink: auditLog, random } } : {}),
    });
    return {
      life,
      wire,
      replica,
      apiServer,
      auditLog,
      kubelet,
      duties,
      proxy: createProxy({
        client: clientOf('system:kube-proxy'),
        clock,
        random,
        log: ports.log,
        dataplane: ports.dataplane,
      }),
      records,
      voters: createVoterManager({
        membership: replica,
        clock,
        log: ports.log,
        facts: () => records.localFacts(),
        note: (reason) => records.note({ atMs: clock.wallMs(), reason }),
        replaceAfterMs: config.times.voterReplaceMs,
      }),
      moorings: createMoorings({
        membership: replica,
        records,
        wire,
        clock,
        log: ports.log,
        name: config.name,
        start: {
          incarnation: identity.incarnation,
          peerAddress: config.peer.advertise,
          zone: config.labels[ZONE_LABEL] ?? '',
          ...started,
        },
        onFatal: fatal,
      }),
      endpoint: createApiEndpoint({
        client: nodeIdentity,
        clock,
        log,
        node: config.name,
        ip: nodeAddressOf(identity.podCidr),
        port: config.api.port,
      }),
    };
  }

  async function startServing({ apiServer, life }: Parts): Promise<void> {
    const { host, port, sharedPort } = config.api;
    const podSide = nodeAddressOf(life.identity.podCidr);
    await apiServer.start({
      listen: [
        { host, port },
        // Pods reach this API server at the node's Pod-side address.
        ...(host === '0.0.0.0' ? [] : [{ host: podSide, port }]),
        ...(sharedPort === 0 ? [] : [{ host, port: sharedPort, shared: true }]),
      ],
      certificatePem: life.keys.serving.certificatePem,
      privateKeyPem: life.keys.serving.privateKeyPem,
      clientAuthorityPem: life.keys.trust.client,
    });
  }

  function unreadyReason(replica: Replica): string | undefined {
    const { leader, commitIndex, appliedIndex, voters, learners, removed, diverged, alarms } = replica.status();
    if (diverged) return alarms[0] ?? 'the state of this node is in doubt';
    if (leader === undefined) return 'no leader is known';
    if (commitIndex - appliedIndex > READY_LAG_MAX_ENTRIES) return `${commitIndex - appliedIndex} entries behind`;
    if (removed.includes(config.name)) return 'removed from the cluster';
    if (!voters.includes(config.name) && !learners.includes(config.name)) return 'not a member of the cluster (yet)';
    return undefined;
  }

  function status(): NodeStatus {
    if (!parts) throw new Fault('NODE_NOT_STARTED', `node ${config.name} has not started`, 'later');
    const { replica, kubelet, wire, life, records, voters } = parts;
    const waiting = voters.waiting();
    const { zones, held } = records.localFacts();
    return {
      name: config.name,
      pid: options.host.pid,
      version: VERSION,
      clusterId: life.identity.clusterId,
      ready: unreadyReason(replica) === undefined && kubelet.isReady(),
      replica: replica.status(),
      peers: wire.states(),
      survival: survivalOf(replica.status().voters.length),
      decisions: records.localDecisions(),
      ...(waiting === undefined ? {} : { waiting }),
      zones,
      held: [...held],
    };
  }

  async function stop(): Promise<void> {
    stopping = true;
    if (!parts) return;
    const { kubelet, proxy, duties, voters, moorings, replica, apiServer, wire, endpoint } = parts;
    voters.stop();
    moorings.stop();
    endpoint.stop();
    duties.stop();
    kubelet.stop();
    // Leadership moves while this node still answers; what is under way here ends on the new leader.
    await step('hand over leadership', () => replica.stop({ transfer: true }));
    await step('close the data plane', () => proxy.stop());
    await step('close the API', () => apiServer.stop());
    await step('close the audit log', async () => await parts?.auditLog?.close());
    await step('close the links', () => wire.close());
    log.info('stopped', { node: config.name });
  }

  /** One part that does not end well must not keep the others from ending. */
  async function step(what: string, end: () => Promise<void>): Promise<void> {
    try {
      await end();
    } catch (error) {
      log.warn(`could not ${what}`, { error: messageOf(error) });
    }
  }

  return { start, stop, status, inspect: () => parts?.replica };
}
