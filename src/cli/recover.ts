/**
 * `kontiki recover`: a quorum is lost for good, and one of the directories that are left becomes a new cluster of one.
 * What each holds is shown first, with what would be lost; the chosen one is copied; the old majority cannot come back.
 */
import { closeSync, cpSync, existsSync, fsyncSync, openSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createRandom } from '#src/drivers/random.ts';
import { CONSENSUS_DIRECTORY, rebuild } from '#src/node/rebuild.ts';
import type { Configuration } from '#src/raft/types.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { configurationIn, openDirectory, quietLog, type OpenDirectory, type ReadLog } from './data-directory.ts';
import { storeOf } from './stored-state.ts';
import { tableOf } from './table.ts';
import { readFlags, UsageError } from './usage.ts';
import type { Store } from '#src/store/store.ts';

interface Held {
  opened: OpenDirectory;
  store: Store;
  found: ReadLog;
  lastIndex: number;
  lastTerm: number;
  configuration: Configuration | undefined;
}

export async function recoverCommand(args: string[]): Promise<number> {
  const directories = args.filter((arg) => !arg.startsWith('-'));
  const flags = readFlags(
    args.filter((arg) => arg.startsWith('-')),
    { yes: { type: 'boolean' } },
  );
  if (directories.length === 0) throw new UsageError('recover DIR [DIR ...]: the data directories that are left');
  const opened: OpenDirectory[] = [];
  try {
    for (const directory of directories) opened.push(await openDirectory(directory));
    return await recover(opened, flags.values['yes'] === true);
  } finally {
    for (const { disk } of opened) await disk.unlock();
  }
}

async function recover(opened: OpenDirectory[], yes: boolean): Promise<number> {
  const clusters = new Set(opened.map(({ identity }) => identity.clusterId));
  if (clusters.size > 1) {
    const whose = opened.map(({ path, identity }) => `${path} of ${identity.clusterId}`).join(', ');
    throw new Fault('CLI_FOREIGN', `these are directories of different clusters: ${whose}`, 'never');
  }
  const held: Held[] = [];
  const unread: string[] = [];
  for (const one of opened) {
    try {
      held.push(await look(one));
    } catch (error) {
      unread.push(`${one.identity.nodeName}: ${messageOf(error)}`);
    }
  }
  const isWhole = ({ found }: Held): number => (found.repairTo === undefined ? 1 : 0);
  const best = held.toSorted(
    (a, b) => isWhole(b) - isWhole(a) || b.lastTerm - a.lastTerm || b.lastIndex - a.lastIndex,
  )[0];
  if (best === undefined)
    throw new Fault('CLI_NOTHING_LEFT', `no directory can be read: ${unread.join('; ')}`, 'never');
  tell(held, unread, best);
  if (!yes && !(await agreed(best))) {
    console.log('nothing was changed');
    return 1;
  }
  const { path, disk, identity, keys } = best.opened;
  const copy = `${path}.before-recover-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}`;
  if (existsSync(copy)) throw new Fault('CLI_FILE_EXISTS', `${copy} exists already; move it away`, 'never');
  cpSync(path, copy, { recursive: true });
  // What follows takes the original apart.
  syncTree(copy);
  syncOne(dirname(copy));
  console.log(`copied to ${copy}`);
  for (const name of await disk.list(CONSENSUS_DIRECTORY)) {
    if (/^(segment|spare|snapshot|synced|reserve|repair)/.test(name))
      await disk.remove(`${CONSENSUS_DIRECTORY}/${name}`);
  }
  await disk.syncDirectory(CONSENSUS_DIRECTORY);
  const peerAddress = identity.peers[identity.nodeName] ?? '127.0.0.1:7443';
  const host = peerAddress.slice(0, peerAddress.lastIndexOf(':'));
  const fresh = await rebuild({
    ports: { disk, log: quietLog(), random: createRandom(), crypto: createCrypto(), clock: createClock() },
    store: best.store,
    nodeName: identity.nodeName,
    peerAddress,
    addresses: /^[\d.]+$/.test(host) ? { dnsNames: [], ipAddresses: [host] } : { dnsNames: [host], ipAddresses: [] },
    clusterKey: keys.clusterKey,
    // Above every term that anybody here knows; of others the new cluster id keeps us apart.
    term: Math.max(...held.map(({ found }) => found.hardState.currentTerm)) + 1,
  });
  console.log(`${identity.nodeName} is the only voter of cluster ${fresh.clusterId} now; start it as before`);
  console.log('the other nodes join again with empty data directories, under their names');
  return 0;
}

async function look(opened: OpenDirectory): Promise<Held> {
  const { store, found } = await storeOf(opened, { onlyCommitted: false });
  const last = found.entries.at(-1);
  return {
    opened,
    store,
    found,
    lastIndex: last?.index ?? found.snapshot?.meta.index ?? 0,
    lastTerm: last?.term ?? found.snapshot?.meta.term ?? 0,
    configuration: configurationIn(found),
  };
}

function tell(held: Held[], unread: string[], best: Held): void {
  console.log(
    tableOf([
      ['NODE', 'LAST TERM', 'LAST INDEX', 'KNOWN COMMITTED', 'REVISION', ''],
      ...held.map((one) => [
        one.opened.identity.nodeName,
        String(one.lastTerm),
        String(one.lastIndex),
        String(one.found.hardState.commitIndex),
        String(one.store.revision),
        one.found.repairTo === undefined
          ? one === best
            ? '<- the most complete'
            : ''
          : `damaged; entries up to ${one.found.repairTo} may be missing`,
      ]),
    ]),
  );
  for (const line of unread) console.log(`not readable: ${line}`);
  const { lastIndex, found, configuration } = best;
  // In the middle of a change both groups have to agree, and either may have kept something to itself.
  const groups = [configuration?.voters ?? [], configuration?.votersOutgoing ?? []].filter(({ length }) => length > 0);
  const isHere = (id: string): boolean =>
    held.some((one) => one.opened.identity.nodeName === id && one.found.repairTo === undefined);
  const quorumOf = (group: readonly string[]): number => Math.floor(group.length / 2) + 1;
  console.log(`\nthe voters were ${groups.map((group) => group.join(', ')).join(', changed from ')}`);
  const absent = groups.find((group) => group.filter((id) => !isHere(id)).length >= quorumOf(group));
  if (groups.length > 0 && groups.every((group) => group.filter(isHere).length >= quorumOf(group))) {
    console.log('a quorum of them is here: start them instead, and nothing is lost');
  } else if (absent !== undefined) {
    const missing = absent.filter((id) => !isHere(id)).join(', ');
    console.log(
      `${missing} are not here, or not whole, and may together have acknowledged writes that nobody here has: those are lost`,
    );
  } else {
    console.log('every acknowledged write is on one of the nodes here');
  }
  const uncertain = lastIndex - found.hardState.commitIndex;
  if (uncertain > 0)
    console.log(
      `${uncertain} entries are not known to be committed and are kept: clients may have been told nothing of them`,
    );
}

async function agreed(best: Held): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.log(`\nto make ${best.opened.identity.nodeName} a new cluster of one, add --yes`);
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question(`\nmake ${best.opened.identity.nodeName} a new cluster of one? Type yes: `);
    return answer.trim() === 'yes';
  } finally {
    terminal.close();
  }
}

function syncOne(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function syncTree(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) syncTree(path);
    else syncOne(path);
  }
  syncOne(directory);
}
