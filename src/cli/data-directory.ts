/** A stopped node's data directory, opened by a tool: whose it is, and that nobody else has it. */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readIdentity, type Identity, type Keys } from '#src/cluster/identity.ts';
import { createDisk, type DataDirectory } from '#src/drivers/disk.ts';
import { createLog } from '#src/drivers/log.ts';
import { CONSENSUS_DIRECTORY } from '#src/node/rebuild.ts';
import type { Log } from '#src/ports/log.ts';
import { Fault, isFault, messageOf } from '#src/std/fault.ts';
import { recoverLog, type Found, type Place } from '#src/wal/recovery.ts';
import { readFileSync } from 'node:fs';

export interface OpenDirectory {
  path: string;
  disk: DataDirectory;
  identity: Identity;
  keys: Keys;
  place: Place;
}

export const quietLog = (): Log => createLog({ level: 'error' }, 'tool');

/** Faults: CLI_NO_DIRECTORY, DISK_LOCKED when the node runs, CLUSTER_IDENTITY_BROKEN. */
export async function openDirectory(given: string): Promise<OpenDirectory> {
  const path = resolve(given);
  if (!existsSync(path) || !statSync(path).isDirectory())
    throw new Fault('CLI_NO_DIRECTORY', `${path} is no directory; name the data directory of a node`, 'never');
  const file = join(path, 'identity.json');
  if (!existsSync(file)) {
    throw new Fault(
      'CLI_NO_DIRECTORY',
      `${path} is no data directory of a node (it has no identity.json); of a local cluster it is .kontiki/NODE`,
      'never',
    );
  }
  let name: string;
  try {
    name = (JSON.parse(readFileSync(file, 'utf8')) as Identity).nodeName;
  } catch (error) {
    throw new Fault('CLUSTER_IDENTITY_BROKEN', `${file} cannot be read: ${messageOf(error)}`, 'never', error);
  }
  const disk = createDisk(path);
  try {
    await disk.lock();
  } catch (error) {
    if (isFault(error, 'DISK_LOCKED'))
      throw new Fault(
        'DISK_LOCKED',
        `${path} is in use by a running node; stop it first (${error.message})`,
        'never',
        error,
      );
    throw error;
  }
  const known = await readIdentity(disk, name);
  if (known === undefined) throw new Fault('CLI_NO_DIRECTORY', `${path} has no identity`, 'never');
  const place: Place = {
    disk,
    log: quietLog(),
    directory: CONSENSUS_DIRECTORY,
    clusterId: known.identity.clusterId,
    nodeId: name,
  };
  return { path, disk, ...known, place };
}

/** Reads only. Faults: WAL_CORRUPT and the others of recoverLog. */
export async function readLog({ place, disk }: OpenDirectory): Promise<Found> {
  return await recoverLog(place, await disk.list(place.directory));
}
