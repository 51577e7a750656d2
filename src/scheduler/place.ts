/**
 * Where a Pod goes: filters say which nodes can take it and why others cannot, scores say which can best.
 * Pure and deterministic: equal scores are decided by fewer Pods, then by the order of names.
 * Messages are Kubernetes' own words, since people search for them.
 */
import type { LabelSelector, Pod } from '#src/api/objects.ts';
import { controllerOf } from '#src/api/metadata.ts';
import { labelSelectorMatcher } from '#src/api/selectors.ts';
import { matchesNodeSelection, preferredNodeWeight, termSelects, tolerates, toleratesAll } from './affinity.ts';
import { podRequests, scoredRequests, type Amounts } from './resources.ts';
import { hostPortsOf, type NodeInfo } from './snapshot.ts';

export type Placement = { node: string; message?: undefined } | { node?: undefined; message: string };

/** Why a node cannot take a Pod. `unresolvable`: evicting other Pods would not help. */
interface Refusal {
  reasons: string[];
  unresolvable: boolean;
}

const UNSCHEDULABLE_TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const HOSTNAME_LABEL = 'kubernetes.io/hostname';
const ZONE_LABEL = 'topology.kubernetes.io/zone';

export function place(pod: Pod, nodes: readonly NodeInfo[]): Placement {
  if (nodes.length === 0) return { message: 'no nodes available to schedule pods' };
  const requests = podRequests(pod);
  const spread = spreadOf(pod, nodes);
  const feasible: NodeInfo[] = [];
  const refusals: Refusal[] = [];
  for (const info of nodes) {
    const refusal = refuse(pod, requests, info) ?? spread.refuse(info) ?? refuseByPods(pod, info, nodes);
    if (refusal === undefined) feasible.push(info);
    else refusals.push(refusal);
  }
  if (feasible.length === 0) return { message: fitError(nodes.length, refusals) };

  let best: { info: NodeInfo; score: number } | undefined;
  const scores = scoresOf(pod, requests, feasible, spread);
  for (const info of feasible) {
    const score = scores.get(info) ?? 0;
    if (best === undefined || score > best.score || (score === best.score && isBefore(info, best.info))) {
      best = { info, score };
    }
  }
  return { node: best?.info.name ?? '' };
}

function isBefore(a: NodeInfo, b: NodeInfo): boolean {
  if (a.pods.length !== b.pods.length) return a.pods.length < b.pods.length;
  return a.name < b.name;
}

/** The first filter that refuses speaks, as in Kubernetes; resources name all that lack. */
function refuse(pod: Pod, requests: Amounts, info: NodeInfo): Refusal | undefined {
  const { node } = info;
  const { tolerations } = pod.spec ?? {};
  if (node.spec?.unschedulable === true && !(tolerations ?? []).some((t) => tolerates(t, UNSCHEDULABLE_TAINT))) {
    return { reasons: ['node(s) were unschedulable'], unresolvable: true };
  }
  if ((pod.spec?.nodeName ?? '') !== '' && pod.spec?.nodeName !== info.name) {
    return { reasons: ["node(s) didn't match the requested node name"], unresolvable: true };
  }
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
  // Without key and value since 1.34.2 (kubernetes#134740): a taint may be nobody's business but the operator's.
  if (!toleratesAll(tolerations, taints)) return { reasons: ['node(s) had untolerated taint(s)'], unresolvable: true };
  if (!matchesNodeSelection(pod, node)) {
    return { reasons: ["node(s) didn't match Pod's node affinity/selector"], unresolvable: true };
  }
  if (hostPortsOf(pod).some((port) => portTaken(port, info.hostPorts))) {
    return { reasons: ["node(s) didn't have free ports for the requested pod ports"], unresolvable: false };
  }
  return refuseByResources(requests, info);
}

/** 0.0.0.0 collides with every address. */
function portTaken(wanted: string, taken: ReadonlySet<string>): boolean {
  const [protocol, ip, port] = wanted.split('/');
  for (const used of taken) {
    const [usedProtocol, usedIp, usedPort] = used.split('/');
    if (protocol !== usedProtocol || port !== usedPort) continue;
    if (ip === usedIp || ip === '0.0.0.0' || usedIp === '0.0.0.0') return true;
  }
  return false;
}

