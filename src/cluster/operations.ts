/**
 * What an operator may do with the members: each either happens or is refused with what is wrong and what to do, and
 * then nothing has changed. Runs on the leader; any node passes requests on.
 */
import type { Membership, ReplicaStatus } from '#src/replica/membership.ts';
import { Fault } from '#src/std/fault.ts';
import type { Records } from './records.ts';
import { LIVE_MS } from './voters.ts';

export const MEMBER_ACTIONS = ['promote', 'demote', 'remove', 'transfer', 'command-version'] as const;
export type MemberAction = (typeof MEMBER_ACTIONS)[number];

export interface MemberRequest {
  action: MemberAction;
  /** A member; empty for a transfer to whoever is fit; the wanted number for the command version. */
  name: string;
}

const PROMOTE_DEADLINE_MS = 10_000;

/** Faults: CLUSTER_MEMBER_REQUEST. */
export function parseMemberRequest(body: unknown): MemberRequest {
  const given = (body ?? {}) as Partial<MemberRequest>;
  if (!MEMBER_ACTIONS.includes(given.action as MemberAction)) {
    const known = MEMBER_ACTIONS.join(', ');
    throw new Fault('CLUSTER_MEMBER_REQUEST', `action ${JSON.stringify(given.action)} is none of ${known}`, 'never');
  }
  if (typeof given.name !== 'string' || (given.name === '' && given.action !== 'transfer'))
    throw new Fault('CLUSTER_MEMBER_REQUEST', `name ${JSON.stringify(given.name)} is no member's name`, 'never');
  if (given.action === 'command-version' && !/^[1-9]\d{0,5}$/.test(given.name))
    throw new Fault(
      'CLUSTER_MEMBER_REQUEST',
      `command version ${JSON.stringify(given.name)} is no positive whole number`,
      'never',
    );
  return { action: given.action as MemberAction, name: given.name };
}

/** What was done, in a sentence. */
export async function operate(
  options: { membership: Membership; records: Records; nowMs: () => number },
  { action, name }: MemberRequest,
): Promise<string> {
  const { membership, records } = options;
  const status = membership.status();
  if (action === 'transfer') return await transfer(membership, status, name);
  if (action === 'command-version') return await changeVersion(membership, status, Number(name));
  // Asked again, because the answer was lost: the link over which it came may have been the removed node's.
  if (action === 'remove' && status.removed.includes(name)) return removed(name);
  requireMember(status, name);
  const reason = `${action} ${name}, by the operator`;
  const done = async (sentence: string): Promise<string> => {
    await records.note({ atMs: options.nowMs(), reason });
    return sentence;
  };
  switch (action) {
    case 'promote':
      if (status.voters.includes(name)) throw refused(`${name} is a voter already`);
      requireQuorum(status, [...status.voters, name]);
      await records.hold(name, false);
      await membership.promote(name, { deadlineMs: PROMOTE_DEADLINE_MS, reason });
      return await done(`${name} votes now`);
    case 'demote':
      if (!status.voters.includes(name)) throw refused(`${name} stands by already`);
      requireOthers(status, name);
      // Before the change: the cluster must not promote it again in between.
      await records.hold(name, true);
      await membership.demote(name, reason);
      return await done(`${name} stands by until 'kontiki member promote ${name}'`);
    case 'remove':
      if (status.voters.includes(name)) requireOthers(status, name);
      if (name === status.self) {
        // Who leaves cannot finish what follows; whoever leads next does it all.
        await membership.transferLeadership();
        throw new Fault('REPLICA_NOT_LEADER', `${name} has handed over leadership to be removed`, 'elsewhere');
      }
      await records.hold(name, false);
      await membership.remove(name, reason);
      return await done(removed(name));
  }
}

function removed(name: string): string {
  return `${name} is no member any more; its data directory is of no use, and its name does not come back`;
}

async function changeVersion(membership: Membership, status: ReplicaStatus, to: number): Promise<string> {
  const was = status.commandVersion;
  if (to === was) throw refused(`the cluster's command version is ${was} already`);
  await membership.changeCommandVersion(to);
  return to < was
    ? `the cluster's command version is ${to} now and stays there until the nodes are restarted; an older program may take their place, one node after the other`
    : `the cluster's command version is ${to} now`;
}

async function transfer(membership: Membership, status: ReplicaStatus, name: string): Promise<string> {
  if (name !== '') {
    requireMember(status, name);
    if (name === status.self) throw refused(`${name} leads already`);
    if (!status.voters.includes(name))
      throw refused(`${name} stands by; only a voter can lead ('kontiki member promote ${name}' first)`);
    const silentMs = status.progress[name]?.lastContactMs ?? Infinity;
    if (silentMs > LIVE_MS) throw refused(`${name} does not answer; leadership stays with ${status.self}`);
  }
  await membership.transferLeadership(name === '' ? undefined : name);
  return `${status.self} has handed over leadership`;
}

function requireMember(status: ReplicaStatus, name: string): void {
  const members = [...status.voters, ...status.learners];
  if (!members.includes(name)) throw refused(`'${name}' is no member; the members are ${members.join(', ')}`);
}

/** Without this voter the others must still be a working cluster. */
function requireOthers(status: ReplicaStatus, name: string): void {
  const next = status.voters.filter((id) => id !== name);
  if (next.length === 0)
    throw refused(
      `${name} is the last voter; without it the cluster could decide nothing. Let another node join first`,
    );
  requireQuorum(status, next);
}

function requireQuorum(status: ReplicaStatus, next: readonly string[]): void {
  for (const group of [status.voters, next]) {
    const silent = group.filter(
      (id) => id !== status.self && (status.progress[id]?.lastContactMs ?? Infinity) > LIVE_MS,
    );
    if (2 * (group.length - silent.length) <= group.length)
      throw refused(
        `${silent.length} of the ${group.length} voters that it takes do not answer (${silent.join(', ')}); bring one back first`,
      );
  }
}

function refused(message: string): Fault {
  return new Fault('CLUSTER_REFUSED', message, 'never');
}
