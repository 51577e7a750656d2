/**
 * One owner per network namespace and cluster, through an abstract Unix socket: the kernel
 * frees it at kill -9 and tells those who wait by closing their connection (DESIGN §4.8).
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Fault } from '#src/std/fault.ts';

const RETRY_MS = 50;

export interface Ownership {
  acquire(): Promise<void>;
  owns(): boolean;
  release(): Promise<void>;
}

export function createOwnership(name: string): Ownership {
  const path = `\0kontiki-dataplane-${name}`;
  let held: Server | undefined;
  const waiting = new Set<Socket>();
  let released = false;

  function tryListen(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        // Held open until this process ends: its closing is the signal for those who wait.
        waiting.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => waiting.delete(socket));
        socket.unref();
      });
      server.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve(false);
        else reject(new Fault('DATAPLANE_LOCK', `cannot take the data plane lock: ${error.message}`, 'later', error));
      });
      server.listen(path, () => {
        server.unref();
        held = server;
        resolve(true);
      });
    });
  }

  function untilHolderEnds(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(path);
      const again = (): void => void setTimeout(resolve, RETRY_MS).unref();
      socket.on('error', () => undefined);
      socket.on('close', again);
      socket.unref();
    });
  }

  return {
    async acquire() {
      while (!released && !(await tryListen())) await untilHolderEnds();
      if (released)
        throw new Fault('DATAPLANE_RELEASED', 'the data plane was released while waiting for its lock', 'never');
    },
    owns: () => held !== undefined,
    async release() {
      released = true;
      const server = held;
      held = undefined;
      if (!server) return;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        // Who waits is told by the end of its connection.
        for (const socket of waiting) socket.destroy();
      });
    },
  };
}
