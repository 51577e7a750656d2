/**
 * `kontiki recover`: a quorum is lost for good, and one of the directories that are left becomes a new cluster of one.
 * What each holds is shown first, with what would be lost; the chosen one is copied; the old majority cannot come back.
 */
import { cpSync, existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createRandom } from '#src/drivers/random.ts';
import { CONSENSUS_DIRECTORY, rebuild } from '#src/node/rebuild.ts';
import { decodeConfiguration } from '#src/raft/configuration.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import type { Found } from '#src/wal/recovery.ts';
import { openDirectory, quietLog, type OpenDirectory } from './data-directory.ts';
import { storeOf } from './stored-state.ts';
import { tableOf } from './table.ts';
import { readFlags, UsageError } from './usage.ts';
import type { Store } from '#src/store/store.ts';

interface Held {
  opened: OpenDirectory;
  store: Store;
  found: Found;
  lastIndex: number;
  lastTerm: number;
  voters: string[];
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
  const best = held.toSorted((a, b) => b.lastTerm - a.lastTerm || b.lastIndex - a.lastIndex)[0];
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
  const configured = found.entries.findLast(({ type }) => type === 'configuration');
  const voters = configured ? decodeConfiguration(configured.data).voters : found.snapshot?.meta.configuration.voters;
  return {
    opened,
    store,
    found,
    lastIndex: last?.index ?? found.snapshot?.meta.index ?? 0,
    lastTerm: last?.term ?? found.snapshot?.meta.term ?? 0,
    voters: voters ?? [],
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
        one === best ? '<- the most complete' : '',
      ]),
    ]),
  );
  for (const line of unread) console.log(`not readable: ${line}`);
  const { voters, lastIndex, found } = best;
  const present = voters.filter((id) => held.some(({ opened }) => opened.identity.nodeName === id));
  const absent = voters.filter((id) => !present.includes(id));
  const quorum = Math.floor(voters.length / 2) + 1;
  console.log(`\nthe voters were ${voters.join(', ')}`);
  if (present.length >= quorum) {
    console.log(
      `${present.length} of ${voters.length} are here, which is a quorum: start them instead, and nothing is lost`,
    );
  } else if (absent.length >= quorum) {
    console.log(
      `${absent.join(', ')} are not here and may together have acknowledged writes that nobody here has: those are lost`,
    );
  } else {
    console.log(`every acknowledged write is on one of the nodes here`);
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
