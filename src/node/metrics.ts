/** What a node tells at /metrics beside its requests: the process, the build and consensus (kontiki_raft_*). */
import type { Replica } from '#src/replica/replica.ts';
import type { Metrics } from '#src/std/metrics.ts';
import type { VersionInfo } from '#src/apiserver/apiserver.ts';

/** What only the operating system knows; units as Prometheus' client libraries have them. */
export interface ProcessFacts {
  cpuSeconds: number;
  residentBytes: number;
  virtualBytes?: number;
  openFiles?: number;
  openFilesMax?: number;
  startTimeSeconds: number;
  heapUsedBytes: number;
  heapTotalBytes: number;
  /** The longest the loop was late since it was last asked, seconds. */
  loopLagSeconds?: number;
}

export function tellNode(
  metrics: Metrics,
  from: { replica: Replica; version: VersionInfo; processFacts: (() => ProcessFacts) | undefined },
): void {
  tellBuild(metrics, from.version);
  tellConsensus(metrics, from.replica);
  if (from.processFacts !== undefined) tellProcess(metrics, from.processFacts);
}

function tellProcess(metrics: Metrics, facts: () => ProcessFacts): void {
  const gauge = (name: string, help: string) => metrics.gauge(name, help);
  const cpu = metrics.counter('process_cpu_seconds_total', 'Processor time used');
  const resident = gauge('process_resident_memory_bytes', 'Resident memory');
  const virtual = gauge('process_virtual_memory_bytes', 'Virtual memory');
  const files = gauge('process_open_fds', 'Open file descriptors');
  const filesMax = gauge('process_max_fds', 'The most file descriptors that may be open');
  const start = gauge('process_start_time_seconds', 'When the process started, seconds since 1970');
  const used = gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use');
  const total = gauge('nodejs_heap_size_total_bytes', 'JavaScript heap reserved');
  const lag = gauge('nodejs_eventloop_lag_max_seconds', 'The longest the event loop was late since the last look');
  metrics.onCollect(() => {
    const now = facts();
    cpu.set({}, now.cpuSeconds);
    resident.set({}, now.residentBytes);
    if (now.virtualBytes !== undefined) virtual.set({}, now.virtualBytes);
    if (now.openFiles !== undefined) files.set({}, now.openFiles);
    if (now.openFilesMax !== undefined) filesMax.set({}, now.openFilesMax);
    start.set({}, now.startTimeSeconds);
    used.set({}, now.heapUsedBytes);
    total.set({}, now.heapTotalBytes);
    if (now.loopLagSeconds !== undefined) lag.set({}, now.loopLagSeconds);
  });
}

function tellBuild(metrics: Metrics, version: VersionInfo): void {
  const names = ['major', 'minor', 'git_version', 'platform'];
  const { major, minor, gitVersion, platform } = version;
  metrics
    .gauge('kubernetes_build_info', 'What this is', names)
    .set({ major, minor, git_version: gitVersion, platform }, 1);
}

/** Counts of members, never their names: those come and go. */
function tellConsensus(metrics: Metrics, replica: Replica): void {
  const gauge = (name: string, help: string) => metrics.gauge(`kontiki_raft_${name}`, help);
  const all = {
    term: gauge('term', 'The current term'),
    isLeader: gauge('is_leader', '1 on the leader'),
    hasLeader: gauge('has_leader', '1 while a leader is known'),
    commit: gauge('commit_index', 'Entries known to be committed'),
    applied: gauge('applied_index', 'Entries applied here'),
    last: gauge('last_index', 'Entries in the log'),
    voters: gauge('voters', 'Members that vote'),
    learners: gauge('learners', 'Members that do not vote'),
    alarms: gauge('alarms', 'What an operator should look at (kontiki status)'),
    confirmed: gauge('confirmed_age_seconds', 'Since a quorum last confirmed the state of this node'),
  };
  const revision = metrics.gauge('kontiki_store_revision', 'The newest revision applied here');
  const compacted = metrics.gauge('kontiki_store_compacted_revision', 'The revision below which history is gone');
  metrics.onCollect(() => {
    const status = replica.status();
    all.term.set({}, status.term);
    all.isLeader.set({}, status.role === 'leader' ? 1 : 0);
    all.hasLeader.set({}, status.leader === undefined ? 0 : 1);
    all.commit.set({}, status.commitIndex);
    all.applied.set({}, status.appliedIndex);
    all.last.set({}, status.lastIndex);
    all.voters.set({}, status.voters.length);
    all.learners.set({}, status.learners.length);
    all.alarms.set({}, status.alarms.length);
    if (status.confirmedAgoMs !== undefined) all.confirmed.set({}, status.confirmedAgoMs / 1000);
    revision.set({}, status.revision);
    compacted.set({}, status.compactedRevision);
  });
}
