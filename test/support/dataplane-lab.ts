/**
 * Run by dataplane.test.ts inside a network namespace of its own: two Pods (sleeping holders of
 * a namespace, each with a web server that says its name), one Service, real veths and nftables.
 * Prints one JSON line of what was seen.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createDataplane } from '#src/drivers/dataplane/dataplane.ts';
import { findProgram, run } from '#src/drivers/dataplane/commands.ts';
import type { Log } from '#src/ports/log.ts';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {}, scope: () => quiet };
const SERVER = `require('node:http').createServer((q,s)=>s.end(process.argv[1]+' '+q.socket.remoteAddress)).listen(8080,()=>console.log('up'))`;
const ASK = `require('node:http').get(process.argv[1],{timeout:2000,agent:false},r=>{let t='';r.on('data',d=>t+=d);r.on('end',()=>console.log(t))}).on('error',e=>console.log(e.code)).on('timeout',function(){this.destroy(Object.assign(new Error,{code:'TIMEOUT'}))})`;

const children: ChildProcess[] = [];

async function startPod(name: string): Promise<number> {
  const child = spawn('unshare', ['--net', process.execPath, '-e', SERVER, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  if (!child.stdout) throw new Error('no stdout');
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

async function ask(url: string, pid?: number): Promise<string> {
  const args = ['-e', ASK, url];
  const text =
    pid === undefined
      ? await run(process.execPath, args)
      : await run(findProgram('nsenter') ?? '', [`--net=/proc/${pid}/ns/net`, process.execPath, ...args]);
  return text.trim();
}

const seen: Record<string, unknown> = {};
const choice = await createDataplane({ log: quiet });
seen['mode'] = choice.mode;
seen['reason'] = choice.reason;
const { dataplane } = choice;
try {
  await dataplane.prepareNode({
    clusterId: 'lab00001',
    podCidr: '10.210.0.0/24',
    nodeIp: '10.210.0.1',
    clusterPodCidr: '10.210.0.0/16',
    serviceCidr: '10.211.0.0/16',
  });
  await dataplane.acquire();
  const a = await startPod('a');
  const b = await startPod('b');
  await dataplane.attachPod({ podUid: 'pod-a', ip: '10.210.0.2', netnsPath: `/proc/${a}/ns/net` });
  await dataplane.attachPod({ podUid: 'pod-b', ip: '10.210.0.3', netnsPath: `/proc/${b}/ns/net` });
  await dataplane.attachPod({ podUid: 'pod-b', ip: '10.210.0.3', netnsPath: `/proc/${b}/ns/net` });
  seen['hostToPod'] = await ask('http://10.210.0.2:8080/');
  seen['podToPod'] = await ask('http://10.210.0.3:8080/', a);
  const service = {
    id: 'default/web:http',
    protocol: 'TCP' as const,
    clusterIps: ['10.211.0.9'],
    port: 80,
    nodePort: 30080,
    sessionAffinity: false,
    endpoints: [
      { ip: '10.210.0.2', port: 8080 },
      { ip: '10.210.0.3', port: 8080 },
    ],
  };
  const empty = { ...service, id: 'default/empty:http', clusterIps: ['10.211.0.10'], nodePort: 30081, endpoints: [] };
  await dataplane.applyServices([service, empty]);
  const many = async (url: string, pid?: number): Promise<string[]> => {
    const answers: string[] = [];
    // Endpoints are drawn at random: that one of two is never met has a chance of 2^-31.
    for (let i = 0; i < 32; i += 1) answers.push((await ask(url, pid)).split(' ')[0] ?? '');
    return [...new Set(answers)].toSorted();
  };
  seen['hostToService'] = await many('http://10.211.0.9/');
  seen['podToServiceWithHairpin'] = await many('http://10.211.0.9/', a);
  seen['nodePort'] = await many('http://10.210.0.1:30080/');
  seen['noEndpoints'] = await ask('http://10.211.0.10/');
  await dataplane.applyServices([{ ...service, endpoints: [{ ip: '10.210.0.3', port: 8080 }] }]);
  seen['afterRemoval'] = await many('http://10.211.0.9/');
  await dataplane.detachPod('pod-b');
  seen['detached'] = (await run(findProgram('ip') ?? '', ['route', 'show', '10.210.0.3/32'])).trim();
  await dataplane.removeAll();
  seen['left'] = (await run(findProgram('nft') ?? '', ['list', 'tables'])).trim();
} catch (error) {
  seen['error'] = error instanceof Error ? error.message : String(error);
} finally {
  for (const child of children) child.kill('SIGKILL');
  await dataplane.release();
}
console.log(JSON.stringify(seen));
