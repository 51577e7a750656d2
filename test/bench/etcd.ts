/** The peer: three members of Debian's etcd on loopback, and a gRPC client of a few lines. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GrpcConnection } from './grpc.ts';

export interface EtcdCluster {
  members: { name: string; port: number; pid: number; process: ChildProcess }[];
  leader: () => Promise<number>;
  /** Start a member that was killed; does not wait. */
  launch: (index: number) => void;
  /** The same, and wait for a leader. */
  restart: (index: number) => Promise<void>;
  close: () => Promise<void>;
}

export interface EtcdClient {
  put: (key: string, value: Uint8Array) => Promise<void>;
  /** Linearizable unless `serializable`; rejects when the key is absent. */
  get: (key: string, options?: { serializable: boolean }) => Promise<void>;
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

function bytesField(number: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...varint(value.length)]), value]);
}

/** One connection, its calls multiplexed. */
export async function etcdClient(port: number): Promise<EtcdClient> {
  const connection = await GrpcConnection.open(port);
  return {
    // etcdserverpb.PutRequest { key = 1; value = 2 }
    put: async (key, value) => {
      await connection.unary(
        '/etcdserverpb.KV/Put',
        Buffer.concat([bytesField(1, Buffer.from(key)), bytesField(2, value)]),
      );
    },
    // RangeRequest { key = 1; serializable = 7 }; RangeResponse { count = 4 }
    get: async (key, options) => {
      const serializable = options?.serializable ? [Buffer.from([7 << 3, 1])] : [];
      const answer = await connection.unary(
        '/etcdserverpb.KV/Range',
        Buffer.concat([bytesField(1, Buffer.from(key)), ...serializable]),
      );
      if (!readVarints(answer).has(4)) throw new Error(`${key} is not there`);
    },
    close: () => connection.close(),
  };
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
  let connection: GrpcConnection | undefined;
  try {
    connection = await GrpcConnection.open(port);
    const timeout = sleep(1000).then(() => Buffer.alloc(0));
    const answer = await Promise.race([connection.unary('/etcdserverpb.Maintenance/Status', Buffer.alloc(0)), timeout]);
    const fields = readVarints(answer);
    const header = fields.get(1);
    return header instanceof Buffer && readVarints(header).get(2) === fields.get(4);
  } catch {
    return false; // Not up, or not able to say.
  } finally {
    connection?.close();
  }
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
  const relaunch = (index: number): void => {
    const child = launch(index);
    const member = members[index];
    if (member) Object.assign(member, { pid: child.pid ?? 0, process: child });
  };
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
    launch: relaunch,
    async restart(index) {
      relaunch(index);
      await sleep(500);
      await leader();
    },
    async close() {
      for (const member of members) member.process.kill('SIGKILL');
      await sleep(100);
    },
  };
}
