/** Carrying out a container's intents: pull, create, start; and preStop, SIGTERM, grace, SIGKILL. */
import type { Container, LifecycleHandler, Pod } from '#src/api/objects.ts';
import type { Timer } from '#src/ports/clock.ts';
import type { ContainerSpec, ContainerState } from '#src/ports/runtime.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import { environmentOf, expand, resourcesOf, type PodFacts, type References } from './environment.ts';
import type { KubeletHost } from './host.ts';

type Note = (type: 'Normal' | 'Warning', reason: string, message: string) => void;

interface RunOptions {
  pod: Pod;
  spec: Container;
  attempt: number;
  sandboxId: string;
  facts: PodFacts;
  references: References;
  volumes: Map<string, string>;
  labels: Record<string, string>;
  /** Its last try failed too. */
  wasFailing: boolean;
  event: Note;
  /** Attempts that are no longer needed; the last one stays for `logs --previous`. */
  superseded: ContainerState | undefined;
  replaced: ContainerState | undefined;
  /** The container whose processes it sees; undefined: its own. */
  target: string | undefined;
}

export type RunResult = { ok: true; state: ContainerState } | { ok: false; reason: string; message: string };

/** `image` without a tag is `image:latest`, which is always pulled unless the policy says otherwise. */
function policyOf(spec: Container): 'Always' | 'IfNotPresent' | 'Never' {
  const policy = spec.imagePullPolicy;
  return policy === 'Always' || policy === 'Never' ? policy : 'IfNotPresent';
}

