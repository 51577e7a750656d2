/**
 * A data directory made from a state: what `kontiki snapshot restore` and `kontiki recover` end with. It begins a new
 * cluster with one voter: another cluster id, so that nodes of the old one are refused and cannot come back with their
 * majority (reference/raft.md A3.27), and a revision far ahead, so that no client takes new state for old.
 * The trust roots stay: kubeconfigs and what Pods hold go on to work.
 */
import { writeIdentity, type Identity, type Keys } from '#src/cluster/identity.ts';
import { issuePeer, issueServing, openTrust, publicTrust } from '#src/cluster/pki.ts';
import {
  CLUSTER_KEY,
  getRecord,
  putRecord,
  TRUST_KEY,
  type ClusterRecord,
  type NodeRecord,
} from '#src/cluster/records.ts';
import { podCidrOf, servingNames } from '#src/cluster/cluster.ts';
import { unhex } from '#src/cluster/join.ts';
import type { Ports } from '#src/ports/ports.ts';
import { encodeConfiguration } from '#src/raft/configuration.ts';
import type { Configuration } from '#src/raft/types.ts';
import { Fault } from '#src/std/fault.ts';
import { encodeCommand } from '#src/store/codec.ts';
import type { Operation } from '#src/store/command.ts';
import { createStore, SnapshotReader, type Store } from '#src/store/store.ts';
import { openWal } from '#src/wal/wal.ts';

export const CONSENSUS_DIRECTORY = 'consensus';

type RebuildPorts = Pick<Ports, 'disk' | 'log' | 'random' | 'crypto' | 'clock'>;

export interface RebuildOptions {
  ports: RebuildPorts;
  store: Store;
  nodeName: string;
  /** host:port where peers reach the node. */
  peerAddress: string;
  addresses: { dnsNames: string[]; ipAddresses: string[] };
  /** Hex; opens the trust roots in the store. */
  clusterKey: string;
  /** The term of the new life; above every earlier one. */
  term: number;
}

/** Read a store's snapshot whole. A broken stream is refused by its hash before. */
export async function storeFrom(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Store> {
  const reader = new SnapshotReader();
  for await (const chunk of chunks) reader.push(chunk);
  const store = createStore();
  store.install(reader);
  return store;
}

/** Faults: REBUILD_NO_CLUSTER, SEAL_BROKEN, the disk's. The directory must be empty but for what is replaced. */
export async function rebuild(options: RebuildOptions): Promise<Identity> {
  const { ports, store, nodeName, peerAddress } = options;
  const cluster = getRecord<ClusterRecord>(store, CLUSTER_KEY);
  const sealed = getRecord<{ sealed: string }>(store, TRUST_KEY);
  if (cluster === undefined || sealed === undefined)
    throw new Fault(
      'REBUILD_NO_CLUSTER',
      'the state holds no cluster: it was taken before its birth had ended',
      'never',
    );
  const trust = await openTrust(ports.crypto, unhex(options.clusterKey), unhex(sealed.sealed));
  const known = getRecord<NodeRecord>(store, `/kontiki/nodes/${nodeName}`);
  // Ranges of the others stay: their Node objects name them, and the same names may come back.
  const record: NodeRecord = {
    incarnation: ports.random.uuid(),
    peerAddress,
    podIndex: known?.podIndex ?? freePodIndex(store),
    boots: 0,
  };
  const clusterId = ports.random.uuid();
  apply(store, options.term, [
    { type: 'deleteRange', from: '/kontiki/nodes/', to: '/kontiki/nodes0', limit: RECORDS_MAX },
    { type: 'deleteRange', from: '/kontiki/held/', to: '/kontiki/held0', limit: RECORDS_MAX },
    putRecord(CLUSTER_KEY, { clusterId, ranges: cluster.ranges }),
    putRecord(`/kontiki/nodes/${nodeName}`, record),
    putRecord(`/kontiki/podcidr/${record.podIndex}`, { node: nodeName }),
  ]);
  const podCidr = podCidrOf(cluster.ranges.pods, record.podIndex);
  const [peer, serving] = await Promise.all([
    issuePeer(ports.crypto, trust, nodeName),
    issueServing(ports.crypto, trust, nodeName, servingNames(options.addresses, cluster.ranges.services, podCidr)),
  ]);
  const identity: Identity = {
    version: 1,
    clusterId,
    nodeName,
    incarnation: record.incarnation,
    createdAtMs: ports.clock.wallMs(),
    podCidr,
    ranges: cluster.ranges,
    peers: { [nodeName]: peerAddress },
  };
  await writeLog(ports, { store, clusterId, nodeName, peerAddress, term: options.term });
  const keys: Keys = { peer, serving, trust: publicTrust(trust), clusterKey: options.clusterKey };
  await ports.disk.remove('boots');
  await writeIdentity(ports.disk, identity, keys);
  return identity;
}

/** Records of nodes removed in one go; a cluster has far fewer. */
const RECORDS_MAX = 100_000;

function freePodIndex(store: Store): number {
  const { items } = store.range({ from: '/kontiki/podcidr/', to: '/kontiki/podcidr0', limit: 0 });
  const taken = new Set(items.map(({ key }) => Number(key.slice('/kontiki/podcidr/'.length))));
  let index = 0;
  while (taken.has(index)) index += 1;
  return index;
}

/** Beside consensus: nobody else has this store. */
function apply(store: Store, term: number, operations: Operation[]): void {
  const session = 'rebuild';
  const commands = [
    encodeCommand({ version: 1, type: 'openSession', session }),
    encodeCommand({
      version: 1,
      type: 'batch',
      items: [{ session, sequence: 1, transactions: [{ conditions: [], operations }] }],
    }),
  ];
  for (const data of commands) store.apply({ index: store.appliedIndex + 1, term, data });
}

async function writeLog(
  { disk, log }: RebuildPorts,
  what: { store: Store; clusterId: string; nodeName: string; peerAddress: string; term: number },
): Promise<void> {
  const { store, clusterId, nodeName, peerAddress, term } = what;
  const configuration: Configuration = {
    voters: [nodeName],
    votersOutgoing: [],
    learners: [],
    addresses: { [nodeName]: peerAddress },
    reason: 'a new life of the cluster, from what was left of it',
  };
  const { wal } = await openWal({ disk, log, directory: CONSENSUS_DIRECTORY, clusterId, nodeId: nodeName });
  const index = store.appliedIndex + 1;
  const capture = store.snapshotAfterJump();
  await wal.saveSnapshot({ index, term, configuration, configurationIndex: index }, capture.chunks());
  await wal.append({
    hardState: { currentTerm: term, votedFor: undefined, commitIndex: index + 1 },
    entries: [{ index: index + 1, term, type: 'configuration', data: encodeConfiguration(configuration) }],
  });
  await wal.close();
}
