/** `kontiki snapshot save|verify|restore`: backups of the whole state. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { request } from 'node:https';
import { resolve } from 'node:path';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createDisk } from '#src/drivers/disk.ts';
import { createRandom } from '#src/drivers/random.ts';
import { backupChunks, openBackup, type OpenBackup } from '#src/node/backup.ts';
import { rebuild, storeFrom } from '#src/node/rebuild.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { readCredentials } from './admin.ts';
import { openDirectory, quietLog } from './data-directory.ts';
import { layoutOf, readShape } from './layout.ts';
import { storeOf } from './stored-state.ts';
import { integerFlag, readFlags, textFlag, UsageError } from './usage.ts';

const SAVE_TIMEOUT_MS = 10_000;

export async function snapshotCommand(args: string[]): Promise<number> {
  const [action, ...rest] = args;
  if (action === 'save') return await save(rest);
  if (action === 'verify') return await verify(rest);
  if (action === 'restore') return await restore(rest);
  throw new UsageError(`snapshot ${action ?? ''}: save, verify or restore is needed`);
}

async function save(args: string[]): Promise<number> {
  const flags = readFlags(args, { data: { type: 'string' }, from: { type: 'string' } }, 1);
  const file = resolve(flags.positionals[0] ?? '');
  if (existsSync(file)) throw new Fault('CLI_FILE_EXISTS', `${file} exists already; name another file`, 'never');
  const from = textFlag(flags, 'from', '');
  await writeAside(file, (write) =>
    from === '' ? saveOnline(textFlag(flags, 'data', '.kontiki'), write) : saveOffline(from, write),
  );
  await tell(file);
  return 0;
}

type Write = (chunk: Uint8Array) => void;

/** Whole or not at all, for the owner's eyes only. */
async function writeAside(file: string, fill: (write: Write) => Promise<void>): Promise<void> {
  const aside = `${file}.part`;
  const handle = openSync(aside, 'w', 0o600);
  try {
    await fill((chunk) => writeSync(handle, chunk));
    fsyncSync(handle);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  renameSync(aside, file);
}

async function saveOnline(data: string, write: Write): Promise<void> {
  const layout = layoutOf(data);
  const shape = readShape(layout);
  const { authorityPem, certificatePem, privateKeyPem } = readCredentials(layout);
  const failures: string[] = [];
  for (const node of shape.nodes) {
    const done = await new Promise<boolean>((answer, reject) => {
      let began = false;
      const failed = (why: string): void => {
        if (began)
          reject(new Fault('CLI_NO_ANSWER', `${node.name} stopped in the middle of the snapshot: ${why}`, 'later'));
        else {
          failures.push(`${node.name}: ${why}`);
          answer(false);
        }
      };
      const sent = request(
        {
          host: '127.0.0.1',
          port: node.apiPort,
          path: '/cluster/v1/snapshot',
          ca: authorityPem,
          cert: certificatePem,
          key: privateKeyPem,
          timeout: SAVE_TIMEOUT_MS,
        },
        (response) => {
          if (response.statusCode !== 200) {
            response.resume();
            failed(`status ${response.statusCode}`);
            return;
          }
          began = true;
          response.on('data', (chunk: Buffer) => {
            try {
              write(chunk);
            } catch (error) {
              sent.destroy(error instanceof Error ? error : undefined);
            }
          });
          response.on('end', () => answer(true));
          response.on('error', (error) => failed(messageOf(error)));
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`no answer within ${SAVE_TIMEOUT_MS / 1000} s`)));
      sent.on('error', (error) => failed(messageOf(error)));
      sent.end();
    });
    if (done) return;
  }
  throw new Fault('CLI_NO_ANSWER', `no node gave a snapshot: ${failures.join('; ')}`, 'later');
}

async function saveOffline(directory: string, write: Write): Promise<void> {
  const opened = await openDirectory(directory);
  try {
    const { store, found } = await storeOf(opened, { onlyCommitted: true });
    const facts = {
      clusterId: opened.identity.clusterId,
      node: opened.identity.nodeName,
      takenAtMs: Date.now(),
      term: found.hardState.currentTerm,
      voters: found.snapshot?.meta.configuration.voters ?? [],
      keys: opened.keys,
    };
    for await (const chunk of backupChunks(store, facts, () => Promise.resolve())) write(chunk);
  } finally {
    await opened.disk.unlock();
  }
}

async function opening<T>(file: string, use: (backup: OpenBackup, bytes: number) => Promise<T>): Promise<T> {
  if (!existsSync(file)) throw new Fault('CLI_NO_FILE', `${file} does not exist`, 'never');
  const { size } = statSync(file);
  const handle = await open(file, 'r');
  try {
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    return await use(await openBackup({ size, read }), size);
  } finally {
    await handle.close();
  }
}

async function tell(file: string): Promise<void> {
  await opening(file, async ({ header, body }, bytes) => {
    const store = await storeFrom(body());
    const keys = store.range({ from: '', to: '~~', limit: 1 }).count;
    const { clusterId, node, takenAtMs, revision, index, term } = header;
    console.log(`${file}: ${bytes} bytes, ${keys} keys at revision ${revision} (index ${index}, term ${term})`);
    console.log(`cluster ${clusterId}, taken by ${node} at ${new Date(takenAtMs).toISOString().slice(0, 19)}Z; sound`);
  });
}

async function verify(args: string[]): Promise<number> {
  const flags = readFlags(args, {}, 1);
  await tell(resolve(flags.positionals[0] ?? ''));
  return 0;
}

async function restore(args: string[]): Promise<number> {
  const flags = readFlags(
    args,
    { to: { type: 'string' }, name: { type: 'string' }, host: { type: 'string' }, 'peer-port': { type: 'string' } },
    1,
  );
  const file = resolve(flags.positionals[0] ?? '');
  const to = textFlag(flags, 'to', '');
  const name = textFlag(flags, 'name', '');
  if (to === '' || name === '') throw new UsageError('restore FILE --to DIR --name NODE: both are needed');
  const host = textFlag(flags, 'host', '127.0.0.1');
  const peerPort = integerFlag(flags, 'peer-port', 7443, { min: 1, max: 65_535 });
  const directory = resolve(to);
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new Fault(
      'CLI_NOT_EMPTY',
      `${directory} is not empty; a restore never overwrites a node. Name a new directory, or remove this one first`,
      'never',
    );
  }
  return await opening(file, async ({ header, body }) => {
    const store = await storeFrom(body());
    const disk = createDisk(directory);
    await disk.lock();
    try {
      const identity = await rebuild({
        ports: { disk, log: quietLog(), random: createRandom(), crypto: createCrypto(), clock: createClock() },
        store,
        nodeName: name,
        peerAddress: `${host}:${peerPort}`,
        addresses: /^[\d.]+$/.test(host)
          ? { dnsNames: [], ipAddresses: [host] }
          : { dnsNames: [host], ipAddresses: [] },
        clusterKey: header.clusterKey,
        term: header.term + 1,
      });
      console.log(
        `${directory}: node ${name} of a new cluster ${identity.clusterId}, with the state of ${header.clusterId}`,
      );
      console.log(
        `start it with: kontiki server --data ${directory} --name ${name} --host ${host} --peer-port ${peerPort} --port PORT`,
      );
      console.log('other nodes join it with empty data directories; the kubeconfig of the old cluster goes on to work');
    } finally {
      await disk.unlock();
    }
    return 0;
  });
}
