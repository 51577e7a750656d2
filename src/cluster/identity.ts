/**
 * What a data directory says about whose it is, and the keys that lie in it.
 *
 *   identity.json   cluster, node, incarnation of the directory
 *   pki.json        this node's certificates and keys, and the key to the sealed trust roots
 *   admin.json      on the first node: what a kubeconfig is made of
 *   join-token      on the first node: what others join with
 */
import type { Disk } from '#src/ports/disk.ts';
import { Fault } from '#src/std/fault.ts';
import type { Leaf, PublicTrust } from './pki.ts';

export interface Identity {
  version: 1;
  clusterId: string;
  nodeName: string;
  /** Random, made with the directory: an old copy of it is told apart from a new one. */
  incarnation: string;
  createdAtMs: number;
  podCidr: string;
  ranges: { pods: string; services: string };
  /** Peers known when this was written, by name: where to look for the cluster after a restart. */
  peers: Record<string, string>;
}

export interface Keys {
  peer: Leaf;
  serving: Leaf;
  trust: PublicTrust;
  /** Hex; opens the private keys that lie sealed in the store. */
  clusterKey: string;
}

const IDENTITY = 'identity.json';
const BOOTS = 'boots';
const KEYS = 'pki.json';
const FILE_BYTES_MAX = 1024 * 1024;

async function readText(disk: Disk, path: string): Promise<string | undefined> {
  if (!(await disk.exists(path))) return undefined;
  const file = await disk.open(path);
  try {
    return new TextDecoder().decode(await file.read(0, FILE_BYTES_MAX));
  } finally {
    await file.close();
  }
}

/** Whole or not at all: written aside, synced, renamed, directory synced. */
export async function writeText(disk: Disk, path: string, text: string): Promise<void> {
  const aside = `${path}.new`;
  await disk.remove(aside);
  const file = await disk.open(aside, { create: true });
  try {
    await file.write(0, [new TextEncoder().encode(text)]);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(aside, path);
  await disk.syncDirectory('');
}

function parse<T>(path: string, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Fault(
      'CLUSTER_IDENTITY_BROKEN',
      `${path} in the data directory is no JSON; restore it from a backup, or remove the directory and join anew`,
      'never',
      error,
    );
  }
}

/** Undefined in an empty directory. Faults: CLUSTER_FOREIGN_DIRECTORY, CLUSTER_IDENTITY_BROKEN. */
export async function readIdentity(
  disk: Disk,
  nodeName: string,
): Promise<{ identity: Identity; keys: Keys } | undefined> {
  const text = await readText(disk, IDENTITY);
  if (text === undefined) return undefined;
  const identity = parse<Identity>(IDENTITY, text);
  if (identity.nodeName !== nodeName) {
    throw new Fault(
      'CLUSTER_FOREIGN_DIRECTORY',
      `the data directory belongs to node '${identity.nodeName}' of cluster ${identity.clusterId}, and this node is '${nodeName}'; name another directory, or set name: ${identity.nodeName}`,
      'never',
    );
  }
  const keys = await readText(disk, KEYS);
  if (keys === undefined) {
    throw new Fault(
      'CLUSTER_IDENTITY_BROKEN',
      `${KEYS} is missing in the data directory; restore it from a backup, or remove the directory and join anew`,
      'never',
    );
  }
  return { identity, keys: parse<Keys>(KEYS, keys) };
}

/** The keys first: an identity without keys would be a broken node. */
export async function writeIdentity(disk: Disk, identity: Identity, keys: Keys): Promise<void> {
  await writeText(disk, KEYS, `${JSON.stringify(keys)}\n`);
  await writeText(disk, IDENTITY, `${JSON.stringify(identity, null, 2)}\n`);
}

/**
 * Count a start of this directory's process, durably, before it talks to anyone. A copy of the directory that was
 * made earlier counts fewer, and the cluster, which was told, refuses it.
 */
export async function countBoot(disk: Disk): Promise<number> {
  const text = await readText(disk, BOOTS);
  const before = text === undefined ? 0 : Number(text.trim());
  if (!Number.isSafeInteger(before) || before < 0) {
    throw new Fault(
      'CLUSTER_IDENTITY_BROKEN',
      `${BOOTS} in the data directory holds ${JSON.stringify(text)} and not a number of starts; remove the directory and join anew`,
      'never',
    );
  }
  await writeText(disk, BOOTS, `${before + 1}\n`);
  return before + 1;
}