function refuseByResources(requests: Amounts, info: NodeInfo): Refusal | undefined {
  const reasons: string[] = [];
  let unresolvable = false;
  const podsMax = info.allocatable['pods'];
  if (podsMax !== undefined && info.pods.length + 1 > podsMax) reasons.push('Too many pods');
  for (const [name, amount] of Object.entries(requests)) {
    if (amount === 0) continue;
    const offered = info.allocatable[name] ?? 0;
    if (amount <= offered - (info.used[name] ?? 0)) continue;
    reasons.push(`Insufficient ${name}`);
    if (amount > offered) unresolvable = true;
  }
  return reasons.length === 0 ? undefined : { reasons, unresolvable };
}

interface Spread {
  refuse(info: NodeInfo): Refusal | undefined;
  /** 0..100, more is emptier; undefined when nothing asks for spreading. */
  score(info: NodeInfo): number | undefined;
}

/** topologySpreadConstraints (any topology key); without them, Pods of one owner spread over nodes and zones by score. */
function spreadOf(pod: Pod, nodes: readonly NodeInfo[]): Spread {
  const given = pod.spec?.topologySpreadConstraints ?? [];
  const hard = given.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule');
  const soft = given.filter(({ whenUnsatisfiable }) => whenUnsatisfiable !== 'DoNotSchedule');
  const eligible = nodes.filter((info) => matchesNodeSelection(pod, info.node));
  const hardCounts = hard.map((constraint) => ({
    constraint,
    matches: labelSelectorMatcher(constraint.labelSelector).matches(pod.metadata.labels),
    ...measured(domainCounts(constraint.topologyKey, selects(pod, constraint.labelSelector), eligible)),
  }));
  const owner = controllerOf(pod)?.uid;
  const bySibling = (info: NodeInfo) => info.siblings.get(owner ?? '') ?? 0;
  const softCounts =
    soft.length > 0
      ? soft.map(({ topologyKey, labelSelector }) => ({
          key: topologyKey,
          ...measured(domainCounts(topologyKey, selects(pod, labelSelector), eligible)),
        }))
      : given.length > 0 || owner === undefined
        ? []
        : [HOSTNAME_LABEL, ZONE_LABEL].map((key) => ({ key, ...measured(domainCounts(key, bySibling, eligible)) }));
  return {
    refuse(info) {
      for (const { constraint, counts, matches, least } of hardCounts) {
        const domain = domainOf(info, constraint.topologyKey);
        if (domain === undefined) {
          const reason = "node(s) didn't match pod topology spread constraints (missing required label)";
          return { reasons: [reason], unresolvable: true };
        }
        const floor = counts.size < (constraint.minDomains ?? 1) ? 0 : least;
        const skew = (counts.get(domain) ?? 0) + (matches ? 1 : 0) - floor;
        if (skew > constraint.maxSkew) {
          return { reasons: ["node(s) didn't match pod topology spread constraints"], unresolvable: false };
        }
      }
      return undefined;
    },
    score(info) {
      if (softCounts.length === 0) return undefined;
      let total = 0;
      for (const { key, counts, most } of softCounts) {
        const domain = domainOf(info, key);
        total += domain === undefined ? 0 : (100 * (most - (counts.get(domain) ?? 0))) / most;
      }
      return total / softCounts.length;
    },
  };
}

/** Once per placement, and not by spreading arguments: there may be thousands of domains. */
function measured(counts: Map<string, number>): { counts: Map<string, number>; least: number; most: number } {
  let least = Number.POSITIVE_INFINITY;
  let most = 1;
  for (const count of counts.values()) {
    least = Math.min(least, count);
    most = Math.max(most, count);
  }
  return { counts, least, most };
}

/** A node is its own host also where the label is missing. */
function domainOf(info: NodeInfo, key: string): string | undefined {
  return info.node.metadata.labels?.[key] ?? (key === HOSTNAME_LABEL ? info.name : undefined);
}

function selects(pod: Pod, selector: LabelSelector | undefined): (info: NodeInfo) => number {
  const matcher = labelSelectorMatcher(selector);
  const { namespace } = pod.metadata;
  const counts = ({ metadata }: Pod) =>
    metadata.deletionTimestamp === undefined && metadata.namespace === namespace && matcher.matches(metadata.labels);
  return (info) => info.pods.filter(({ pod: other }) => counts(other)).length;
}

function domainCounts(key: string, count: (info: NodeInfo) => number, nodes: readonly NodeInfo[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const info of nodes) {
    const domain = domainOf(info, key);
    if (domain === undefined) continue;
    counts.set(domain, (counts.get(domain) ?? 0) + count(info));
  }
  return counts;
}

