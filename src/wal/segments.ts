/**
 * The files of the log: the segment being written, older ones, pre-written spares and the reserve.
 * Owns: every name in the log's directory except snapshots. `roll` and the writes may run beside
 * `release` and `prepareSpare`, of which writer.ts lets one run at a time.
 * Imports: ports, std.
 *
 * Files are filled with zeros and synced before they are used, and used again when released: an
 * overwrite changes no metadata, which halves the time of a sync (docs: reference measurements).
 */
import type { DiskFile } from '#src/ports/disk.ts';
import { assert } from '#src/std/assert.ts';
import { isFault, messageOf } from '#src/std/fault.ts';
import { encodeHeader, encodeSlot, formatVersion, sectorBytes, type SegmentHeader } from './format.ts';
import { isPartial, isSpare, reserveFile, segmentName, slotFile, spareName, temporarySuffix } from './names.ts';
import { slotSeed, type Found, type FoundSegment, type Place } from './recovery.ts';

/** Spares kept; more are removed. */
const sparesMax = 8;
/** End of each segment that only snapshot records use, so that a full disk still takes the one that frees it. */
const snapshotRoomBytes = 4096;
const zeros = new Uint8Array(256 * 1024);

export interface NextSegment {
  firstIndex: number;
  previousEnd: number;
  previousChain: number;
}

export class Segments {
  readonly #place: Place;
  readonly #segmentBytes: number;
  #list: FoundSegment[];
  #file: DiskFile | undefined;
  #slot: DiskFile | undefined;
  #slotWrites = 0;
  #spares: string[];
  #spareCount = 0;
  readonly #newest: Found['newest'];
  #hasReserve: boolean;

  constructor(place: Place, options: { segmentBytes: number; found: Found; names: string[] }) {
    this.#place = place;
    this.#segmentBytes = options.segmentBytes;
    this.#list = options.found.segments;
    this.#newest = options.found.newest;
    // Spares of an earlier start may be short or of another size; making one is cheap.
    this.#spares = [];
    this.#hasReserve = options.names.includes(reserveFile);
  }

  get active(): FoundSegment {
    const active = this.#list.at(-1);
    assert(active !== undefined, 'the log has a segment to write on');
    return active;
  }

  readonly firstBatchOffset = sectorBytes;

  /** The segment being written now holds an entry of this index. */
  noteEntry(index: number): void {
    this.active.maxIndex = Math.max(this.active.maxIndex, index);
  }

