/** Defaults of a PodSpec, in a Pod and in a template. Source: Kubernetes 1.36 pkg/apis/core/v1/defaults.go. */
import type { Container, EphemeralContainer, LifecycleHandler, PodSpec, Probe, Volume } from './objects.ts';

const DEFAULT_MODE = 0o644;

/**
 * Changes `spec` in place. Requests are set from limits in Pods only: a template keeps what the user wrote, so that
 * its hash does not depend on it.
 */
export function defaultPodSpec(spec: PodSpec, where: 'pod' | 'template'): void {
  spec.restartPolicy ??= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.securityContext ??= {};
  spec.schedulerName ??= 'default-scheduler';
  // The old name of serviceAccountName is kept in step for old clients.
  if (spec.serviceAccountName === undefined && spec.serviceAccount !== undefined)
    spec.serviceAccountName = spec.serviceAccount;
  else if (spec.serviceAccountName !== undefined) spec.serviceAccount = spec.serviceAccountName;
  if (where === 'pod') {
    spec.enableServiceLinks ??= true;
    defaultPodResources(spec);
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container, spec, where);
  for (const container of spec.containers ?? []) defaultContainer(container, spec, where);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container, spec, where);
  for (const constraint of spec.topologySpreadConstraints ?? []) {
    constraint.nodeAffinityPolicy ??= 'Honor';
    constraint.nodeTaintsPolicy ??= 'Ignore';
  }
}

function defaultPodResources(spec: PodSpec): void {
  const resources = spec.resources;
  if (resources?.limits === undefined) return;
  for (const [name, limit] of Object.entries(resources.limits)) {
    resources.requests ??= {};
    resources.requests[name] ??= limit;
  }
}

function defaultContainer(container: Container | EphemeralContainer, spec: PodSpec, where: 'pod' | 'template'): void {
  container.resources ??= {};
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  if (container.imagePullPolicy === undefined && container.image !== undefined) {
    container.imagePullPolicy = imageTag(container.image) === 'latest' ? 'Always' : 'IfNotPresent';
  }
  for (const port of container.ports ?? []) {
    port.protocol ??= 'TCP';
    if (where === 'pod' && spec.hostNetwork === true) port.hostPort ??= port.containerPort;
  }
  for (const variable of container.env ?? []) {
    if (variable.valueFrom?.fieldRef !== undefined) variable.valueFrom.fieldRef.apiVersion ??= 'v1';
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) defaultProbe(probe);
  defaultHandler(container.lifecycle?.postStart);
  defaultHandler(container.lifecycle?.preStop);
  if (where !== 'pod' || container.resources.limits === undefined) return;
  for (const [name, limit] of Object.entries(container.resources.limits)) {
    container.resources.requests ??= {};
    container.resources.requests[name] ??= limit;
  }
}

/** `latest` when the reference has neither tag nor digest. */
export function imageTag(image: string): string {
  if (image.includes('@')) return '';
  const name = image.slice(image.lastIndexOf('/') + 1);
  const colon = name.indexOf(':');
  return colon < 0 ? 'latest' : name.slice(colon + 1);
}

function defaultProbe(probe: Probe | undefined): void {
  if (probe === undefined) return;
  probe.timeoutSeconds ??= 1;
  probe.periodSeconds ??= 10;
  probe.successThreshold ??= 1;
  probe.failureThreshold ??= 3;
  if (probe.grpc !== undefined) probe.grpc.service ??= '';
  defaultHandler(probe);
}

function defaultHandler(handler: Pick<LifecycleHandler, 'httpGet'> | undefined): void {
  if (handler?.httpGet === undefined) return;
  if (handler.httpGet.path === undefined || handler.httpGet.path === '') handler.httpGet.path = '/';
  handler.httpGet.scheme ??= 'HTTP';
}

const SOURCES: readonly (keyof Volume)[] = [
  'hostPath',
  'emptyDir',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'persistentVolumeClaim',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'downwardAPI',
  'fc',
  'azureFile',
  'configMap',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'projected',
  'portworxVolume',
  'scaleIO',
  'storageos',
  'csi',
  'ephemeral',
  'image',
];

function defaultVolume(volume: Volume): void {
  if (!SOURCES.some((source) => volume[source] !== undefined)) volume.emptyDir = {};
  if (volume.secret !== undefined) volume.secret.defaultMode ??= DEFAULT_MODE;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= DEFAULT_MODE;
  if (volume.downwardAPI !== undefined) volume.downwardAPI.defaultMode ??= DEFAULT_MODE;
  if (volume.hostPath !== undefined) volume.hostPath.type ??= '';
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim !== undefined) claim.volumeMode ??= 'Filesystem';
  if (volume.image !== undefined && volume.image.pullPolicy === undefined && volume.image.reference !== undefined) {
    volume.image.pullPolicy = imageTag(volume.image.reference) === 'latest' ? 'Always' : 'IfNotPresent';
  }
  for (const item of volume.downwardAPI?.items ?? [])
    if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1';
  if (volume.projected === undefined) return;
  volume.projected.defaultMode ??= DEFAULT_MODE;
  for (const source of volume.projected.sources ?? []) {
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600;
    for (const item of source.downwardAPI?.items ?? [])
      if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1';
  }
}
