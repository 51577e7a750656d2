/** The row of a Pod: what holds it up, in one word. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import { ageOf } from './human-duration.ts';
import { isConditionTrue } from './metadata.ts';
import type { Container, ContainerStatus, Pod } from './objects.ts';
import type { Cell } from './table.ts';

interface Progress {
  reason: string;
  ready: number;
  restarts: number;
  /** When a container last ended before its restart, milliseconds; undefined when none was restarted. */
  lastRestartMs: number | undefined;
}

export function podCells(pod: Pod, nowMs: number): Cell[] {
  const spec = pod.spec;
  const status = pod.status ?? {};
  const sidecars = (spec?.initContainers ?? []).filter(isSidecar).length;
  const total = (spec?.containers?.length ?? 0) + sidecars;
  const progress = progressOf(pod);
  const gates = spec?.readinessGates ?? [];
  const passed = gates.filter(({ conditionType }) => isConditionTrue(status.conditions, conditionType)).length;
  return [
    pod.metadata?.name ?? '',
    `${progress.ready}/${total}`,
    progress.reason,
    restartsText(progress, nowMs),
    ageOf(pod.metadata?.creationTimestamp, nowMs),
    status.podIPs?.[0]?.ip ?? status.podIP ?? '<none>',
    spec?.nodeName || '<none>',
    status.nominatedNodeName || '<none>',
    gates.length === 0 ? '<none>' : `${passed}/${gates.length}`,
  ];
}

function restartsText({ restarts, lastRestartMs }: Progress, nowMs: number): string {
  if (restarts === 0 || lastRestartMs === undefined) return String(restarts);
  return `${restarts} (${ageOf(new Date(lastRestartMs).toISOString(), nowMs)} ago)`;
}

/** An init container that keeps running beside the others. */
function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

function progressOf(pod: Pod): Progress {
  const status = pod.status ?? {};
  const progress: Progress = {
    reason: status.reason || status.phase || 'Unknown',
    ready: 0,
    restarts: 0,
    lastRestartMs: undefined,
  };
  const scheduled = status.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.reason === 'SchedulingGated') progress.reason = 'SchedulingGated';
  const initializing = initProgress(pod, progress);
  if (!initializing || isConditionTrue(status.conditions, 'Initialized')) mainProgress(pod, progress);
  if (pod.metadata?.deletionTimestamp !== undefined) {
    if (status.reason === 'NodeLost') progress.reason = 'Unknown';
    else if (status.phase !== 'Succeeded' && status.phase !== 'Failed') progress.reason = 'Terminating';
  }
  return progress;
}

/** Whether an init container is still to finish; the reason then names it. */
function initProgress(pod: Pod, progress: Progress): boolean {
  const containers = pod.spec?.initContainers ?? [];
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const container = containers.find(({ name }) => name === status.name);
    const sidecar = container !== undefined && isSidecar(container);
    noteRestarts(status, progress);
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && status.started === true) {
      if (status.ready) progress.ready++;
      continue;
    }
    if (terminated !== undefined) progress.reason = `Init:${endText(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') progress.reason = `Init:${waiting.reason}`;
    else progress.reason = `Init:${index}/${containers.length}`;
    return true;
  }
  return false;
}

function endText(terminated: { reason?: string; signal?: number; exitCode?: number }): string {
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode ?? 0}`;
}

function mainProgress(pod: Pod, progress: Progress): void {
  const init = (pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name);
  // Restarts of plain init containers no longer matter once the Pod runs.
  const kept: Progress = { ...progress, restarts: 0, lastRestartMs: undefined };
  for (const status of pod.status?.initContainerStatuses ?? [])
    if (init.includes(status.name)) noteRestarts(status, kept);
  let running = false;
  // From the last on, so that the first container that waits names the reason.
  for (const status of (pod.status?.containerStatuses ?? []).toReversed()) {
    noteRestarts(status, kept);
    const { waiting, terminated, running: runs } = status.state ?? {};
    if (waiting?.reason) kept.reason = waiting.reason;
    else if (terminated !== undefined) kept.reason = endText(terminated);
    else if (status.ready && runs !== undefined) {
      running = true;
      kept.ready++;
    }
  }
  // One ended while others still serve.
  if (kept.reason === 'Completed' && running) {
    kept.reason = isConditionTrue(pod.status?.conditions, 'Ready') ? 'Running' : 'NotReady';
  }
  Object.assign(progress, kept);
}

function noteRestarts(status: ContainerStatus, progress: Progress): void {
  progress.restarts += status.restartCount ?? 0;
  const ended = Date.parse(status.lastState?.terminated?.finishedAt ?? '');
  if (!Number.isNaN(ended)) progress.lastRestartMs = Math.max(progress.lastRestartMs ?? ended, ended);
}
