/** TCP connections into Pods, as the Runtime port hands them out. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { DialedConnection, Runtime } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { findProgram } from './dataplane/commands.ts';
import { writeTo } from './pipes.ts';

const DIAL_TIMEOUT_MS = 5000;

/** In the words of connect(2), as Kubernetes' clients know them. */
function dialFailure(error: NodeJS.ErrnoException): string {
  const known: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'connect: connection timed out',
  };
  return known[error.code ?? ''] ?? error.message;
}

/** Faults: RUNTIME_DIAL. */
export function dialTcp(host: string, port: number): ReturnType<Runtime['dial']> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: DIAL_TIMEOUT_MS, allowHalfOpen: true });
    socket.once('timeout', () => socket.destroy(new Error('i/o timeout')));
    socket.once('error', (error) =>
      reject(new Fault('RUNTIME_DIAL', `dial tcp ${host}:${port}: ${dialFailure(error)}`, 'later', error)),
    );
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.on('error', () => socket.destroy());
      resolve({
        output: {
          async pump(handle) {
            // Its end is not ours: a server may say all it has and still listen.
            for await (const chunk of socket.iterator({ destroyOnReturn: false }))
              await handle(chunk as Buffer, 'stdout');
          },
          cancel: () => void socket.destroy(),
        },
        write: (chunk) => writeTo(socket, chunk),
        end: () => void socket.end(),
      });
    });
  });
}

/** In the namespace: connects to the first address that answers, says so with one byte, and copies, half by half. */
const RELAY = `const [port,...hosts]=process.argv.slice(1);const next=(why)=>{const host=hosts.shift();
if(!host){process.stderr.write(why);process.exit(1)}
const s=require('net').connect({port:+port,host,allowHalfOpen:true});const failed=(e)=>next(e.code==='ECONNREFUSED'?'connect: connection refused':e.message);s.once('error',failed);
s.once('connect',()=>{s.off('error',failed);s.on('error',()=>process.exit(1));process.stdout.write('+');
process.stdin.pipe(s);s.pipe(process.stdout);
s.once('end',()=>process.stdout.end());s.once('close',()=>process.exit())})};next('')`;

/**
 * TCP inside a network namespace, needs root: its loopback first, where port-forward looks for a
 * server, then the Pod's own address. Never from outside, where that address may be somebody else's.
 */
export function dialInside(netnsPath: string, hosts: string[], port: number): ReturnType<Runtime['dial']> {
  const nsenter = findProgram('nsenter') ?? 'nsenter';
  const child = spawn(nsenter, [`--net=${netnsPath}`, '--', process.execPath, '-e', RELAY, String(port), ...hosts], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // It ended; the output tells.
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString('utf8').slice(0, 1000)));
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(new Fault('RUNTIME_DIAL', `dial tcp port ${port} in the Pod: ${why}`, 'later'));
    child.once('error', (error) => fail(error.message));
    child.once('close', () => fail(said || 'the connection could not be made'));
    child.stdout.once('readable', () => {
      if (child.stdout.read(1) === null) return; // Ended without a byte: 'close' tells why.
      resolve({
        output: {
          async pump(handle) {
            for await (const chunk of child.stdout) await handle(chunk as Buffer, 'stdout');
          },
          cancel: () => void child.kill('SIGKILL'),
        },
        write: (chunk) => writeTo(child.stdin, chunk),
        end: () => void child.stdin.end(),
      });
    });
  });
}

/** A TLS session inside a connection. The certificate is not verified. Faults: RUNTIME_DIAL. */
export function overTls(connection: DialedConnection): Promise<DialedConnection> {
  let readMore: (() => void) | undefined;
  const carrier = new Duplex({
    read: () => readMore?.(),
    write: (chunk: Buffer, _encoding, done) => void connection.write(chunk).then(() => done(), done),
    final: (done) => {
      connection.end();
      done();
    },
  });
  connection.output
    .pump(async (chunk) => {
      if (!carrier.push(chunk)) await new Promise<void>((resolve) => (readMore = resolve));
    })
    .then(
      () => carrier.push(null),
      (error: unknown) => carrier.destroy(error instanceof Error ? error : undefined),
    );
  const socket = connectTls({ socket: carrier, rejectUnauthorized: false });
  const cancel = (): void => {
    socket.destroy();
    connection.output.cancel();
    readMore?.();
  };
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      cancel();
      reject(new Fault('RUNTIME_DIAL', `tls: ${why}`, 'later'));
    };
    const timer = setTimeout(() => fail('handshake timeout'), DIAL_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.once('error', (error) => fail(error.message));
    socket.once('close', () => fail('the connection was closed'));
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      socket.removeAllListeners('close');
      socket.on('error', cancel);
      resolve({
        output: {
          async pump(handle) {
            for await (const chunk of socket.iterator({ destroyOnReturn: false }))
              await handle(chunk as Buffer, 'stdout');
          },
          cancel,
        },
        write: (chunk) => writeTo(socket, chunk),
        end: () => void socket.end(),
      });
    });
  });
}
