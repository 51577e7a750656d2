/** Membership changes and leadership, as `cluster` sees them. Each change waits until it is applied here. */
import type { Clock } from '#src/ports/clock.ts';
import type { ConfigurationChange, Entry, NodeId } from '#src/raft/types.ts';
import { Fault } from '#src/std/fault.ts';
import type { Membership, ReplicaStatus } from './membership.ts';

/** A change that is not applied after this is reported as of unknown outcome. */
const CHANGE_TIMEOUT_MS = 10_000;
/** A learner this close behind, that answered this recently, has caught up (reference/raft.md A3.11). */
const CAUGHT_UP_ENTRIES = 64;
const LIVE_MS = 1000;
const POLL_MS = 50;
/** A transfer that has not happened after this has failed (reference/raft.md A3.24). */
const TRANSFER_TIMEOUT_MS = 2000;

export interface MembersRoute {
  status(): ReplicaStatus;
  /** Role and term without the cost of a whole status. */
  office(): { leads: boolean; term: number };
  /**
   * Whether a joint configuration is in force, or the one after it is not committed: the change goes on by itself.
   * Until then a removed member may still be needed for a quorum.
   */
  changing(): boolean;
  change(change: ConfigurationChange): { index: number; term: number };
  transfer(to: NodeId): void;
  notLeader(): Fault;
}

type Awaited = { index: number; term: number; settle: (fault: Fault | undefined) => void };

export class Members implements Omit<Membership, 'changeCommandVersion'> {
  readonly #clock: Clock;
  readonly #route: MembersRoute;
  #handlers = new Set<(term: number | undefined) => void>();
  #awaited: Awaited[] = [];
  #noopTerm = 0;
  #leads: number | undefined;
  #stopped = false;

  /** The mutation result-by-index-only. */
  readonly #ignoresTerm: boolean;

  constructor(options: { clock: Clock; route: MembersRoute; ignoresTerm?: boolean }) {
    this.#clock = options.clock;
    this.#ignoresTerm = options.ignoresTerm === true;
    this.#route = options.route;
  }

  status(): ReplicaStatus {
    return this.#route.status();
  }

  addLearner(id: NodeId, address: string, reason?: string): Promise<void> {
    return this.#change({ type: 'addLearner', id, address, ...because(reason) });
  }

  async promote(id: NodeId, options: { deadlineMs: number; reason?: string }): Promise<void> {
    const deadlineAt = this.#clock.monotonicMs() + options.deadlineMs;
    for (;;) {
      const { role, learners, voters, progress, commitIndex } = this.status();
      if (role !== 'leader') throw this.#route.notLeader();
      if (voters.includes(id)) return;
      if (!learners.includes(id)) {
        throw new Fault('REPLICA_NOT_A_LEARNER', `${id} is no learner of this group; add it first`, 'never');
      }
      const its = progress[id];
      if (its !== undefined && its.matchIndex + CAUGHT_UP_ENTRIES >= commitIndex && its.lastContactMs < LIVE_MS) break;
      if (this.#clock.monotonicMs() >= deadlineAt) {
        const where =
          its === undefined
            ? 'was never heard of'
            : `is at ${its.matchIndex} of ${commitIndex}, silent for ${its.lastContactMs} ms`;
        throw new Fault('REPLICA_LEARNER_BEHIND', `learner ${id} ${where}; it is not promoted`, 'later');
      }
      await this.#pause(POLL_MS);
    }
    await this.#change({ type: 'promote', id, ...because(options.reason) });
  }

  demote(id: NodeId, reason?: string): Promise<void> {
    return this.#change({ type: 'demote', id, ...because(reason) });
  }

  setVoters(voters: NodeId[], reason?: string): Promise<void> {
    return this.#change({ type: 'setVoters', voters, ...because(reason) });
  }

  remove(id: NodeId, reason?: string): Promise<void> {
    return this.#change({ type: 'remove', id, ...because(reason) });
  }

  setAddress(id: NodeId, address: string): Promise<void> {
    return this.#change({ type: 'setAddress', id, address });
  }

  async transferLeadership(to?: NodeId): Promise<void> {
    const status = this.status();
    if (status.role !== 'leader') throw this.#route.notLeader();
    const target = to ?? bestSuccessor(status);
    if (target === undefined) {
      throw new Fault('REPLICA_NO_SUCCESSOR', `no live voter beside ${status.self} can take over`, 'later');
    }
    this.#route.transfer(target);
    const deadlineAt = this.#clock.monotonicMs() + TRANSFER_TIMEOUT_MS;
    for (let now = this.#route.office(); now.leads && now.term === status.term; now = this.#route.office()) {
      if (this.#stopped || this.#clock.monotonicMs() >= deadlineAt) {
        throw new Fault(
          'REPLICA_TRANSFER_FAILED',
          `${target} did not take over within ${TRANSFER_TIMEOUT_MS} ms`,
          'later',
        );
      }
      await this.#pause(5);
    }
  }

  onLeadership(handle: (term: number | undefined) => void): () => void {
    this.#handlers.add(handle);
    if (this.#leads !== undefined) handle(this.#leads);
    return () => {
      this.#handlers.delete(handle);
    };
  }

  /** Entries were applied. */
  applied(entries: readonly Entry[], appliedIndex: number): void {
    for (const entry of entries) {
      if (entry.type === 'noop') this.#noopTerm = entry.term;
      for (const one of this.#awaited) {
        if (one.index !== entry.index) continue;
        one.settle(one.term === entry.term || this.#ignoresTerm ? undefined : lost());
      }
    }
    this.#awaited = this.#awaited.filter(({ index }) => index > appliedIndex);
    this.changed();
  }

  /** Role or term may be another. */
  changed(): void {
    const { leads: isLeader, term } = this.#route.office();
    const leads = !this.#stopped && isLeader && this.#noopTerm === term ? term : undefined;
    if (leads === this.#leads) return;
    this.#leads = leads;
    for (const handle of this.#handlers) handle(leads);
  }

  stop(): void {
    this.#stopped = true;
    this.changed();
    for (const { settle } of this.#awaited) settle(lost());
    this.#awaited = [];
  }

  async #change(change: ConfigurationChange): Promise<void> {
    const place = this.#route.change(change);
    await new Promise<void>((resolve, reject) => {
      const timer = this.#clock.after(CHANGE_TIMEOUT_MS, () => awaited.settle(lost()));
      const awaited: Awaited = {
        ...place,
        settle: (fault) => {
          timer.cancel();
          if (fault === undefined) resolve();
          else reject(fault);
        },
      };
      this.#awaited.push(awaited);
    });
    const deadlineAt = this.#clock.monotonicMs() + CHANGE_TIMEOUT_MS;
    while (this.#route.changing()) {
      if (this.#stopped || this.#clock.monotonicMs() >= deadlineAt) throw lost();
      await this.#pause(5);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}

function because(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** The live voter whose log is the longest. */
function bestSuccessor({ self, voters, progress }: ReplicaStatus): NodeId | undefined {
  let best: NodeId | undefined;
  let match = -1;
  for (const id of voters) {
    const its = progress[id];
    if (id === self || its === undefined || its.lastContactMs > LIVE_MS || its.matchIndex <= match) continue;
    best = id;
    match = its.matchIndex;
  }
  return best;
}

function lost(): Fault {
  return new Fault(
    'REPLICA_OUTCOME_UNKNOWN',
    'the change of members was not seen to be applied; look at the status',
    'later',
  );
}
