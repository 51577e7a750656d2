/**
 * The data plane driver: picks what this process may do. Root with ip, nft and nsenter: routed
 * veths and nftables. Otherwise: addresses of the engine or of loopback, and a userspace proxy.
 * Read next: routed.ts, ruleset.ts (the table as text), userspace.ts, ownership.ts.
 */
import { hash, randomBytes } from 'node:crypto';
import type { Dataplane } from '#src/ports/dataplane.ts';
import type { Log } from '#src/ports/log.ts';
import { messageOf } from '#src/std/fault.ts';
import { run } from './commands.ts';
import { createRoutedDataplane, findTools } from './routed.ts';
import { createUserspaceDataplane } from './userspace.ts';

export interface DataplaneChoice {
  dataplane: Dataplane;
  mode: 'routed' | 'userspace';
  /** Why not routed, as a sentence; empty when it is. */
  reason: string;
}

/** Try what routed needs on a throw-away device; a container may be root and still lack it. */
async function whyNotRouted(): Promise<string> {
  if (process.getuid?.() !== 0)
    return 'not root: Pods have no network namespace of their own, Services go through a userspace proxy';
  const { tools, missing } = findTools();
  if (!tools)
    return `the programs ${missing.join(', ')} are missing (Debian: iproute2, nftables, util-linux): Services go through a userspace proxy`;
  const probe = `kq${hash('sha256', randomBytes(8), 'hex').slice(0, 8)}`;
  try {
    await run(tools.ip, ['link', 'add', probe, 'type', 'veth', 'peer', 'name', `${probe}p`]);
    await run(tools.ip, ['link', 'del', 'dev', probe]);
    await run(
      tools.nft,
      ['-c', '-f', '-'],
      'table ip kontiki-probe { chain c { type nat hook output priority -100; }; }\n',
    );
    return '';
  } catch (error) {
    return `this root may not make network devices or nftables rules (${messageOf(error)}): Services go through a userspace proxy`;
  }
}

export async function createDataplane(options: { log: Log }): Promise<DataplaneChoice> {
  const reason = await whyNotRouted();
  const { tools } = findTools();
  if (reason === '' && tools)
    return { dataplane: createRoutedDataplane({ tools, log: options.log }), mode: 'routed', reason };
  return { dataplane: createUserspaceDataplane({ log: options.log, reason }), mode: 'userspace', reason };
}
