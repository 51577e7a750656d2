/**
 * What the store knows of the cluster itself, under /kontiki/. Written through transactions whose
 * conditions make two joins at once impossible to confuse.
 *
 *   /kontiki/cluster            id, address ranges
 *   /kontiki/trust              private keys, sealed
 *   /kontiki/join-tokens/HASH   who may join
 *   /kontiki/nodes/NAME         incarnation, peer address, Pod range, zone, starts of its process
 *   /kontiki/held/NAME          a standby by the operator's wish
 *   /kontiki/decisions          the last changes of members, with their reasons
 *   /kontiki/podcidr/INDEX      taken Pod ranges, by number
 */
import type { Proposer } from '#src/replica/proposer.ts';
import type { Reader } from '#src/replica/reader.ts';
import type { Operation, Transaction } from '#src/store/command.ts';
import type { StoreView } from '#src/store/view.ts';
import { Fault } from '#src/std/fault.ts';
import type { MemberFacts } from './voters.ts';

export const CLUSTER_KEY = '/kontiki/cluster';
export const TRUST_KEY = '/kontiki/trust';
const TOKENS = '/kontiki/join-tokens/';
const NODES = '/kontiki/nodes/';
const POD_RANGES = '/kontiki/podcidr/';
const HELD = '/kontiki/held/';
const DECISIONS = '/kontiki/decisions';
/** Changes of members that are remembered. */
const DECISIONS_MAX = 20;

const DEADLINE_MS = 10_000;
const ATTEMPTS_MAX = 20;

export interface ClusterRecord {
  clusterId: string;
  ranges: { pods: string; services: string };
}

export interface NodeRecord {
  incarnation: string;
  peerAddress: string;
  podIndex: number;
  /** Failure domain, of the label topology.kubernetes.io/zone. */
  zone?: string;
  /** How often its process has started: a data directory that says less is an old copy. */
  boots?: number;
  /** The process of the last start; another one that counts as many starts runs on a copy. */
  run?: string;
}

/** A change of members, as it was decided. */
export interface Decision {
  /** Wall time of the leader. */
  atMs: number;
  reason: string;
}

/** A record as JSON; its revision goes into a field of its own, since every value has that hole. */
export function putRecord(key: string, record: object): Operation {
  const text = JSON.stringify(record);
  const head = `${text.slice(0, -1)}${text === '{}' ? '' : ','}"revision":`;
  return { type: 'put', key, head: new TextEncoder().encode(head), tail: new TextEncoder().encode('}') };
}

export function getRecord<T>(view: StoreView, key: string): T | undefined {
  const value = view.get(key);
  return value && (JSON.parse(new TextDecoder().decode(value.bytes)) as T);
}

/** The first transaction of a cluster; refused by its condition when there is one already. */
export function bootstrapTransaction(options: {
  cluster: ClusterRecord;
  sealedTrust: string;
  tokenHash: string;
  node: { name: string; record: NodeRecord };
}): Transaction {
  return {
    conditions: [{ type: 'absent', key: CLUSTER_KEY }],
    operations: [
      putRecord(CLUSTER_KEY, options.cluster),
      putRecord(TRUST_KEY, { sealed: options.sealedTrust }),
      putRecord(TOKENS + options.tokenHash, {}),
      putRecord(NODES + options.node.name, options.node.record),
      putRecord(`${POD_RANGES}${options.node.record.podIndex}`, { node: options.node.name }),
    ],
  };
}

