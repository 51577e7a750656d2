/** Defaults of resource.k8s.io, which is served as data. Source: Kubernetes 1.36 pkg/apis/resource/v1/defaults.go. */
import type { KubeObject } from '../object.ts';

interface Request {
  allocationMode?: string;
  count?: number;
  tolerations?: { operator?: string }[];
}
interface DeviceRequests {
  devices?: { requests?: { exactly?: Request; firstAvailable?: Request[] }[] };
}

export function defaultResourceClaim(object: KubeObject): void {
  defaultDevices((object as { spec?: DeviceRequests }).spec);
}

export function defaultResourceClaimTemplate(object: KubeObject): void {
  defaultDevices((object as { spec?: { spec?: DeviceRequests } }).spec?.spec);
}

function defaultDevices(spec: DeviceRequests | undefined): void {
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    for (const request of exactly === undefined ? firstAvailable : [exactly, ...firstAvailable]) {
      request.allocationMode ??= 'ExactCount';
      if (request.allocationMode === 'ExactCount') request.count ??= 1;
      for (const toleration of request.tolerations ?? []) toleration.operator ??= 'Equal';
    }
  }
}
