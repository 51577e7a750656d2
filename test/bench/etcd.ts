/** The peer: three members of Debian's etcd on loopback, and a gRPC client of a few lines. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface EtcdCluster {
  members: { name: string; port: number; pid: number; process: ChildProcess }[];
  leader: () => Promise<number>;
  restart: (index: number) => Promise<void>;
  close: () => Promise<void>;
}

export interface EtcdClient {
  put: (key: string, value: Uint8Array) => Promise<void>;
  close: () => void;
}

export const etcdPath = ['/usr/bin/etcd', '/usr/local/bin/etcd'].find((path) => existsSync(path));

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

/** etcdserverpb.PutRequest { key = 1; value = 2 } as a gRPC message. */
function putRequest(key: string, value: Uint8Array): Buffer {
  const keyBytes = Buffer.from(key);
  const body = Buffer.concat([
    Buffer.from([10, ...varint(keyBytes.length)]),
    keyBytes,
    Buffer.from([18, ...varint(value.length)]),
    value,
  ]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function unary(session: ClientHttp2Session, path: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    let status = '';
    stream.setTimeout(timeoutMs, () => stream.close());
    stream.on('response', (headers) => (status = String(headers['grpc-status'] ?? status)));
    stream.on('trailers', (headers) => (status = String(headers['grpc-status'] ?? status)));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () =>
      status === '0' ? resolve(Buffer.concat(chunks)) : reject(new Error(`grpc status ${status || 'none'}`)),
    );
    stream.end(message);
  });
}

export function etcdClient(port: number): Promise<EtcdClient> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.once('error', reject);
    session.once('connect', () => {
      session.on('error', () => undefined); // Each request reports its own failure.
      resolve({
        put: async (key, value) => void (await unary(session, '/etcdserverpb.KV/Put', putRequest(key, value), 5000)),
        close: () => session.destroy(),
      });
    });
  });
}

/** etcdserverpb.StatusResponse: field 1 header { member_id = 2 }, field 4 leader. */
function readVarints(buffer: Buffer): Map<number, bigint | Buffer> {
  const fields = new Map<number, bigint | Buffer>();
  let at = 0;
  const next = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = buffer[at++] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < buffer.length) {
    const tag = Number(next());
    if ((tag & 7) === 0) fields.set(tag >> 3, next());
    else {
      const length = Number(next());
      fields.set(tag >> 3, buffer.subarray(at, at + length));
      at += length;
    }
  }
  return fields;
}

async function isLeader(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => resolve(false));
    unary(session, '/etcdserverpb.Maintenance/Status', Buffer.alloc(5), 1000).then(
      (answer) => {
        const fields = readVarints(answer.subarray(5));
        const header = fields.get(1);
        resolve(header instanceof Buffer && readVarints(header).get(2) === fields.get(4));
        session.destroy();
      },
      () => {
        resolve(false);
        session.destroy();
      },
    );
  });
}

export async function startEtcd(directory: string, basePort: number): Promise<EtcdCluster> {
  const names = ['e1', 'e2', 'e3'];
  const peers = names.map((name, i) => `${name}=http://127.0.0.1:${basePort + 10 + i}`).join(',');
  mkdirSync(directory, { recursive: true });
  const launch = (i: number): ChildProcess => {
    const name = names[i] ?? '';
    const client = `http://127.0.0.1:${basePort + i}`;
    const peer = `http://127.0.0.1:${basePort + 10 + i}`;
    const args = [
      '--name',
      name,
      '--data-dir',
      join(directory, name),
      '--listen-client-urls',
      client,
      '--advertise-client-urls',
      client,
    ];
    args.push(
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      peers,
      '--logger',
      'zap',
      '--log-level',
      'error',
    );
    return spawn(etcdPath ?? 'etcd', args, { stdio: 'ignore' });
  };
  const members = names.map((name, i) => {
    const child = launch(i);
    return { name, port: basePort + i, pid: child.pid ?? 0, process: child };
  });
  const leader = async (): Promise<number> => {
    for (let tries = 0; tries < 600; tries += 1) {
      for (const [i, member] of members.entries()) if (await isLeader(member.port)) return i;
      await sleep(20);
    }
    throw new Error('etcd elected no leader');
  };
  await leader();
  return {
    members,
    leader,
    async restart(index) {
      const child = launch(index);
      const member = members[index];
      if (member) Object.assign(member, { pid: child.pid ?? 0, process: child });
      await sleep(500);
      await leader();
    },
    async close() {
      for (const member of members) member.process.kill('SIGKILL');
      await sleep(100);
    },
  };
}
