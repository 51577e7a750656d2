/** One function a check of the Pod Security Standards; facts and wording are those of Kubernetes 1.36. */
import type { Container, SecurityContext } from '#src/api/objects.ts';
import type { Subject, Violation } from './pod-security-checks.ts';

type Context = SecurityContext;

const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const BASELINE_CAPABILITIES = new Set(
  'AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT'.split(
    ' ',
  ),
);
const RESTRICTED_VOLUMES = new Set(
  'configMap downwardAPI emptyDir projected secret csi persistentVolumeClaim ephemeral image'.split(' '),
);
/** Allowed sysctls by the minor version of the policy that let them in. */
const SYSCTLS: [number, string][] = [
  [0, 'kernel.shm_rmid_forced'],
  [0, 'net.ipv4.ip_local_port_range'],
  [0, 'net.ipv4.tcp_syncookies'],
  [0, 'net.ipv4.ping_group_range'],
  [0, 'net.ipv4.ip_unprivileged_port_start'],
  [27, 'net.ipv4.ip_local_reserved_ports'],
  [29, 'net.ipv4.tcp_keepalive_time'],
  [29, 'net.ipv4.tcp_fin_timeout'],
  [29, 'net.ipv4.tcp_keepalive_intvl'],
  [29, 'net.ipv4.tcp_keepalive_probes'],
  [32, 'net.ipv4.tcp_rmem'],
  [32, 'net.ipv4.tcp_wmem'],
];
/** Since these minors a Pod in a user namespace, or of Windows, is measured more mildly. */
const WINDOWS_EXEMPT_SINCE = 25;
const USER_NAMESPACE_EXEMPT_SINCE = 35;
const LOOPBACK = ['127.0.0.1', '::1'];

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}

/** `container "a"`, `containers "a", "b"`. */
function containersNamed(names: readonly string[]): string {
  return `${plural(names.length, 'container')} ${quoted(names)}`;
}

function namesWhere(subject: Subject, holds: (context: Context, container: Container) => boolean): string[] {
  return subject.containers.filter((one) => holds(one.securityContext ?? {}, one)).map(({ name }) => name);
}

function sorted(values: readonly (string | undefined)[]): string[] {
  return [...new Set(values.filter((value) => value !== undefined))].toSorted();
}

function isWindows({ spec, minor }: Subject): boolean {
  return minor >= WINDOWS_EXEMPT_SINCE && (spec as { os?: { name?: string } }).os?.name === 'windows';
}

function hasOwnUsers({ spec, minor }: Subject): boolean {
  return minor >= USER_NAMESPACE_EXEMPT_SINCE && (spec as { hostUsers?: boolean }).hostUsers === false;
}

export function appArmorProfile(subject: Subject): Violation | undefined {
  const setters = [
    ...(subject.podContext.appArmorProfile?.type === 'Unconfined' ? ['pod'] : []),
    ...containersClause(namesWhere(subject, ({ appArmorProfile: own }) => own?.type === 'Unconfined')),
  ];
  const annotations = Object.entries(subject.pod.metadata?.annotations ?? {})
    .filter(([key, value]) => key.startsWith(APPARMOR_ANNOTATION) && !isAllowedAppArmor(value))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .toSorted();
  const details = [
    ...(setters.length === 0 ? [] : [`${setters.join(' and ')} must not set AppArmor profile type to "Unconfined"`]),
    ...annotations,
  ];
  if (details.length === 0) return undefined;
  const count = (setters.length === 0 ? 0 : 1) + annotations.length;
  return { reason: plural(count, 'forbidden AppArmor profile'), detail: details.join(', ') };
}

function isAllowedAppArmor(profile: string): boolean {
  return profile === '' || profile === 'runtime/default' || profile.startsWith('localhost/');
}

function containersClause(names: readonly string[]): string[] {
  return names.length === 0 ? [] : [containersNamed(names)];
}

export function baselineCapabilities(subject: Subject): Violation | undefined {
  const bad = ({ capabilities }: Context): string[] =>
    (capabilities?.add ?? []).filter((name) => !BASELINE_CAPABILITIES.has(name));
  const names = namesWhere(subject, (context) => bad(context).length > 0);
  if (names.length === 0) return undefined;
  const added = sorted(subject.containers.flatMap((one) => bad(one.securityContext ?? {})));
  return {
    reason: 'non-default capabilities',
    detail: `${containersNamed(names)} must not include ${quoted(added)} in securityContext.capabilities.add`,
  };
}

export function hostNamespaces({ spec }: Subject): Violation | undefined {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true);
  if (used.length === 0) return undefined;
  return { reason: 'host namespaces', detail: used.map((field) => `${field}=true`).join(', ') };
}

