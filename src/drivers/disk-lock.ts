/**
 * One process per data directory, freed by any death of the holder, kill -9 included.
 * Owns: the `lock` directory. Imports: std.
 *
 *   lock/<generation>   the highest generation names the holder: pid, start time, boot id
 *
 * A name is only ever made, by link(2), which fails when it exists; the highest is removed by
 * nobody. So two processes that both see a dead holder cannot both take its place, as they
 * could by removing and creating one fixed name.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Fault } from '#src/std/fault.ts';

interface Holder {
  pid: number;
  startTime: string;
  bootId: string;
}

/** Processes that start at the same moment may each win once against us; more is a bug somewhere. */
const attemptsMax = 16;

/** Hold `root` until this process ends or the returned function runs. Faults: DISK_LOCKED. */
export async function holdDirectory(root: string): Promise<() => Promise<void>> {
  const directory = join(root, 'lock');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const mine = JSON.stringify(identityOf(process.pid));
  const draft = join(root, `lock.${randomUUID()}.tmp`);
  await writeDurably(draft, mine);
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const generation = await takeNext(directory, draft, root);
      if (generation !== undefined) return () => writeFile(join(directory, String(generation)), '');
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new Fault('DISK_LOCKED', `many processes want ${root} at once; start one node per data directory`, 'later');
}

async function takeNext(directory: string, draft: string, root: string): Promise<number | undefined> {
  const generations = await generationsIn(directory);
  const highest = generations.at(-1) ?? 0;
  const holder = await holderOf(directory, highest);
  if (holder !== undefined && isAlive(holder)) {
    const remedy = 'stop it or give this node another data directory';
    throw new Fault('DISK_LOCKED', `${root} is held by process ${holder.pid}; ${remedy}`, 'never');
  }
  const next = highest + 1;
  try {
    await link(draft, join(directory, String(next)));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
    throw error;
  }
  // Our view may have been old: a higher generation means that `next` had lived and died before we made it.
  if ((await generationsIn(directory)).at(-1) !== next) {
    await rm(join(directory, String(next)), { force: true });
    return undefined;
  }
  await Promise.all(generations.map((old) => rm(join(directory, String(old)), { force: true })));
  return next;
}

async function generationsIn(directory: string): Promise<number[]> {
  const numbers = (await readdir(directory)).map(Number).filter((n) => Number.isSafeInteger(n));
  return numbers.toSorted((a, b) => a - b);
}

async function holderOf(directory: string, generation: number): Promise<Holder | undefined> {
  if (generation === 0) return undefined;
  const text = await readFile(join(directory, String(generation)), 'utf8').catch(() => '');
  // Empty: released in order. The draft was synced before it got the name, so no other torn form exists.
  if (text === '') return undefined;
  return JSON.parse(text) as Holder;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** The pid alone is not enough: it is given out again. With its start time and the boot it names one process. */
function isAlive(holder: Holder): boolean {
  const now = identityOf(holder.pid);
  return now.startTime !== '' && now.startTime === holder.startTime && now.bootId === holder.bootId;
}

function identityOf(pid: number): Holder {
  return process.platform === 'linux' ? linuxIdentityOf(pid) : { pid, startTime: startTimeByPs(pid), bootId: '' };
}

function linuxIdentityOf(pid: number): Holder {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): field 2 is the command in parentheses and may hold spaces; 22 is the start time, 3 the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const dead = fields[0] === 'Z' || fields[0] === 'X';
    return { pid, startTime: dead ? '' : (fields[19] ?? ''), bootId };
  } catch {
    // No such process: it has ended.
    return { pid, startTime: '', bootId };
  }
}

function startTimeByPs(pid: number): string {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    // ps ends with 1 when there is no such process.
    return '';
  }
}
