/** A Pod's volumes: written to this host by the runtime, and written again when their sources change. */
import { messageOf } from '#src/std/fault.ts';
import type {
  ConfigMapProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  SecretProjection,
  Volume,
} from '#src/api/objects.ts';
import { parseQuantity, quantityValue } from '#src/api/quantity.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { decodeBase64, fieldOf, resourceOf, type PodFacts, type References } from './environment.ts';

type Files = Record<string, { content: Uint8Array; mode: number }>;

const DEFAULT_MODE = 0o644;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function select(
  data: Record<string, Uint8Array>,
  items: KeyToPath[] | undefined,
  mode: number,
  optional: boolean,
  source: string,
): Files {
  const files: Files = {};
  if (!items) {
    for (const [key, content] of Object.entries(data)) files[key] = { content, mode };
    return files;
  }
  for (const item of items) {
    const content = data[item.key];
    if (content) files[item.path] = { content, mode: item.mode ?? mode };
    else if (!optional)
      throw new Fault('KUBELET_VOLUME', `references non-existent ${source} key: ${item.key}`, 'later');
  }
  return files;
}

async function configMapFiles(source: ConfigMapProjection, mode: number, references: References): Promise<Files> {
  const map = await references.configMap(source.name ?? '');
  if (!map) {
    if (source.optional) return {};
    throw new Fault('KUBELET_VOLUME', `configmap "${source.name}" not found`, 'later');
  }
  const data: Record<string, Uint8Array> = {};
  for (const [key, value] of Object.entries(map.data ?? {})) data[key] = bytes(value);
  for (const [key, value] of Object.entries(map.binaryData ?? {})) data[key] = decodeBase64(value);
  return select(data, source.items, mode, source.optional ?? false, 'config');
}

async function secretFiles(source: SecretProjection, mode: number, references: References): Promise<Files> {
  const secret = await references.secret(source.name ?? '');
  if (!secret) {
    if (source.optional) return {};
    throw new Fault('KUBELET_VOLUME', `secret "${source.name}" not found`, 'later');
  }
  const data = Object.fromEntries(Object.entries(secret.data ?? {}).map(([key, value]) => [key, decodeBase64(value)]));
  return select(data, source.items, mode, source.optional ?? false, 'secret');
}

function downwardFiles(items: DownwardAPIVolumeFile[], mode: number, pod: Pod, facts: PodFacts): Files {
  const files: Files = {};
  for (const item of items) {
    let value = '';
    if (item.fieldRef) value = fieldOf(pod, item.fieldRef.fieldPath, facts);
    else if (item.resourceFieldRef) {
      const container =
        pod.spec?.containers.find((c) => c.name === item.resourceFieldRef?.containerName) ?? pod.spec?.containers[0];
      if (container) value = resourceOf(container, item.resourceFieldRef.resource, item.resourceFieldRef.divisor);
    }
    files[item.path] = { content: bytes(value), mode: item.mode ?? mode };
  }
  return files;
}

/** The files of a volume that is made of objects; undefined for other kinds of volume. */
async function filesOf(volume: Volume, pod: Pod, facts: PodFacts, references: References): Promise<Files | undefined> {
  if (volume.configMap)
    return await configMapFiles(volume.configMap, volume.configMap.defaultMode ?? DEFAULT_MODE, references);
  if (volume.secret) {
    const { secretName, items, optional, defaultMode } = volume.secret;
    const source: SecretProjection = {
      ...(secretName === undefined ? {} : { name: secretName }),
      ...(items ? { items } : {}),
      ...(optional === undefined ? {} : { optional }),
    };
    return await secretFiles(source, defaultMode ?? DEFAULT_MODE, references);
  }
  if (volume.downwardAPI)
    return downwardFiles(volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode ?? DEFAULT_MODE, pod, facts);
  if (!volume.projected) return undefined;
  const mode = volume.projected.defaultMode ?? DEFAULT_MODE;
  const files: Files = {};
  for (const source of volume.projected.sources ?? []) {
    if (source.configMap) Object.assign(files, await configMapFiles(source.configMap, mode, references));
    if (source.secret) Object.assign(files, await secretFiles(source.secret, mode, references));
    if (source.downwardAPI) Object.assign(files, downwardFiles(source.downwardAPI.items ?? [], mode, pod, facts));
    if (source.serviceAccountToken)
      throw new Fault('KUBELET_VOLUME', 'projected service account tokens are not served yet', 'later');
  }
  return files;
}

export interface MountedVolumes {
  /** Host path by volume name. */
  paths: Map<string, string>;
}

/** Make what is absent. Faults: KUBELET_VOLUME (FailedMount) with Kubernetes' words. */
export async function mountVolumes(
  runtime: Runtime,
  pod: Pod,
  facts: PodFacts,
  references: References,
): Promise<MountedVolumes> {
  const podUid = pod.metadata.uid ?? '';
  const paths = new Map<string, string>();
  for (const volume of pod.spec?.volumes ?? []) {
    try {
      const files = await filesOf(volume, pod, facts, references);
      if (files) paths.set(volume.name, (await runtime.writeVolume({ podUid, name: volume.name, files })).hostPath);
      else if (volume.emptyDir) {
        const medium = volume.emptyDir.medium === 'Memory' ? 'Memory' : '';
        const limit = volume.emptyDir.sizeLimit;
        const sizeBytes = limit === undefined ? undefined : quantityValue(parseQuantity(limit));
        paths.set(
          volume.name,
          (
            await runtime.makeEmptyDir({
              podUid,
              name: volume.name,
              medium,
              ...(sizeBytes === undefined ? {} : { sizeBytes }),
            })
          ).hostPath,
        );
      } else if (volume.hostPath) paths.set(volume.name, volume.hostPath.path);
      else throw new Fault('KUBELET_VOLUME', 'this kind of volume is not supported here', 'never');
    } catch (error) {
      throw new Fault(
        'KUBELET_VOLUME',
        `MountVolume.SetUp failed for volume "${volume.name}" : ${messageOf(error)}`,
        'later',
        error,
      );
    }
  }
  return { paths };
}

/** Whether a Pod has volumes that follow their sources. */
export function hasLiveVolumes(pod: Pod): boolean {
  return (pod.spec?.volumes ?? []).some(
    (volume) => volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected,
  );
}
