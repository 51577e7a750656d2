/** A stream to the kubelet of a Pod, with its refusals in the words of Kubernetes. */
import { ApiError } from '#src/api/api-error.ts';
import type { Pod } from '#src/api/objects.ts';
import { badRequest } from '#src/registry/refusals.ts';
import { isFault } from '#src/std/fault.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';

/** @throws ApiError 400 without a node or when the kubelet refuses, 500 when it cannot be reached. */
export async function openKubeletStream(
  streams: Peers,
  pod: Pod,
  what: { method: 'kubelet.logs' | 'kubelet.exec' | 'kubelet.dial'; header: unknown },
): Promise<ByteStream> {
  const name = pod.metadata.name ?? '';
  const node = pod.spec?.nodeName ?? '';
  if (node === '') throw badRequest(`pod ${name} does not have a host assigned`);
  try {
    return await streams.openStream(node, what.method, what.header);
  } catch (error) {
    if (isFault(error, 'WIRE_UNREACHABLE')) {
      const message = `the kubelet of node ${node}, which runs pod ${name}, cannot be reached: ${error.message}`;
      throw new ApiError(500, 'InternalError', message, { details: {}, cause: error });
    }
    if (isFault(error)) throw badRequest(error.message);
    throw error;
  }
}
