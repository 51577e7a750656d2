/** What this machine offers, found out before anything is started. */
import { closeSync, fdatasyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import Docker from 'dockerode';
import { Fault, messageOf } from '#src/std/fault.ts';

export interface EngineFinding {
  /** `docker 20.10.24`, or why there is none. */
  text: string;
  version: string | undefined;
  /** A socket is there but may not be opened: worth a remedy, not silence. */
  forbidden: boolean;
}

const ENGINE_TIMEOUT_MS = 3000;

/** Whether a Docker engine answers on the usual socket (or DOCKER_HOST). */
export async function findEngine(): Promise<EngineFinding> {
  try {
    const version = await new Docker({ timeout: ENGINE_TIMEOUT_MS }).version();
    return { text: `docker ${version.Version}`, version: version.Version, forbidden: false };
  } catch (error) {
    const forbidden = (error as NodeJS.ErrnoException).code === 'EACCES';
    return { text: forbidden ? 'docker without permission' : 'no container engine', version: undefined, forbidden };
  }
}

/** p99 of 4 KB write + fdatasync in that directory, ms. Faults: CLI_DATA_DIRECTORY names it and the remedy. */
export function diskSyncP99(directory: string, rounds = 32): number {
  const file = join(directory, '.preflight');
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const handle = openSync(file, 'w');
    const block = new Uint8Array(4096);
    const times: number[] = [];
    for (let i = 0; i < rounds; i += 1) {
      const start = performance.now();
      writeSync(handle, block, 0, block.length, i * block.length);
      fdatasyncSync(handle);
      times.push(performance.now() - start);
    }
    closeSync(handle);
    rmSync(file);
    return times.toSorted((a, b) => a - b)[Math.floor(rounds * 0.99)] ?? 0;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const remedy =
      code === 'ENOSPC' ? 'free some space' : code === 'EACCES' || code === 'EROFS' ? 'make it writable' : 'check it';
    throw new Fault(
      'CLI_DATA_DIRECTORY',
      `cannot write to ${directory}: ${messageOf(error)}; ${remedy}, or choose another with --data`,
      'never',
      error,
    );
  }
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 500 });
    const finish = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
    socket.once('timeout', () => finish(false));
  });
}

/** Faults: CLI_PORT_TAKEN names the first port in use, what it was for, and the flag to change. */
export async function requireFreePorts(ports: { port: number; use: string }[]): Promise<void> {
  for (const { port, use } of ports) {
    if (!(await isFree('127.0.0.1', port)) || (await answers('127.0.0.1', port))) {
      throw new Fault(
        'CLI_PORT_TAKEN',
        `port ${port} (${use}) is in use by another process; stop it, or choose other ports with --port`,
        'never',
      );
    }
  }
}
