/** The leader's side of writing: items of all nodes are joined, a turn's worth to one entry. */
import type { Clock } from '#src/ports/clock.ts';
import type { NodeId } from '#src/raft/types.ts';
import { Fault } from '#src/std/fault.ts';
import { BATCH_HEADER_BYTES, encodeCommand, ITEM_HEADER_BYTES, joinItems } from '#src/store/codec.ts';
import type { CommandVersion } from '#src/store/command.ts';
import type { ProposalMessage } from './proposals.ts';
import { ENTRY_BYTES_MAX, UNAPPLIED_BYTES_MAX } from './settings.ts';

export interface IntakeRoute {
  /** Where the entry went, or undefined when this replica does not lead. */
  propose(data: Uint8Array): { index: number; term: number } | undefined;
  /** Why this replica does not lead, with the leader's name. */
  notLeader(): Fault;
  /** A call of this member is in the entry at `index`. */
  awaits(member: NodeId, index: number): void;
}

type Taken = {
  from: NodeId;
  version: CommandVersion;
  items: Uint8Array[];
  resolve: () => void;
  reject: (fault: Fault) => void;
};

export class Intake {
  readonly #clock: Clock;
  readonly #route: IntakeRoute;
  #waiting: Taken[] = [];
  /** Proposed here and not applied yet, by index. */
  #unapplied: { index: number; bytes: number }[] = [];
  #unappliedBytes = 0;

  constructor(options: { clock: Clock; route: IntakeRoute }) {
    this.#clock = options.clock;
    this.#route = options.route;
  }

  /** The bytes are kept until the end of the turn. Resolves when they are in this leader's log. REPLICA_NOT_LEADER, REPLICA_OVERLOADED: certainly not proposed. */
  accept(from: NodeId, message: ProposalMessage): Promise<void> {
    // Applying that lags pushes back here, not on heartbeats (reference/raft.md A3.26).
    if (this.#unappliedBytes > UNAPPLIED_BYTES_MAX) {
      const why = `${this.#unappliedBytes} bytes of entries are proposed and not applied on the leader; try again later`;
      return Promise.reject(new Fault('REPLICA_OVERLOADED', why, 'later'));
    }
    if (message.open !== undefined) {
      const data = encodeCommand({ version: 1, type: 'openSession', session: message.open });
      if (!this.#propose(data, [from])) return Promise.reject(this.#route.notLeader());
    }
    if (message.items.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ from, version: message.version ?? 1, items: message.items, resolve, reject });
      if (this.#waiting.length === 1) this.#clock.endOfTurn(() => this.#flush());
    });
  }

  /** Entries up to this index were applied. */
  applied(index: number): void {
    let done = 0;
    for (; done < this.#unapplied.length && this.#unapplied[done]!.index <= index; done++) {
      this.#unappliedBytes -= this.#unapplied[done]!.bytes;
    }
    if (done > 0) this.#unapplied = this.#unapplied.slice(done);
  }

  /** No longer leader: what was proposed may never be applied. */
  reset(): void {
    this.#unapplied = [];
    this.#unappliedBytes = 0;
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let group: Taken[] = [];
    let bytes = BATCH_HEADER_BYTES;
    for (const taken of waiting) {
      const size = taken.items.reduce((sum, item) => sum + ITEM_HEADER_BYTES + item.length, 0);
      // Versions are kept apart, so that one that must wait holds up nothing else.
      const fits = bytes + size <= ENTRY_BYTES_MAX && group[0]?.version === taken.version;
      if (group.length > 0 && !fits) {
        this.#proposeGroup(group);
        group = [];
        bytes = BATCH_HEADER_BYTES;
      }
      group.push(taken);
      bytes += size;
    }
    this.#proposeGroup(group);
  }

  #proposeGroup(group: Taken[]): void {
    const done = this.#propose(
      joinItems(
        group.flatMap(({ items }) => items),
        group[0]?.version,
      ),
      group.map(({ from }) => from),
    );
    for (const { resolve, reject } of group) {
      if (done) resolve();
      else reject(this.#route.notLeader());
    }
  }

  #propose(data: Uint8Array, callers: NodeId[]): boolean {
    const place = this.#route.propose(data);
    if (place === undefined) return false;
    for (const member of callers) this.#route.awaits(member, place.index);
    this.#unapplied.push({ index: place.index, bytes: data.length });
    this.#unappliedBytes += data.length;
    return true;
  }
}
