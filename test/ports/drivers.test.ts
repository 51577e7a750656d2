/** What the real drivers promise beyond their port: the lock across processes, errors with a remedy, log lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';

import { createDisk } from '#src/drivers/disk.ts';
import { createLog } from '#src/drivers/log.ts';

const holderProgram = `
  import { createDisk } from '#src/drivers/disk.ts';
  try { await createDisk(process.env.ROOT).lock(); console.log('held'); }
  catch (error) { console.log(error.code); }
  setInterval(() => {}, 1000);
`;

test('the lock of a process killed with -9 is free; until then it names the process', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'kontiki-lock-'));
  t.teardown(() => rm(root, { recursive: true }));
  const holder = spawn(process.execPath, ['--input-type=module', '-e', holderProgram], {
    env: { ...process.env, ROOT: root },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => void holder.kill('SIGKILL'));
  t.is(String((await once(holder.stdout, 'data'))[0]).trim(), 'held');
  await t.throwsAsync(createDisk(root).lock(), {
    code: 'DISK_LOCKED',
    message: new RegExp(`process ${holder.pid}\\b`),
  });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  await createDisk(root).lock();
  t.pass();
});

test('of many who find a free directory at once exactly one gets it; unlock passes it on', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'kontiki-lock-'));
  t.teardown(() => rm(root, { recursive: true }));
  const disks = Array.from({ length: 8 }, () => createDisk(root));
  const outcomes = await Promise.allSettled(disks.map((disk) => disk.lock()));
  t.is(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
  await disks[outcomes.findIndex((one) => one.status === 'fulfilled')]?.unlock();
  await createDisk(root).lock();
  t.pass();
});

test('a directory that cannot be used says so with the path and a remedy', async (t) => {
  const disk = createDisk('/dev/null/kontiki-cannot-be-here');
  await t.throwsAsync(disk.lock(), { code: 'DISK_NOT_FOUND', message: /kontiki-cannot-be-here/ });
  const full = createDisk('/dev');
  const file = await full.open('full').catch(() => undefined);
  if (file === undefined) {
    t.log('skipped DISK_FULL: this machine has no /dev/full that we may open');
    return;
  }
  await t.throwsAsync(file.write(0, [new Uint8Array(1)]), { code: 'DISK_FULL', message: /\/dev\/full.*free space/ });
  await file.close();
});

test('a log line is one line: time, level, subsystem, sentence, fields; below its level nothing', (t) => {
  const lines: string[] = [];
  const log = createLog({ level: 'info', write: (line) => void lines.push(line) }).scope('raft');
  log.debug('dropped');
  log.warn('first\nsecond', { term: 7, node: 'n1', why: 'a b', none: undefined });
  t.is(lines.length, 1);
  t.regex(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} WARN  raft: first\\nsecond term=7 node=n1 why="a b"\n$/);
});

test('as JSON the line keeps its own keys, whatever the fields are called', (t) => {
  const lines: string[] = [];
  createLog({ json: true, write: (line) => void lines.push(line) }).error('failed', { level: 'fake', term: 7 });
  t.like(JSON.parse(lines[0] ?? ''), { level: 'error', subsystem: 'node', message: 'failed', term: 7 });
});