export function hostPathVolumes({ spec }: Subject): Violation | undefined {
  const names = (spec.volumes ?? []).filter((volume) => volume.hostPath !== undefined).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural(names.length, 'volume')} ${quoted(names)}` };
}

export function hostPorts(subject: Subject): Violation | undefined {
  const used = (one: Container): number[] =>
    (one.ports ?? []).map((port) => port.hostPort ?? 0).filter((port) => port !== 0);
  const names = namesWhere(subject, (_context, one) => used(one).length > 0);
  if (names.length === 0) return undefined;
  const ports = sorted(subject.containers.flatMap(used).map(String));
  const verb = plural(names.length, 'uses', 'use');
  return {
    reason: 'hostPort',
    detail: `${containersNamed(names)} ${verb} ${plural(ports.length, 'hostPort')} ${ports.join(', ')}`,
  };
}

export function hostProbes(subject: Subject): Violation | undefined {
  const hosts = (one: Container): string[] =>
    [one.livenessProbe, one.readinessProbe, one.startupProbe, one.lifecycle?.postStart, one.lifecycle?.preStop]
      .flatMap((handler) => [handler?.httpGet?.host ?? '', handler?.tcpSocket?.host ?? ''])
      .filter((host) => host !== '' && !LOOPBACK.includes(host));
  const names = namesWhere(subject, (_context, one) => hosts(one).length > 0);
  if (names.length === 0) return undefined;
  const found = sorted(subject.containers.flatMap(hosts));
  const verb = plural(names.length, 'uses', 'use');
  const noun = plural(found.length, 'hostProbeOrHostLifecycle', 'hostProbesOrHostLifecycles');
  return { reason: 'hostProbesOrHostLifecycle', detail: `${containersNamed(names)} ${verb} ${noun} ${quoted(found)}` };
}

export function privileged(subject: Subject): Violation | undefined {
  const names = namesWhere(subject, (context) => context.privileged === true);
  if (names.length === 0) return undefined;
  return { reason: 'privileged', detail: `${containersNamed(names)} must not set securityContext.privileged=true` };
}

export function procMount(subject: Subject): Violation | undefined {
  if (hasOwnUsers(subject)) return undefined;
  const isBad = ({ procMount: mount }: Context): boolean => mount !== undefined && mount !== 'Default';
  const names = namesWhere(subject, isBad);
  if (names.length === 0) return undefined;
  const found = sorted(
    subject.containers.map((one) => one.securityContext?.procMount).filter((one) => one !== 'Default'),
  );
  const detail = `${containersNamed(names)} must not set securityContext.procMount to ${quoted(found)}`;
  return { reason: 'procMount', detail };
}

export function seLinuxOptions(subject: Subject): Violation | undefined {
  const allowed = ['', 'container_t', 'container_init_t', 'container_kvm_t'];
  if (subject.minor >= 31) allowed.push('container_engine_t');
  const isBad = ({ seLinuxOptions: own }: Pick<Context, 'seLinuxOptions'>): boolean =>
    own !== undefined && (!allowed.includes(own.type ?? '') || (own.user ?? '') !== '' || (own.role ?? '') !== '');
  const setters = [...(isBad(subject.podContext) ? ['pod'] : []), ...containersClause(namesWhere(subject, isBad))];
  if (setters.length === 0) return undefined;
  const all = [subject.podContext, ...subject.containers.map((one) => one.securityContext ?? {})];
  const types = sorted(all.map((one) => one.seLinuxOptions?.type)).filter((type) => !allowed.includes(type));
  const told = [
    ...(types.length === 0 ? [] : [`${plural(types.length, 'type')} ${quoted(types)}`]),
    ...(all.some((one) => (one.seLinuxOptions?.user ?? '') !== '') ? ['user may not be set'] : []),
    ...(all.some((one) => (one.seLinuxOptions?.role ?? '') !== '') ? ['role may not be set'] : []),
  ];
  return {
    reason: 'seLinuxOptions',
    detail: `${setters.join(' and ')} set forbidden securityContext.seLinuxOptions: ${told.join('; ')}`,
  };
}

export function baselineSeccomp(subject: Subject): Violation | undefined {
  const isBad = ({ seccompProfile: own }: Pick<Context, 'seccompProfile'>): boolean => own?.type === 'Unconfined';
  const setters = [...(isBad(subject.podContext) ? ['pod'] : []), ...containersClause(namesWhere(subject, isBad))];
  if (setters.length === 0) return undefined;
  const detail = `${setters.join(' and ')} must not set securityContext.seccompProfile.type to "Unconfined"`;
  return { reason: 'seccompProfile', detail };
}

export function sysctls({ podContext, minor }: Subject): Violation | undefined {
  const allowed = new Set(SYSCTLS.filter(([since]) => since <= minor).map(([, name]) => name));
  const bad = (podContext.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.has(name));
  if (bad.length === 0) return undefined;
  return { reason: 'forbidden sysctls', detail: bad.join(', ') };
}

export function windowsHostProcess(subject: Subject): Violation | undefined {
  const isBad = ({ windowsOptions: own }: Pick<Context, 'windowsOptions'>): boolean => own?.hostProcess === true;
  const setters = [...(isBad(subject.podContext) ? ['pod'] : []), ...containersClause(namesWhere(subject, isBad))];
  if (setters.length === 0) return undefined;
  const detail = `${setters.join(' and ')} must not set securityContext.windowsOptions.hostProcess=true`;
  return { reason: 'hostProcess', detail };
}

export function allowPrivilegeEscalation(subject: Subject): Violation | undefined {
  if (isWindows(subject)) return undefined;
  const names = namesWhere(subject, (context) => context.allowPrivilegeEscalation !== false);
  if (names.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersNamed(names)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

export function restrictedCapabilities(subject: Subject): Violation | undefined {
  if (isWindows(subject)) return undefined;
  const undropped = namesWhere(subject, ({ capabilities }) => capabilities?.drop?.includes('ALL') !== true);
  const bad = ({ capabilities }: Context): string[] =>
    (capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
  const adding = namesWhere(subject, (context) => bad(context).length > 0);
  const added = sorted(subject.containers.flatMap((one) => bad(one.securityContext ?? {})));
  const details = [
    ...containersClause(undropped).map((who) => `${who} must set securityContext.capabilities.drop=["ALL"]`),
    ...containersClause(adding).map(
      (who) => `${who} must not include ${quoted(added)} in securityContext.capabilities.add`,
    ),
  ];
  if (details.length === 0) return undefined;
  return { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

export function restrictedVolumes({ spec }: Subject): Violation | undefined {
  const bad = (spec.volumes ?? []).flatMap((volume) => {
    const type = Object.keys(volume).find((key) => key !== 'name') ?? '';
    return RESTRICTED_VOLUMES.has(type) ? [] : [{ name: volume.name, type }];
  });
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map(({ type }) => type));
  const who = `${plural(bad.length, 'volume')} ${quoted(bad.map(({ name }) => name))}`;
  const verb = plural(bad.length, 'uses', 'use');
  return {
    reason: 'restricted volume types',
    detail: `${who} ${verb} ${plural(types.length, 'restricted volume type')} ${quoted(types)}`,
  };
}

export function runAsNonRoot(subject: Subject): Violation | undefined {
  if (hasOwnUsers(subject)) return undefined;
  const pod = subject.podContext.runAsNonRoot;
  const explicit = namesWhere(subject, (context) => context.runAsNonRoot === false);
  const implicit = pod === true ? [] : namesWhere(subject, (context) => context.runAsNonRoot === undefined);
  const setters = [...(pod === false ? ['pod'] : []), ...containersClause(explicit)];
  const reason = 'runAsNonRoot != true';
  if (setters.length > 0) {
    return { reason, detail: `${setters.join(' and ')} must not set securityContext.runAsNonRoot=false` };
  }
  if (implicit.length === 0) return undefined;
  return { reason, detail: `pod or ${containersNamed(implicit)} must set securityContext.runAsNonRoot=true` };
}

export function runAsUser(subject: Subject): Violation | undefined {
  if (hasOwnUsers(subject)) return undefined;
  const setters = [
    ...(subject.podContext.runAsUser === 0 ? ['pod'] : []),
    ...containersClause(namesWhere(subject, (context) => context.runAsUser === 0)),
  ];
  if (setters.length === 0) return undefined;
  return { reason: 'runAsUser=0', detail: `${setters.join(' and ')} must not set runAsUser=0` };
}

export function restrictedSeccomp(subject: Subject): Violation | undefined {
  if (isWindows(subject)) return undefined;
  const isGood = (type: string | undefined): boolean => type === 'RuntimeDefault' || type === 'Localhost';
  const pod = subject.podContext.seccompProfile?.type;
  const explicit = namesWhere(subject, ({ seccompProfile: own }) => own?.type !== undefined && !isGood(own.type));
  const implicit = isGood(pod) ? [] : namesWhere(subject, ({ seccompProfile: own }) => own?.type === undefined);
  const setters = [...(pod !== undefined && !isGood(pod) ? ['pod'] : []), ...containersClause(explicit)];
  const reason = 'seccompProfile';
  if (setters.length > 0) {
    const all = [pod, ...subject.containers.map((one) => one.securityContext?.seccompProfile?.type)];
    const types = sorted(all).filter((type) => !isGood(type));
    const detail = `${setters.join(' and ')} must not set securityContext.seccompProfile.type to ${quoted(types)}`;
    return { reason, detail };
  }
  if (implicit.length === 0) return undefined;
  const who = `pod or ${containersNamed(implicit)}`;
  return {
    reason,
    detail: `${who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
}
