/**
 * How a started process makes fast in its cluster: it tells how often its directory was started and where it is
 * reached, and learns if it may not be here: removed, or an older copy of a disk (reference/raft.md A3.12).
 */
import type { Records } from '#src/cluster/records.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Membership } from '#src/replica/membership.ts';
import { isFault, messageOf, type Fault } from '#src/std/fault.ts';
import type { Wire } from '#src/wire/wire.ts';

const RETRY_MS = 500;
/** Turns without a leader after which this node dials everybody itself. */
const LONELY_TURNS = 6;
const ADDRESS_TIMEOUT_MS = 5000;

export interface Moorings {
  start(): void;
  stop(): void;
}

export function createMoorings(options: {
  membership: Membership;
  records: Records;
  wire: Wire;
  clock: Clock;
  log: Log;
  name: string;
  start: { incarnation: string; peerAddress: string; zone: string; boots: number; run: string };
  onFatal: (fault: Fault) => void;
}): Moorings {
  const { membership, records, wire, clock, name } = options;
  const log = options.log.scope('moorings');
  let timer: Timer | undefined;
  let stopped = false;
  let registered = false;
  let lonelyTurns = 0;

  /** The leader may have moved too: then neither finds the other, but somebody may have a link to both. */
  async function tellAnybody(): Promise<void> {
    for (const peer of wire.states()) {
      if (!peer.connected || stopped) continue;
      try {
        await wire.request(peer.name, 'cluster.address', options.start.peerAddress, { timeoutMs: ADDRESS_TIMEOUT_MS });
        log.info('the leader was told the new address of this node', { through: peer.name });
        return;
      } catch (error) {
        log.debug('the new address was not passed on', { through: peer.name, why: messageOf(error) });
      }
    }
  }

  /** True when nothing is left to do. */
  async function makeFast(): Promise<boolean> {
    const { leader, self, addresses, voters, learners, removed } = membership.status();
    if (removed.includes(name)) {
      log.error('this node was removed from its cluster; its data directory is of no use any more', { node: name });
      return true;
    }
    const known = addresses[name];
    const isMember = voters.includes(name) || learners.includes(name);
    const moved = isMember && known !== undefined && known !== options.start.peerAddress;
    lonelyTurns = leader === undefined ? lonelyTurns + 1 : 0;
    // Others look for us at the old place until the log says otherwise; or they do not look for us at all, and say why.
    wire.reachOut(moved || lonelyTurns >= LONELY_TURNS);
    if (leader === undefined && moved) await tellAnybody();
    if (leader === undefined || !isMember) return false;
    if (moved) {
      if (leader === self) await membership.setAddress(name, options.start.peerAddress);
      else await wire.request(leader, 'cluster.address', options.start.peerAddress, { timeoutMs: ADDRESS_TIMEOUT_MS });
      log.info('the cluster knows the new address of this node', { address: options.start.peerAddress });
      return false;
    }
    if (!registered) await records.registerStart(name, options.start);
    registered = true;
    return true;
  }

  async function turn(): Promise<void> {
    let done = false;
    try {
      done = await makeFast();
    } catch (error) {
      if (stopped) return;
      if (isFault(error, 'CLUSTER_OLD_COPY') || isFault(error, 'CLUSTER_NAME_TAKEN')) {
        options.onFatal(error);
        return;
      }
      log.debug('not registered yet', { why: messageOf(error) });
    }
    if (!stopped && !done) timer = clock.after(RETRY_MS, () => void turn());
  }

  return {
    start: () => void turn(),
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