async function containerSpec(options: RunOptions): Promise<ContainerSpec> {
  const { pod, spec, facts, references, volumes } = options;
  const env = await environmentOf(pod, spec, facts, references);
  const security = { ...pod.spec?.securityContext, ...spec.securityContext };
  const user = security.runAsUser === undefined && security.runAsGroup === undefined ? undefined : security;
  return {
    name: spec.name,
    attempt: options.attempt,
    image: spec.image ?? '',
    ...(spec.command ? { command: spec.command.map((part) => expand(part, env)) } : {}),
    ...(spec.args ? { args: spec.args.map((part) => expand(part, env)) } : {}),
    ...(spec.workingDir ? { workingDir: spec.workingDir } : {}),
    env: [...env].map(([name, value]) => ({ name, value })),
    mounts: (spec.volumeMounts ?? []).flatMap((mount) => {
      const hostPath = volumes.get(mount.name);
      if (hostPath === undefined) return [];
      const below = mount.subPath ? `${hostPath}/${mount.subPath}` : hostPath;
      return [
        { volume: mount.name, hostPath: below, containerPath: mount.mountPath, readOnly: mount.readOnly ?? false },
      ];
    }),
    resources: resourcesOf(spec),
    ...(user
      ? {
          user: {
            ...(user.runAsUser === undefined ? {} : { uid: user.runAsUser }),
            ...(user.runAsGroup === undefined ? {} : { gid: user.runAsGroup }),
          },
        }
      : {}),
    ...(spec.securityContext?.readOnlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
    ...(spec.securityContext?.capabilities
      ? {
          capabilities: {
            add: spec.securityContext.capabilities.add ?? [],
            drop: spec.securityContext.capabilities.drop ?? [],
          },
        }
      : {}),
    ...(spec.securityContext?.privileged ? { privileged: true } : {}),
    ...(options.target === undefined ? {} : { targetContainerId: options.target }),
    tty: spec.tty ?? false,
    stdin: spec.stdin ?? false,
    stdinOnce: spec.stdinOnce ?? false,
    labels: { ...options.labels, 'io.kubernetes.container.name': spec.name },
  };
}

/** Pull, create, start. Never throws: what went wrong comes back in Kubernetes' words. */
export async function runContainer(host: KubeletHost, options: RunOptions): Promise<RunResult> {
  const { runtime } = host;
  const { spec, event } = options;
  const image = spec.image ?? '';
  let step: 'pull' | 'config' | 'create' | 'start' = 'pull';
  let made: string | undefined;
  try {
    const policy = policyOf(spec);
    const begun = host.clock.monotonicMs();
    if (policy === 'Always') event('Normal', 'Pulling', `Pulling image "${image}"`);
    const { pulled, bytes } = await runtime.ensureImage(image, policy);
    const seconds = ((host.clock.monotonicMs() - begun) / 1000).toFixed(3);
    event(
      'Normal',
      'Pulled',
      pulled
        ? `Successfully pulled image "${image}" in ${seconds}s. Image size: ${bytes} bytes.`
        : `Container image "${image}" already present on machine`,
    );
    step = 'config';
    const wanted = await containerSpec(options);
    step = 'create';
    if (options.superseded) await discard(host, options.superseded.id);
    // Made by an earlier life of this node and never started: the engine may refuse a second one of this attempt.
    if (options.replaced?.state === 'created') await discard(host, options.replaced.id);
    const { id } = await runtime.createContainer(options.sandboxId, wanted);
    made = id;
    event('Normal', 'Created', `Created container: ${spec.name}`);
    step = 'start';
    await host.limitStarts(() => runtime.startContainer(id));
    event('Normal', 'Started', `Started container ${spec.name}`);
    return { ok: true, state: await runtime.inspectContainer(id) };
  } catch (error) {
    // The same attempt is tried again, so what has not started must not stand in its way.
    if (made !== undefined && step === 'start') await discard(host, made).catch(() => undefined); // Named by the next try.
    return failure(options, step, error);
  }
}

/** Remove what may be gone already. */
async function discard(host: KubeletHost, id: string): Promise<void> {
  try {
    await host.runtime.removeContainer(id);
  } catch (error) {
    if (!isFault(error, 'RUNTIME_NOT_FOUND')) throw error;
  }
}

function failure(options: RunOptions, step: 'pull' | 'config' | 'create' | 'start', error: unknown): RunResult {
  const { spec, event, wasFailing } = options;
  const message = messageOf(error);
  const image = spec.image ?? '';
  if (isFault(error, 'RUNTIME_IMAGE_NEVER_PULL')) {
    event('Warning', 'ErrImageNeverPull', `Container image "${image}" is not present with pull policy of Never`);
    return {
      ok: false,
      reason: 'ErrImageNeverPull',
      message: `Container image "${image}" is not present with pull policy of Never`,
    };
  }
  if (step === 'pull' || isFault(error, 'RUNTIME_IMAGE_PULL')) {
    event('Warning', 'Failed', `Failed to pull image "${image}": ${message}`);
    event('Warning', 'Failed', 'Error: ErrImagePull');
    if (!wasFailing) return { ok: false, reason: 'ErrImagePull', message };
    event('Normal', 'BackOff', `Back-off pulling image "${image}"`);
    return {
      ok: false,
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "${image}": ErrImagePull: ${message}`,
    };
  }
  const reason =
    step === 'config' || isFault(error, 'KUBELET_CONFIG')
      ? 'CreateContainerConfigError'
      : step === 'create'
        ? 'CreateContainerError'
        : 'RunContainerError';
  event('Warning', 'Failed', `Error: ${message}`);
  return { ok: false, reason, message };
}

async function runHook(
  host: KubeletHost,
  hook: LifecycleHandler,
  container: ContainerState,
  spec: Container,
  podIp: string,
  limitMs: number,
): Promise<void> {
  if (hook.sleep) {
    await new Promise<void>((resolve) =>
      host.clock.after(Math.min(limitMs, (hook.sleep?.seconds ?? 0) * 1000), resolve),
    );
  } else if (hook.exec) {
    const session = await host.runtime.exec(container.id, {
      command: hook.exec.command ?? [],
      tty: false,
      stdin: false,
    });
    const timer = host.clock.after(limitMs, () => session.cancel());
    await session.output.pump(() => undefined);
    const { exitCode } = await session.exited;
    timer.cancel();
    if (exitCode !== 0) throw new Error(`command '${(hook.exec.command ?? []).join(' ')}' exited with ${exitCode}`);
  } else if (hook.httpGet) {
    const { port } = hook.httpGet;
    const number = typeof port === 'number' ? port : (spec.ports?.find((p) => p.name === port)?.containerPort ?? 0);
    await host.runtime.probe(
      {
        type: 'http',
        host: hook.httpGet.host || podIp,
        port: number,
        path: hook.httpGet.path ?? '/',
        scheme: hook.httpGet.scheme === 'HTTPS' ? 'https' : 'http',
        headers: hook.httpGet.httpHeaders ?? [],
      },
      limitMs,
    );
  }
}

/** preStop counts against the grace period; at least two seconds are left for SIGTERM (as in Kubernetes). */
const SIGTERM_MIN_MS = 2000;

/** Ask the container to end; the timer that will insist. The end itself is told by the runtime. */
export async function stopContainer(
  host: KubeletHost,
  options: { spec: Container; container: ContainerState; graceMs: number; podIp: string; event: Note },
): Promise<Timer | undefined> {
  const { spec, container, graceMs } = options;
  const begun = host.clock.monotonicMs();
  const hook = spec.lifecycle?.preStop;
  if (hook && graceMs > 0) {
    try {
      await runHook(host, hook, container, spec, options.podIp, graceMs);
    } catch (error) {
      options.event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${messageOf(error)}`);
    }
  }
  const kill = (): void => {
    host.runtime
      .signalContainer(container.id, 'SIGKILL')
      .catch((error: unknown) =>
        host.log.warn('a container could not be killed', { container: container.id, error: messageOf(error) }),
      );
  };
  if (graceMs <= 0) {
    kill();
    return undefined;
  }
  try {
    await host.runtime.signalContainer(container.id, spec.lifecycle?.stopSignal ?? 'SIGTERM');
  } catch (error) {
    host.log.debug('a container could not be asked to end', { container: container.id, error: messageOf(error) });
  }
  return host.clock.after(Math.max(SIGTERM_MIN_MS, graceMs - (host.clock.monotonicMs() - begun)), kill);
}
