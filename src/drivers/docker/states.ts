/** What the engine says about its objects, in the port's words. Pure. */
import type { ContainerInfo, ContainerInspectInfo } from 'dockerode';
import type { ContainerState, SandboxState } from '#src/ports/runtime.ts';
import { callersLabels, LABEL } from './specs.ts';

/** The engine writes 0001-01-01T00:00:00Z for "never". */
function timeOf(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms <= 0 ? undefined : ms;
}

export function containerState(info: ContainerInspectInfo): ContainerState {
  const labels = info.Config.Labels;
  const { State } = info;
  const startedAtMs = timeOf(State.StartedAt);
  const createdAtMs = timeOf(info.Created) ?? 0;
  const base: ContainerState = {
    id: info.Id,
    sandboxId: labels[LABEL.sandbox] ?? '',
    podUid: labels[LABEL.podUid] ?? '',
    name: labels[LABEL.container] ?? '',
    attempt: Number(labels[LABEL.attempt] ?? 0),
    state: 'created',
    image: labels[LABEL.image] ?? info.Config.Image,
    imageId: info.Image,
    createdAtMs,
    labels: callersLabels(labels),
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
  };
  if (State.Running) return { ...base, state: 'running', pid: State.Pid };
  if (State.Status === 'created') {
    // A command that cannot be started leaves the container as it was made, with the reason.
    if (State.Error === '') return base;
    return {
      ...base,
      state: 'exited',
      exitCode: 128,
      reason: 'StartError',
      message: State.Error,
      finishedAtMs: createdAtMs,
    };
  }
  if (State.Status !== 'exited' && State.Status !== 'dead') return { ...base, state: 'unknown' };
  return {
    ...base,
    state: 'exited',
    exitCode: State.ExitCode,
    // The engine notes the start of a very short run after its end.
    finishedAtMs: Math.max(timeOf(State.FinishedAt) ?? 0, startedAtMs ?? createdAtMs),
    reason: reasonOf(State),
    ...(State.Error === '' ? {} : { message: State.Error }),
  };
}

function reasonOf(state: ContainerInspectInfo['State']): string {
  if (state.ExitCode === 0) return 'Completed';
  // The engine says so too when only a child was killed and the container ended well: hence after the 0.
  return state.OOMKilled ? 'OOMKilled' : 'Error';
}

export function sandboxState(info: ContainerInspectInfo): SandboxState {
  const labels = info.Config.Labels;
  const { State } = info;
  const ip = labels[LABEL.ip] ?? engineAddressOf(info);
  const hostNetwork = labels[LABEL.hostNetwork] === 'true';
  return {
    id: info.Id,
    podUid: labels[LABEL.podUid] ?? '',
    attempt: Number(labels[LABEL.attempt] ?? 0),
    state: State.Running ? 'ready' : 'notReady',
    ...(State.Running && info.HostConfig.NetworkMode === 'none' ? { netnsPath: `/proc/${State.Pid}/ns/net` } : {}),
    ...(ip === undefined || hostNetwork ? {} : { ip }),
    createdAtMs: timeOf(info.Created) ?? 0,
    labels: callersLabels(labels),
  };
}

function engineAddressOf(info: ContainerInspectInfo): string | undefined {
  const networks = Object.values(info.NetworkSettings.Networks) as { IPAddress?: string }[];
  return networks.map((network) => network.IPAddress).find((address) => address !== undefined && address !== '');
}

/** When a container cannot be inspected in time: what the list alone tells. */
export function uncertainState(info: ContainerInfo): ContainerState {
  const labels = info.Labels;
  return {
    id: info.Id,
    sandboxId: labels[LABEL.sandbox] ?? '',
    podUid: labels[LABEL.podUid] ?? '',
    name: labels[LABEL.container] ?? '',
    attempt: Number(labels[LABEL.attempt] ?? 0),
    state: 'unknown',
    image: labels[LABEL.image] ?? info.Image,
    imageId: info.ImageID,
    createdAtMs: info.Created * 1000,
    labels: callersLabels(labels),
  };
}