export interface Records {
  cluster(): Promise<ClusterRecord>;
  sealedTrust(): Promise<string>;
  isToken(hash: string): Promise<boolean>;
  nodes(): Promise<Map<string, NodeRecord>>;
  /**
   * Take the name and a free Pod range. The same directory joining again gets what it had.
   * Faults: CLUSTER_NAME_TAKEN, CLUSTER_FULL.
   */
  admit(name: string, incarnation: string, peerAddress: string, podRanges: number): Promise<NodeRecord>;
  /**
   * This process has started: its count, address and zone. Faults: CLUSTER_OLD_COPY when the cluster has seen a later
   * start of this directory, CLUSTER_NAME_TAKEN when the name is another directory's.
   */
  registerStart(
    name: string,
    start: { incarnation: string; peerAddress: string; zone: string; boots: number; run: string },
  ): Promise<void>;
  /** Standby whatever the cluster would like, or no longer so. */
  hold(name: string, held: boolean): Promise<void>;
  note(decision: Decision): Promise<void>;
  /** From the local state, oldest first. */
  localDecisions(): Decision[];
  localFacts(): MemberFacts;
  /** From the local state; 0 for one that never registered. */
  localBoots(name: string): { boots: number; run: string | undefined };
}

export function createRecords(options: { proposer: Proposer; reader: Reader }): Records {
  const confirm = (): Promise<StoreView> =>
    options.reader.confirm({ type: 'linearizable' }, { deadlineMs: DEADLINE_MS });

  function listNodes(view: StoreView): Map<string, NodeRecord> {
    const { items } = view.range({ from: NODES, to: `${NODES}~`, limit: 0 });
    return new Map(
      items.map(({ key, value }) => [
        key.slice(NODES.length),
        JSON.parse(new TextDecoder().decode(value.bytes)) as NodeRecord,
      ]),
    );
  }

  /** Taken Pod ranges by number. */
  function podRangesOf(view: StoreView): Map<number, { node: string; revision: number }> {
    const { items } = view.range({ from: POD_RANGES, to: `${POD_RANGES}~`, limit: 0 });
    return new Map(
      items.map(({ key, value }) => [
        Number(key.slice(POD_RANGES.length)),
        {
          node: (JSON.parse(new TextDecoder().decode(value.bytes)) as { node: string }).node,
          revision: value.modRevision,
        },
      ]),
    );
  }

  async function tryAdmit(
    name: string,
    incarnation: string,
    peerAddress: string,
    podRanges: number,
  ): Promise<NodeRecord | undefined> {
    const view = await confirm();
    const known = getRecord<NodeRecord>(view, NODES + name);
    if (known) {
      if (known.incarnation === incarnation) return known;
      throw new Fault(
        'CLUSTER_NAME_TAKEN',
        `the name '${name}' belongs to another data directory (incarnation ${known.incarnation}); a node that lost its disk comes back under a new name`,
        'never',
      );
    }
    const ranges = podRangesOf(view);
    // A name keeps its range over a new life of the cluster: its Node object says it, and may not change it.
    const own = [...ranges].find(([, { node }]) => node === name);
    let podIndex = own?.[0] ?? 0;
    while (own === undefined && ranges.has(podIndex)) podIndex += 1;
    if (podIndex >= podRanges)
      throw new Fault('CLUSTER_FULL', `all ${podRanges} Pod ranges of this cluster are taken`, 'never');
    const record: NodeRecord = { incarnation, peerAddress, podIndex };
    const [result] = await options.proposer.propose(
      [
        {
          conditions: [
            { type: 'absent', key: NODES + name },
            own === undefined
              ? { type: 'absent', key: `${POD_RANGES}${podIndex}` }
              : { type: 'modRevision', key: `${POD_RANGES}${podIndex}`, revision: own[1].revision },
          ],
          operations: [putRecord(NODES + name, record), putRecord(`${POD_RANGES}${podIndex}`, { node: name })],
        },
      ],
      { deadlineMs: DEADLINE_MS },
    );
    return result?.ok ? record : undefined;
  }

  /** Change a record as it is now, or make it. */
  async function rewrite<T extends object>(key: string, change: (known: T | undefined) => T): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const view = await confirm();
      const value = view.get(key);
      const { revision: _own, ...next } = change(getRecord<T>(view, key)) as T & { revision?: number };
      const [result] = await options.proposer.propose(
        [
          {
            conditions: [value ? { type: 'modRevision', key, revision: value.modRevision } : { type: 'absent', key }],
            operations: [putRecord(key, next)],
          },
        ],
        { deadlineMs: DEADLINE_MS },
      );
      if (result?.ok) return;
    }
    throw new Fault('CLUSTER_BUSY', `${ATTEMPTS_MAX} others changed ${key} meanwhile; try again`, 'later');
  }

  return {
    async cluster() {
      const record = getRecord<ClusterRecord>(await confirm(), CLUSTER_KEY);
      if (!record)
        throw new Fault(
          'CLUSTER_UNFINISHED',
          'this cluster was never bootstrapped to its end; start its first node again',
          'later',
        );
      return record;
    },
    async sealedTrust() {
      const record = getRecord<{ sealed: string }>(await confirm(), TRUST_KEY);
      if (!record) throw new Fault('CLUSTER_UNFINISHED', 'the trust roots are not in the store yet', 'later');
      return record.sealed;
    },
    async isToken(hash) {
      return (await confirm()).get(TOKENS + hash) !== undefined;
    },
    async nodes() {
      return listNodes(await confirm());
    },
    async admit(name, incarnation, peerAddress, podRanges) {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
        const record = await tryAdmit(name, incarnation, peerAddress, podRanges);
        if (record) return record;
      }
      throw new Fault(
        'CLUSTER_BUSY',
        `${ATTEMPTS_MAX} other joins took the ranges this one wanted; try again`,
        'later',
      );
    },
    async registerStart(name, { incarnation, peerAddress, zone, boots, run }) {
      await rewrite<NodeRecord>(NODES + name, (known) => {
        if (known === undefined)
          throw new Fault('CLUSTER_UNFINISHED', `the cluster has no record of '${name}' yet`, 'later');
        if (known.incarnation !== incarnation) {
          throw new Fault(
            'CLUSTER_NAME_TAKEN',
            `the cluster knows node '${name}' by another data directory than this one; it was removed, or it joined anew elsewhere`,
            'never',
          );
        }
        if ((known.boots ?? 0) > boots || (known.boots === boots && known.run !== run)) {
          throw new Fault(
            'CLUSTER_OLD_COPY',
            `this data directory of '${name}' says that it was started ${boots} times, the cluster has seen ${known.boots} starts: it is an older copy, and may lack what this node has promised; use the newest one, or remove the node and join under another name`,
            'never',
          );
        }
        return { ...known, peerAddress, boots, run, ...(zone === '' ? {} : { zone }) };
      });
    },
    async hold(name, held) {
      const operation: Operation = held
        ? putRecord(HELD + name, {})
        : { type: 'deleteRange', from: HELD + name, to: `${HELD + name} `, limit: 1 };
      await options.proposer.propose([{ conditions: [], operations: [operation] }], { deadlineMs: DEADLINE_MS });
    },
    async note(decision) {
      await rewrite<{ decisions: Decision[] }>(DECISIONS, (known) => ({
        decisions: [...(known?.decisions ?? []), decision].slice(-DECISIONS_MAX),
      }));
    },
    localDecisions: () => getRecord<{ decisions: Decision[] }>(options.reader.local(), DECISIONS)?.decisions ?? [],
    localFacts() {
      const view = options.reader.local();
      const { items } = view.range({ from: HELD, to: `${HELD}~`, limit: 0 });
      const zones = [...listNodes(view)].flatMap(([name, { zone }]) => (zone === undefined ? [] : [[name, zone]]));
      return {
        zones: Object.fromEntries(zones) as Record<string, string>,
        held: new Set(items.map(({ key }) => key.slice(HELD.length))),
      };
    },
    localBoots(name) {
      const record = getRecord<NodeRecord>(options.reader.local(), NODES + name);
      return { boots: record?.boots ?? 0, run: record?.run };
    },
  };
}