  /** Offset up to which the present segment may be filled. */
  roomFor(snapshot: boolean): number {
    if (this.#list.length === 0) return 0;
    return this.active.bytes - (snapshot ? 0 : Math.min(snapshotRoomBytes, this.#segmentBytes / 4));
  }

  get count(): number {
    return this.#list.length;
  }

  get file(): DiskFile {
    assert(this.#file !== undefined, 'the segment to write on is open');
    return this.#file;
  }

  /** Remove what a stopped node left unfinished, and open what is written on. */
  async start(names: string[]): Promise<void> {
    for (const name of names) {
      if (isSpare(name) || name.endsWith(temporarySuffix)) await this.#place.disk.remove(this.#path(name));
    }
    // One at a time is received: more than one is left of crashes, and the newest is not known.
    const partial = names.filter((name) => isPartial(name));
    if (partial.length > 1) for (const name of partial) await this.#place.disk.remove(this.#path(name));
    const known = new Set(this.#list.map(({ id }) => segmentName(id)));
    for (const name of names) {
      if (name.startsWith('segment-') && !known.has(name)) await this.#place.disk.remove(this.#path(name));
    }
    this.#slot = await this.#place.disk.open(this.#path(slotFile), { create: true });
    await this.#roomForNotes(this.#slot);
    if (this.#list.length > 0) {
      this.#file = await this.#place.disk.open(this.#path(segmentName(this.active.id)));
      // After kill -9 the kernel may hold what we have just read and believe; make it durable before it is used.
      // After a failed sync it may even hold it as clean, and a sync alone would not write it (Rebello, ATC 2020).
      if (this.#newest.bytes.length > 0) await this.#file.write(this.#newest.offset, [this.#newest.bytes]);
      await this.#file.sync();
    }
    await this.#place.disk.syncDirectory(this.#place.directory);
  }

  /**
   * Begin a new segment with its first batch. It gets its name only when both are durable, so a
   * segment found at a start always holds at least one whole batch.
   */
  async roll(next: NextSegment, encode: (header: SegmentHeader) => Uint8Array[]): Promise<void> {
    const { disk, directory, clusterId, nodeId } = this.#place;
    const segmentId = (this.#list.at(-1)?.id ?? 0) + 1;
    const previousId = segmentId - 1;
    const header: SegmentHeader = { version: formatVersion, segmentId, clusterId, nodeId, previousId, ...next };
    const batch = encode(header);
    const bytes = sectorBytes + batch.reduce((sum, chunk) => sum + chunk.length, 0);
    const spare = bytes <= this.#segmentBytes ? this.#spares.pop() : undefined;
    const from = spare ?? (await this.#makeFile(this.#spareFile(), Math.max(bytes, this.#segmentBytes)));
    const file = await disk.open(this.#path(from));
    await file.write(0, [encodeHeader(header), ...batch]);
    await file.sync();
    await disk.rename(this.#path(from), this.#path(segmentName(segmentId)));
    if (this.#place.mutations?.has('rename-without-directory-sync') !== true) await disk.syncDirectory(directory);
    await this.#file?.close();
    this.#file = file;
    this.#list.push({ id: segmentId, maxIndex: 0, bytes: Math.max(bytes, this.#segmentBytes) });
  }

  /** Notes go on when the disk is full: their two sectors are there from the beginning. */
  async #roomForNotes(slot: DiskFile): Promise<void> {
    const size = await slot.size();
    if (size >= 2 * sectorBytes) return;
    await this.#whenThereIsSpace(() => slot.write(size, [new Uint8Array(2 * sectorBytes - size)]));
  }

  /** Note that everything up to this batch is on the disk. Not synced itself: it only has to come after. */
  async note(synced: { epoch: number; index: number }): Promise<void> {
    const at = (this.#slotWrites++ % 2) * sectorBytes;
    await this.#slot?.write(at, [encodeSlot(synced, slotSeed(this.#place))]);
  }

  /** Release the segments in front whose entries all lie at or below `index`; at most two become spares. */
  async release(index: number): Promise<void> {
    const { disk, directory } = this.#place;
    const fresh: string[] = [];
    while (this.#list.length > 1 && (this.#list[0]?.maxIndex ?? 0) <= index) {
      const segment = this.#list.shift();
      if (segment === undefined) break;
      const path = this.#path(segmentName(segment.id));
      if (segment.bytes === this.#segmentBytes && this.#spares.length + fresh.length < sparesMax) {
        const spare = this.#spareFile();
        await disk.rename(path, this.#path(spare));
        this.#place.mark?.('wal: segment used again');
        fresh.push(spare);
      } else {
        await disk.remove(path);
      }
    }
    // Used before its new name is durable, a file could come back under the old one with other contents.
    await disk.syncDirectory(directory);
    this.#spares.push(...fresh);
    await this.fillReserve();
  }

  /** Have a spare ready before it is needed, so that rolling does not wait for it. */
  async prepareSpare(): Promise<void> {
    if (this.#spares.length > 0) return;
    await this.#whenThereIsSpace(async () => {
      this.#spares.push(await this.#makeFile(this.#spareFile(), this.#segmentBytes));
    });
  }

  /** Room that a full disk leaves us: without it the snapshot that would free space could not be written. */
  async fillReserve(): Promise<void> {
    if (this.#hasReserve) return;
    await this.#whenThereIsSpace(async () => {
      await this.#makeFile(reserveFile, this.#segmentBytes);
      this.#hasReserve = true;
    });
  }

  /** Give up spares and reserve; whether that freed anything. */
  async freeReserve(): Promise<boolean> {
    const names = [...this.#spares, ...(this.#hasReserve ? [reserveFile] : [])];
    this.#spares = [];
    this.#hasReserve = false;
    for (const name of names) await this.#place.disk.remove(this.#path(name));
    return names.length > 0;
  }

  async close({ sync }: { sync: boolean }): Promise<void> {
    if (sync) await this.#slot?.sync();
    await this.#slot?.close();
    await this.#file?.close();
  }

  #path(name: string): string {
    return `${this.#place.directory}/${name}`;
  }

  #spareFile(): string {
    this.#spareCount += 1;
    return spareName(this.#spareCount);
  }

  async #makeFile(name: string, bytes: number): Promise<string> {
    const { disk, directory } = this.#place;
    const temporary = this.#path(name + temporarySuffix);
    await disk.remove(temporary);
    const file = await disk.open(temporary, { create: true });
    try {
      for (let at = 0; at < bytes; at += zeros.length) {
        await file.write(at, [zeros.subarray(0, Math.min(zeros.length, bytes - at))]);
      }
      await file.sync();
    } catch (error) {
      await disk.remove(temporary);
      throw error;
    } finally {
      await file.close();
    }
    await disk.rename(temporary, this.#path(name));
    await disk.syncDirectory(directory);
    return name;
  }

  /** For what is only an improvement: a full disk is reported and lived with. */
  async #whenThereIsSpace(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isFault(error, 'DISK_FULL')) throw error;
      this.#place.log.warn('no space for a spare log file', { reason: messageOf(error) });
    }
  }
}
