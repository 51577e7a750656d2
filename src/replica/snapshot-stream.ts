/**
 * Snapshot bytes over a byte stream, checked as a whole: the bytes, then their CRC-32C in four bytes
 * (big endian). The receiver answers with one byte once it has made the snapshot durable.
 */
import { crc32c } from '#src/std/crc32c.ts';
import { Fault } from '#src/std/fault.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { SNAPSHOT_BYTES_MAX } from './settings.ts';

const TRAILER_BYTES = 4;
const RECEIVED = 1;

/** Send all chunks and wait for the receiver's answer. Rejects with the stream's fault. */
export async function sendSnapshot(
  stream: ByteStream,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  let crc = 0;
  for await (const chunk of chunks) {
    crc = crc32c(chunk, crc);
    await stream.write(chunk);
  }
  await stream.write(Uint8Array.of(crc >>> 24, (crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff));
  stream.end();
  const answer = await stream.read();
  if (answer?.[0] !== RECEIVED)
    throw new Fault('REPLICA_SNAPSHOT_REFUSED', 'the receiver did not install the snapshot', 'later');
}

/**
 * The chunks as they come, without the trailer. Ends normally only when the checksum fits:
 * REPLICA_SNAPSHOT_BROKEN otherwise, so that nothing torn is ever made durable as a snapshot.
 */
export async function* receiveSnapshot(stream: ByteStream): AsyncGenerator<Uint8Array, void, void> {
  let held: Uint8Array = new Uint8Array(0);
  let crc = 0;
  let total = 0;
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    total += chunk.length;
    if (total > SNAPSHOT_BYTES_MAX) {
      throw new Fault('REPLICA_SNAPSHOT_BROKEN', `snapshot of more than ${SNAPSHOT_BYTES_MAX} bytes`, 'later');
    }
    const all = new Uint8Array(held.length + chunk.length);
    all.set(held, 0);
    all.set(chunk, held.length);
    const body = all.subarray(0, Math.max(0, all.length - TRAILER_BYTES));
    held = all.slice(body.length);
    if (body.length === 0) continue;
    crc = crc32c(body, crc);
    yield body;
  }
  const wanted = held.length === TRAILER_BYTES ? new DataView(held.buffer).getUint32(0) : undefined;
  if (wanted !== crc) {
    throw new Fault('REPLICA_SNAPSHOT_BROKEN', `snapshot of ${total} bytes does not fit its checksum`, 'later');
  }
}

/** Tell the sender that the snapshot is durable here. */
export async function acknowledgeSnapshot(stream: ByteStream): Promise<void> {
  await stream.write(Uint8Array.of(RECEIVED));
  stream.end();
}
