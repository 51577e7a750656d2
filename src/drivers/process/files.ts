/** The files of the process runtime, and who is alive according to them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerSpec, SandboxSpec } from '#src/ports/runtime.ts';

export interface SandboxFile {
  id: string;
  spec: SandboxSpec;
  createdAtMs: number;
  /** The process that holds the network namespace; absent without one. */
  holder?: { pid: number; started: string; bootId: string };
  stopped: boolean;
}

export interface ContainerFile {
  id: string;
  sandboxId: string;
  spec: ContainerSpec;
  createdAtMs: number;
  /** Set when the shim was asked to start. */
  started: boolean;
}

export interface StateFile {
  pid: number;
  started: string;
  shimPid: number;
  shimStarted: string;
  bootId: string;
  startedAtMs: number;
}

export interface ExitFile {
  exitCode: number;
  signal?: number;
  finishedAtMs: number;
  reason?: string;
  message?: string;
}

export function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return undefined; // Not written yet; files appear whole by rename.
  }
}

export function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

export function listNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).toSorted() : [];
}

/** Field 22 of /proc/<pid>/stat; a zombie counts as dead. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined; // No such process.
  }
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** The same process as then: same boot, same start time; pids are used again. */
export function isSame(process: { pid: number; started: string; bootId: string } | undefined): boolean {
  return process !== undefined && process.bootId === bootId() && startTimeOf(process.pid) === process.started;
}

export interface RuntimeFiles {
  sandboxes: string;
  containers: string;
  volumes: string;
  container: (id: string, file?: string) => string;
  sandbox: (id: string) => string;
  volume: (podUid: string, name?: string) => string;
  remove: (path: string) => void;
}

export function runtimeFiles(directory: string): RuntimeFiles {
  const [sandboxes, containers, volumes] = ['sandboxes', 'containers', 'volumes'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  for (const path of [sandboxes, containers, volumes]) mkdirSync(path, { recursive: true, mode: 0o711 });
  return {
    sandboxes,
    containers,
    volumes,
    container: (id, file = '') => join(containers, id, file),
    sandbox: (id) => join(sandboxes, `${id}.json`),
    volume: (podUid, name = '') => join(volumes, podUid, name),
    // A shim that was just killed may still write its last file into it.
    remove: (path) => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 10 }),
  };
}