/** Required (anti-)affinity to Pods, of this one and, for anti-affinity, of those already there. */
function refuseByPods(pod: Pod, info: NodeInfo, nodes: readonly NodeInfo[]): Refusal | undefined {
  const sharesDomain = (key: string) => {
    const domain = domainOf(info, key);
    return domain === undefined ? [] : nodes.filter((other) => domainOf(other, key) === domain);
  };
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  for (const term of podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
    const near = sharesDomain(term.topologyKey);
    if (near.some((other) => other.pods.some(({ pod: there }) => termSelects(term, pod, there)))) continue;
    // The first of a group that wants to be together may go anywhere that has the label.
    const nowhere = !nodes.some((other) => other.pods.some(({ pod: there }) => termSelects(term, pod, there)));
    if (near.length > 0 && nowhere && termSelects(term, pod, pod)) continue;
    return { reasons: ["node(s) didn't match pod affinity rules"], unresolvable: true };
  }
  for (const term of podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
    const near = sharesDomain(term.topologyKey);
    if (near.some((other) => other.pods.some(({ pod: there }) => termSelects(term, pod, there)))) {
      return { reasons: ["node(s) didn't match pod anti-affinity rules"], unresolvable: false };
    }
  }
  for (const other of nodes) {
    for (const there of other.repelling) {
      const terms = there.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      for (const term of terms) {
        const domain = domainOf(info, term.topologyKey);
        if (domain === undefined || domainOf(other, term.topologyKey) !== domain) continue;
        if (!termSelects(term, there, pod)) continue;
        return { reasons: ["node(s) didn't satisfy existing pods anti-affinity rules"], unresolvable: false };
      }
    }
  }
  return undefined;
}

/** Kubernetes' default weights: taints 3, node affinity 2, spreading 2, least allocated 1, balance 1; each 0..100. */
function scoresOf(pod: Pod, requests: Amounts, feasible: readonly NodeInfo[], spread: Spread): Map<NodeInfo, number> {
  const wanted = scoredRequests(pod.spec, requests);
  const weights = feasible.map((info) => preferredNodeWeight(pod, info.node));
  const heaviest = Math.max(0, ...weights);
  const untolerated = feasible.map((info) => {
    const taints = (info.node.spec?.taints ?? []).filter(({ effect }) => effect === 'PreferNoSchedule');
    return taints.filter((taint) => !toleratesAll(pod.spec?.tolerations, [taint])).length;
  });
  const worst = Math.max(0, ...untolerated);
  return new Map(
    feasible.map((info, index) => {
      const cpu = usedShare(info.scored.cpu + wanted.cpu, info.allocatable['cpu']);
      const memory = usedShare(info.scored.memory + wanted.memory, info.allocatable['memory']);
      const leastAllocated = 100 * (1 - (cpu + memory) / 2);
      const balance = 100 * (1 - Math.abs(cpu - memory) / 2);
      const affinity = heaviest === 0 ? 0 : (100 * (weights[index] ?? 0)) / heaviest;
      const taints = worst === 0 ? 100 : 100 * (1 - (untolerated[index] ?? 0) / worst);
      const spreading = spread.score(info) ?? 0;
      return [info, Math.floor(leastAllocated + balance + 2 * affinity + 2 * spreading + 3 * taints)];
    }),
  );
}

function usedShare(used: number, offered: number | undefined): number {
  if (offered === undefined || offered === 0) return 1;
  return Math.min(1, used / offered);
}

/** `0/3 nodes are available: 1 …, 2 …. preemption: 0/3 nodes are available: …`, sorted as Kubernetes sorts it: as text. */
function fitError(count: number, refusals: readonly Refusal[]): string {
  const histogram = new Map<string, number>();
  for (const { reasons } of refusals) {
    for (const reason of reasons) histogram.set(reason, (histogram.get(reason) ?? 0) + 1);
  }
  const unresolvable = refusals.filter((refusal) => refusal.unresolvable).length;
  const preemption: [string, number][] = [
    ['No preemption victims found for incoming pod', refusals.length - unresolvable],
    ['Preemption is not helpful for scheduling', unresolvable],
  ];
  const headline = `0/${count} nodes are available: `;
  return `${headline}${listed([...histogram])} preemption: ${headline}${listed(preemption)}`;
}

function listed(reasons: readonly [string, number][]): string {
  const parts = reasons.filter(([, count]) => count > 0).map(([reason, count]) => `${count} ${reason}`);
  return `${parts.toSorted().join(', ')}.`;
}
