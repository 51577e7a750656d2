/**
 * The cluster's command version (reference/raft.md A3.21): the leader asks every member what its program can apply and
 * raises the version, by a replicated command, when all of them can apply the next one. Proposals never go above it.
 * Lowering is an operator's call; it holds back the raise on every node that saw it, until the process ends: so the
 * nodes can be restarted with the older program one by one.
 */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { NodeId } from '#src/raft/types.ts';
import { Fault, messageOf } from '#src/std/fault.ts';
import { encodeCommand } from '#src/store/codec.ts';
import type { CommandRange } from '#src/store/codec.ts';
import type { Store } from '#src/store/store.ts';
import type { ReplicaMark } from './marks.ts';
import { RELEASE_POLL_MS } from './settings.ts';

/** A change that is not seen applied after this is of unknown outcome. */
const CHANGE_TIMEOUT_MS = 5000;
const POLL_MS = 10;

/** What a member answers: `hold` caps `commands.max` since an operator lowered the version. */
export type Release = { commands: CommandRange; hold?: number };

export interface VersionsRoute {
  /** All members, this node included. */
  members(): NodeId[];
  ask(id: NodeId): Promise<Release>;
  /** Where it is in this leader's log; undefined: not proposed. */
  propose(data: Uint8Array): { index: number; term: number } | undefined;
  appliedIndex(): number;
  notLeader(): Fault;
  /** Take a snapshot soon: what is below is of a version that the next program may not know. */
  snapshotSoon(): void;
}

export class Versions {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #store: Store;
  readonly #route: VersionsRoute;
  readonly #mark: (mark: ReplicaMark) => void;
  #term: number | undefined;
  #hold: number | undefined;
  #seen: number;
  #pollAt = 0;
  #polling = false;
  #told = '';
  /** A lowering is in this leader's log and not applied: nothing above it may follow. */
  #lowering: { to: number; index: number } | undefined;

  constructor(options: {
    clock: Clock;
    log: Log;
    store: Store;
    route: VersionsRoute;
    mark: (mark: ReplicaMark) => void;
  }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#store = options.store;
    this.#route = options.route;
    this.#mark = options.mark;
    this.#seen = this.#store.commandVersion;
  }

  release(): Release {
    const { commands } = this.#store;
    return this.#hold === undefined ? { commands } : { commands, hold: this.#hold };
  }

  /**
   * What this leader may propose. Above 1 only once all entries before its term are applied here: a lowering of the
   * leader before may be among them.
   */
  allowed(): number {
    if (this.#term === undefined) return 1;
    return Math.min(this.#store.commandVersion, this.#lowering?.to ?? Infinity);
  }

  /** The term once its no-op is applied here as leader; undefined when leadership is lost. */
  office(term: number | undefined): void {
    this.#term = term;
    this.#lowering = undefined;
    this.#pollAt = 0;
    this.#told = '';
  }

  applied(): void {
    const { commandVersion } = this.#store;
    // Until then it may still take effect, however long ago it was proposed.
    if (this.#lowering !== undefined && this.#route.appliedIndex() >= this.#lowering.index) this.#lowering = undefined;
    if (commandVersion === this.#seen) return;
    const lowered = commandVersion < this.#seen;
    this.#log.info('command version of the cluster', { was: this.#seen, is: commandVersion });
    this.#seen = commandVersion;
    this.#hold = lowered ? commandVersion : undefined;
    if (lowered) this.#route.snapshotSoon();
  }

  /** A snapshot was installed: what it says was decided while this node was away, perhaps by releases before. */
  installed(): void {
    this.#seen = this.#store.commandVersion;
  }

  tick(): void {
    const now = this.#clock.monotonicMs();
    const { commandVersion, commands } = this.#store;
    if (this.#term === undefined || this.#polling || now < this.#pollAt) return;
    if (commandVersion >= Math.min(commands.max, this.#hold ?? Infinity)) return;
    this.#pollAt = now + RELEASE_POLL_MS;
    void this.#raise(this.#term, commandVersion + 1);
  }

  /** An operator's change; leader only. Faults: REPLICA_NOT_LEADER, REPLICA_VERSION (why not), REPLICA_OUTCOME_UNKNOWN. */
  async change(to: number): Promise<void> {
    const { commandVersion, leases } = this.#store;
    if (to === commandVersion) return;
    const term = this.#term;
    if (term === undefined) throw this.#route.notLeader();
    if (to < commandVersion && leases.size > 0) {
      throw refused(`${leases.size} leases exist, which command version ${to} does not know; revoke them first`);
    }
    const unable = (await this.#releases()).filter(({ commands }) => to < commands.min || to > commands.max);
    if (unable.length > 0) throw refused(`${unable.map(tell).join(', ')}; start other programs there first`);
    if (this.#term !== term) throw this.#route.notLeader();
    const place = this.#propose(to);
    if (place === undefined) throw this.#route.notLeader();
    if (to < commandVersion) this.#lowering = { to, index: place.index };
    const deadlineAt = this.#clock.monotonicMs() + CHANGE_TIMEOUT_MS;
    while (this.#store.commandVersion !== to) {
      if (this.#term === term && this.#route.appliedIndex() >= place.index) {
        throw refused('a lease was granted meanwhile; revoke it first');
      }
      if (this.#clock.monotonicMs() >= deadlineAt || this.#term !== term) {
        const why = `the command version is ${this.#store.commandVersion}, its change to ${to} was not seen; look again`;
        throw new Fault('REPLICA_OUTCOME_UNKNOWN', why, 'later');
      }
      await new Promise<void>((resolve) => void this.#clock.after(POLL_MS, resolve));
    }
  }

  async #raise(term: number, to: number): Promise<void> {
    this.#polling = true;
    try {
      const releases = await this.#releases();
      const unable = releases.filter(({ commands, hold }) => Math.min(commands.max, hold ?? Infinity) < to);
      if (unable.length > 0) this.#tellUnable(to, unable);
      else if (this.#term === term && this.#store.commandVersion === to - 1 && this.#hold === undefined)
        this.#propose(to);
    } finally {
      this.#polling = false;
    }
  }

  #propose(to: number): { index: number; term: number } | undefined {
    this.#mark('replica: command version proposed');
    this.#log.info('propose the command version', { is: this.#store.commandVersion, to });
    return this.#route.propose(encodeCommand({ version: 2, type: 'setVersion', to }));
  }

  /** Who does not answer counts as one that knows version 1 only: so do programs that do not know the question. */
  #releases(): Promise<(Release & { id: NodeId })[]> {
    return Promise.all(
      this.#route.members().map(async (id) => {
        try {
          return { ...(await this.#route.ask(id)), id };
        } catch (error) {
          this.#log.debug('no answer about the release', { id, why: messageOf(error) });
          return { id, commands: { min: 1, max: 1 } };
        }
      }),
    );
  }

  #tellUnable(to: number, unable: (Release & { id: NodeId })[]): void {
    this.#mark('replica: node kept the cluster at an older command version');
    const who = unable.map(tell).join(', ');
    if (who !== this.#told) this.#log.info('the command version is not raised yet', { to, because: who });
    this.#told = who;
  }
}

function tell({ id, commands, hold }: Release & { id: NodeId }): string {
  const held = hold === undefined ? '' : `, held at ${hold}`;
  return `${id} knows ${commands.min} to ${commands.max}${held}`;
}

function refused(why: string): Fault {
  return new Fault('REPLICA_VERSION', `the command version is not changed: ${why}`, 'later');
}
