/** What this program calls itself, and the Kubernetes version whose API it serves. */
import type { VersionInfo } from '#src/apiserver/apiserver.ts';

export const VERSION = '0.1.0';
const KUBERNETES = { major: '1', minor: '36', patch: '0' };

export function versionInfo(): VersionInfo {
  return {
    major: KUBERNETES.major,
    minor: KUBERNETES.minor,
    gitVersion: `v${KUBERNETES.major}.${KUBERNETES.minor}.${KUBERNETES.patch}+kontiki.${VERSION}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: 'none',
    platform: 'linux/amd64',
  };
}
