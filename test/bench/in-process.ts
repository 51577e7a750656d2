/** One process, three replicas on real disks and real links: no client, no second process. Labelled so. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTrust, issuePeer } from '#src/cluster/pki.ts';
import { createClock } from '#src/drivers/clock.ts';
import { createCrypto } from '#src/drivers/crypto.ts';
import { createDisk } from '#src/drivers/disk.ts';
import { createLog } from '#src/drivers/log.ts';
import { createNetwork } from '#src/drivers/network.ts';
import { createRandom } from '#src/drivers/random.ts';
import { createReplica, type Replica } from '#src/replica/replica.ts';
import { createWire } from '#src/wire/wire.ts';
import type { Sizes } from './consensus.ts';
import { closedLoop, row, titles } from './load.ts';

const PORT = 21_943;
const NO_BYTES = new Uint8Array(0);

export async function inProcess(directory: string, sizes: Sizes, counts: number[]): Promise<void> {
  const clock = createClock();
  const random = createRandom();
  const crypto = createCrypto();
  const network = createNetwork();
  const log = createLog({ level: 'error' }, 'bench');
  const trust = await createTrust(crypto);
  const names = ['a', 'b', 'c'];
  const addresses = Object.fromEntries(names.map((name, i) => [name, `127.0.0.1:${PORT + i}`]));
  const closers: (() => Promise<void>)[] = [];
  const replicas: Replica[] = [];
  try {
    for (const [i, name] of names.entries()) {
      mkdirSync(join(directory, name), { recursive: true });
      const wire = await createWire({
        network,
        clock,
        random,
        log,
        self: name,
        clusterId: 'bench',
        incarnation: random.uuid(),
        version: 'bench',
        identity: { ...(await issuePeer(crypto, trust, name)), authorityPem: trust.peer.certificatePem },
        listen: { host: '127.0.0.1', port: PORT + i },
      });
      closers.push(() => wire.close());
      const replica = await createReplica({
        ports: { clock, random, log, disk: createDisk(join(directory, name)) },
        directory: 'consensus',
        clusterId: 'bench',
        self: name,
        peers: wire,
        config: { bootstrap: { voters: names, addresses } },
        onFatal: (fault) => console.error(fault.message),
      });
      closers.unshift(() => replica.stop({ transfer: false }));
      replicas.push(replica);
    }
    for (const replica of replicas) replica.start();
    let leader: Replica | undefined;
    while (!(leader = replicas.find(({ raft }) => raft.role === 'leader'))) await sleep(20);
    console.log('\n## In process: one process, three replicas, their disks and TLS links; proposals at the leader\n');
    titles(['clients', 'bytes', 'ops/s', 'p50 ms', 'p99 ms', 'CPU ms/op']);
    for (const bytes of sizes.bytes) {
      const value = new Uint8Array(bytes).fill(120);
      for (const clients of counts) {
        const proposer = leader;
        const before = process.cpuUsage();
        const result = await closedLoop(clients, sizes.roundMs, async (id, n) => {
          const key = `bench/${(id * 7919 + n) % 10_000}`;
          await proposer.propose(
            [{ conditions: [], operations: [{ type: 'put', key, head: value, tail: NO_BYTES }] }],
            { deadlineMs: 5000 },
          );
        });
        const cpu = process.cpuUsage(before);
        row([
          String(clients),
          String(bytes),
          result.perSecond,
          result.p50Ms,
          result.p99Ms,
          ((cpu.user + cpu.system) / 1000 / result.done).toFixed(3),
        ]);
      }
    }
  } finally {
    for (const close of closers) await close();
  }
}
