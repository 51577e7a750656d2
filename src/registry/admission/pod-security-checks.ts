/**
 * The checks of the Pod Security Standards, in the order in which Kubernetes tells of them: those of baseline,
 * then those of restricted, each by its id. A restricted check stands in for the baseline one that it sharpens.
 */
import type { Container, Pod, PodSecurityContext, PodSpec, SecurityContext } from '#src/api/objects.ts';
import * as rules from './pod-security-rules.ts';

export type SecurityLevel = 'privileged' | 'baseline' | 'restricted';

export interface Violation {
  reason: string;
  /** '' when the reason says it all. */
  detail: string;
}

/** What a check looks at. */
export interface Subject {
  pod: Pod;
  spec: PodSpec;
  podContext: PodSecurityContext;
  /** Init, ordinary, then ephemeral ones. */
  containers: (Container & { securityContext?: SecurityContext })[];
  /** Of the policy's version; Infinity for `latest`. */
  minor: number;
}

export interface Check {
  level: 'baseline' | 'restricted';
  /** The first minor version of the policy that has it. */
  since: number;
  /** Left to another check at the level `restricted` (from the version of that check on). */
  sharpenedSince?: number;
  run: (subject: Subject) => Violation | undefined;
}

const CHECKS: readonly Check[] = [
  { level: 'baseline', since: 0, run: rules.appArmorProfile },
  { level: 'baseline', since: 0, sharpenedSince: 22, run: rules.baselineCapabilities },
  { level: 'baseline', since: 0, run: rules.hostNamespaces },
  { level: 'baseline', since: 0, sharpenedSince: 0, run: rules.hostPathVolumes },
  { level: 'baseline', since: 0, run: rules.hostPorts },
  { level: 'baseline', since: 34, run: rules.hostProbes },
  { level: 'baseline', since: 0, run: rules.privileged },
  { level: 'baseline', since: 0, run: rules.procMount },
  { level: 'baseline', since: 0, run: rules.seLinuxOptions },
  { level: 'baseline', since: 19, sharpenedSince: 19, run: rules.baselineSeccomp },
  { level: 'baseline', since: 0, run: rules.sysctls },
  { level: 'baseline', since: 0, run: rules.windowsHostProcess },
  { level: 'restricted', since: 8, run: rules.allowPrivilegeEscalation },
  { level: 'restricted', since: 22, run: rules.restrictedCapabilities },
  { level: 'restricted', since: 0, run: rules.restrictedVolumes },
  { level: 'restricted', since: 0, run: rules.runAsNonRoot },
  { level: 'restricted', since: 23, run: rules.runAsUser },
  { level: 'restricted', since: 19, run: rules.restrictedSeccomp },
];

export function violationsOf(level: 'baseline' | 'restricted', minor: number, pod: Pod): Violation[] {
  const { spec } = pod;
  if (spec === undefined) return [];
  const ephemeral = (spec as { ephemeralContainers?: Container[] }).ephemeralContainers ?? [];
  const subject: Subject = {
    pod,
    spec,
    podContext: spec.securityContext ?? {},
    containers: [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...ephemeral],
    minor,
  };
  return CHECKS.filter((check) => applies(check, level, minor)).flatMap((check) => check.run(subject) ?? []);
}

function applies(check: Check, level: 'baseline' | 'restricted', minor: number): boolean {
  if (check.since > minor) return false;
  if (level === 'baseline') return check.level === 'baseline';
  return check.sharpenedSince === undefined || minor < check.sharpenedSince;
}
