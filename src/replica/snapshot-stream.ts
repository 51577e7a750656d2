/**
 * Snapshot bytes over a byte stream. Two forms, both answered with one byte once what came is installed:
 * a state read from memory goes with its CRC-32C behind it (big endian, four bytes); a snapshot file, whose length and
 * SHA-256 were told with the offer, begins where the receiver says that it was cut off before (eight bytes, big endian).
 */
import type { Clock } from '#src/ports/clock.ts';
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

const OFFSET_BYTES = 8;
/** Sent at once; between two of these the pace is looked at. */
const PACED_BYTES = 256 * 1024;

/** The receiver's first word: it has so many bytes already. */
export async function askFrom(stream: ByteStream, offset: number): Promise<void> {
  const word = new Uint8Array(OFFSET_BYTES);
  new DataView(word.buffer).setBigUint64(0, BigInt(offset));
  await stream.write(word);
}

/** Send a snapshot file from where the receiver wants it, no faster than told, and wait for its answer. */
export async function sendSnapshotFile(
  stream: ByteStream,
  file: { bytes: number; read(): AsyncIterable<Uint8Array> },
  { clock, bytesPerSecond }: { clock: Clock; bytesPerSecond: number },
): Promise<{ from: number }> {
  const from = await readOffset(stream, file.bytes);
  const startedMs = clock.monotonicMs();
  let [passed, sent] = [0, 0];
  for await (const block of file.read()) {
    const skipped = Math.min(block.length, Math.max(0, from - passed));
    passed += block.length;
    if (skipped === block.length) continue;
    for (let at = skipped; at < block.length; at += PACED_BYTES) {
      const chunk = block.subarray(at, at + PACED_BYTES);
      await stream.write(chunk);
      sent += chunk.length;
      const aheadMs = (sent / bytesPerSecond) * 1000 - (clock.monotonicMs() - startedMs);
      if (aheadMs > 0) await new Promise<void>((resolve) => void clock.after(aheadMs, resolve));
    }
  }
  stream.end();
  const answer = await stream.read();
  if (answer?.[0] !== RECEIVED)
    throw new Fault('REPLICA_SNAPSHOT_REFUSED', 'the receiver did not install the snapshot', 'later');
  return { from };
}

async function readOffset(stream: ByteStream, bytes: number): Promise<number> {
  let word = new Uint8Array(0);
  while (word.length < OFFSET_BYTES) {
    const chunk = await stream.read();
    if (chunk === undefined) throw new Fault('REPLICA_SNAPSHOT_REFUSED', 'the receiver wants nothing of it', 'later');
    const joined = new Uint8Array(word.length + chunk.length);
    joined.set(word);
    joined.set(chunk, word.length);
    word = joined;
  }
  const from = Number(new DataView(word.buffer).getBigUint64(0));
  if (from > bytes)
    throw new Fault(
      'REPLICA_SNAPSHOT_BROKEN',
      `the receiver wants a snapshot of ${bytes} bytes from byte ${from}`,
      'later',
    );
  return from;
}

/** The bytes of a snapshot file behind `offset`. REPLICA_SNAPSHOT_BROKEN when more or fewer come than were offered. */
export async function* receiveSnapshotFile(
  stream: ByteStream,
  { bytes, offset }: { bytes: number; offset: number },
): AsyncGenerator<Uint8Array, void, void> {
  let came = offset;
  for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) {
    came += chunk.length;
    if (came > bytes)
      throw new Fault('REPLICA_SNAPSHOT_BROKEN', `more than the ${bytes} bytes that were offered`, 'later');
    yield chunk;
  }
  if (came < bytes)
    throw new Fault('REPLICA_SNAPSHOT_BROKEN', `${came} of ${bytes} bytes came; the rest is asked for later`, 'later');
}
