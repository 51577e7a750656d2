/**
 * Containers, shaped like the CRI (runtime.v1): a Pod sandbox that holds the network, and
 * containers in it. Drivers: docker, process, sim. Ids are the driver's own. Every object
 * carries the labels it was made with, so that a restarted kubelet adopts by them.
 * Faults: RUNTIME_UNAVAILABLE, RUNTIME_NOT_FOUND, RUNTIME_START_FAILED (bad command),
 * RUNTIME_IMAGE_PULL, RUNTIME_IMAGE_NEVER_PULL, RUNTIME_PERMISSION, RUNTIME_UNSUPPORTED.
 */
export interface RuntimeInfo {
  name: 'docker' | 'process' | 'sim';
  /** For status.nodeInfo.containerRuntimeVersion, e.g. `docker://20.10.24`. */
  version: string;
  /** How Pods get their address from this driver. */
  network: 'netns' | 'bridge' | 'loopback';
  /** What this machine cannot do, as sentences for a node condition. */
  limits: string[];
}

export interface SandboxSpec {
  podUid: string;
  podNamespace: string;
  podName: string;
  attempt: number;
  hostname: string;
  hostNetwork: boolean;
  /** Chosen by the kubelet from the node's podCIDR; unused where the driver assigns addresses itself. */
  podIp?: string;
  dns?: { nameservers: string[]; searches: string[]; options: string[] };
  hostAliases?: { ip: string; hostnames: string[] }[];
  shareProcessNamespace?: boolean;
  labels: Record<string, string>;
}

export interface SandboxState {
  id: string;
  podUid: string;
  attempt: number;
  state: 'ready' | 'notReady';
  /** Path of the network namespace (`/proc/<pid>/ns/net`), for the data plane. */
  netnsPath?: string;
  ip?: string;
  createdAtMs: number;
  labels: Record<string, string>;
}

export interface ContainerMount {
  /** The volume's name in the Pod. */
  volume: string;
  hostPath: string;
  containerPath: string;
  readOnly: boolean;
}

export interface ContainerSpec {
  name: string;
  attempt: number;
  image: string;
  /** Entrypoint; absent: the image's own. */
  command?: string[];
  args?: string[];
  workingDir?: string;
  env: { name: string; value: string }[];
  mounts: ContainerMount[];
  resources: { cpuMillis?: number; cpuRequestMillis?: number; memoryBytes?: number };
  user?: { uid?: number; gid?: number };
  readOnlyRootFilesystem?: boolean;
  capabilities?: { add: string[]; drop: string[] };
  privileged?: boolean;
  /** Share the processes of this running container (ephemeral containers). */
  targetContainerId?: string;
  tty: boolean;
  stdin: boolean;
  /** Its input ends with that of the first who attaches. */
  stdinOnce?: boolean;
  labels: Record<string, string>;
}

export interface ContainerState {
  id: string;
  sandboxId: string;
  podUid: string;
  name: string;
  attempt: number;
  state: 'created' | 'running' | 'exited' | 'unknown';
  image: string;
  imageId: string;
  pid?: number;
  createdAtMs: number;
  startedAtMs?: number;
  finishedAtMs?: number;
  exitCode?: number;
  signal?: number;
  /** Kubernetes' words: Completed, Error, OOMKilled, StartError, ContainerCannotRun. */
  reason?: string;
  message?: string;
  labels: Record<string, string>;
}

export interface RuntimeEvent {
  type: 'containerStarted' | 'containerExited' | 'sandboxExited';
  podUid: string;
  sandboxId: string;
  containerId?: string;
}

export interface LogOptions {
  follow: boolean;
  timestamps: boolean;
  tailLines?: number;
  limitBytes?: number;
  sinceMs?: number;
  /** Only this one of the two; absent: both. */
  stream?: 'stdout' | 'stderr';
}

/** A byte source with back-pressure: awaited handler calls. */
export interface OutputStream {
  /** Resolves when the stream has ended. */
  pump(handle: (chunk: Uint8Array, stream: 'stdout' | 'stderr') => void | Promise<void>): Promise<void>;
  cancel(): void;
}

/** A TCP connection into a Pod. */
export interface DialedConnection {
  output: OutputStream;
  /** Resolves when it takes more; a connection that is gone takes everything. */
  write(chunk: Uint8Array): Promise<void>;
  /** No more from this side; what comes from the other still comes. */
  end(): void;
}

export interface ExecSession {
  output: OutputStream;
  /** Resolves when the process's input takes more; one that is gone takes everything. */
  write(chunk: Uint8Array): Promise<void>;
  closeStdin(): void;
  resize(columns: number, rows: number): void;
  /** Also ends the process where the engine leaves it running. */
  cancel(): void;
  exited: Promise<{ exitCode: number }>;
}

export type ProbeTarget =
  | { type: 'tcp'; host: string; port: number }
  | {
      type: 'http';
      host: string;
      port: number;
      path: string;
      scheme: 'http' | 'https';
      headers: { name: string; value: string }[];
    };

export interface Runtime {
  info(): Promise<RuntimeInfo>;
  /** Cheap liveness check; rejects with RUNTIME_UNAVAILABLE. */
  ping(timeoutMs: number): Promise<void>;
  runSandbox(spec: SandboxSpec): Promise<SandboxState>;
  /** Kill what still runs in it and stop it; idempotent. */
  stopSandbox(id: string): Promise<void>;
  removeSandbox(id: string): Promise<void>;
  createContainer(sandboxId: string, spec: ContainerSpec): Promise<{ id: string }>;
  startContainer(id: string): Promise<void>;
  /** Signal name such as SIGTERM. Idempotent on an exited container. */
  signalContainer(id: string, signal: string): Promise<void>;
  removeContainer(id: string): Promise<void>;
  /** Everything of this cluster and node that the engine holds. */
  listSandboxes(): Promise<SandboxState[]>;
  listContainers(): Promise<ContainerState[]>;
  inspectContainer(id: string): Promise<ContainerState>;
  /** Hints only: events may be lost; the kubelet also lists. Returns the unsubscribe function. */
  onEvent(handle: (event: RuntimeEvent) => void): () => void;
  logs(containerId: string, options: LogOptions): Promise<OutputStream>;
  exec(containerId: string, options: { command: string[]; tty: boolean; stdin: boolean }): Promise<ExecSession>;
  attach(containerId: string, options: { tty: boolean; stdin: boolean }): Promise<ExecSession>;
  /** Connect to a TCP port inside the sandbox, for port-forward. */
  dial(sandboxId: string, port: number): Promise<DialedConnection>;
  /** Resolves when reached (HTTP: its status code). Rejects with a sentence Kubernetes' events would carry. */
  probe(target: ProbeTarget, timeoutMs: number): Promise<{ status?: number; body?: string }>;
  ensureImage(
    image: string,
    policy: 'Always' | 'IfNotPresent' | 'Never',
  ): Promise<{ imageId: string; pulled: boolean; bytes: number }>;
  listImages(): Promise<{ id: string; names: string[]; bytes: number }[]>;
  /** Write a Pod's volume files; returns the host directory to mount. `replace` swaps atomically (..data link). */
  writeVolume(volume: {
    podUid: string;
    name: string;
    files: Record<string, { content: Uint8Array; mode: number }>;
  }): Promise<{ hostPath: string }>;
  makeEmptyDir(volume: {
    podUid: string;
    name: string;
    medium: '' | 'Memory';
    sizeBytes?: number;
  }): Promise<{ hostPath: string }>;
  removeVolumes(podUid: string): Promise<void>;
}
