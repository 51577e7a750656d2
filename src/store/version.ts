/** One version of one key: what was put, or the tombstone of a deletion. */
import type { Key, StoreEvent, Value } from './command.ts';
import type { Slabs } from './slabs.ts';

/** Versions of a key are chained newest first. All but `older` is never changed. */
export class Version implements Value {
  readonly bytes: Uint8Array;
  readonly revisionAt: number;
  readonly revisionLength: number;
  readonly modRevision: number;
  readonly createRevision: number;
  readonly deleted: boolean;
  /** The version before; cut by compaction. */
  older: Version | undefined;
  /** Whether this is the last write of its transaction: watches deliver whole transactions. */
  endsTransaction = false;

  constructor(options: {
    bytes: Uint8Array;
    revisionAt: number;
    revisionLength: number;
    modRevision: number;
    createRevision: number;
    deleted: boolean;
    older: Version | undefined;
  }) {
    this.bytes = options.bytes;
    this.revisionAt = options.revisionAt;
    this.revisionLength = options.revisionLength;
    this.modRevision = options.modRevision;
    this.createRevision = options.createRevision;
    this.deleted = options.deleted;
    this.older = options.older;
  }
}

/** A key with its newest version, in the index as long as any version is retained. */
export type KeyRecord = { readonly key: Key; latest: Version };

/** An event of the history; `value` is the version itself. */
export type VersionEvent = StoreEvent & { value: Version };

/** Bytes an event costs beside its key and value: objects, pointers. For bounds, not for accounting. */
const EVENT_BYTES_OVERHEAD = 160;

/** What keeping this event costs, in bytes, roughly; the measure of retention and of watch queues. */
export function eventBytes(event: StoreEvent): number {
  return event.value.bytes.length + event.key.length + EVENT_BYTES_OVERHEAD;
}

/** The newest version at or below a revision, tombstones included. */
export function versionAt(latest: Version, revision: number): Version | undefined {
  let version: Version | undefined = latest;
  while (version !== undefined && version.modRevision > revision) version = version.older;
  return version;
}

/** head ‖ decimal revision ‖ tail, in bytes of its own: an entry's buffer must not live on in a small value. */
export function putVersion(
  head: Uint8Array,
  tail: Uint8Array,
  at: { revision: number; createRevision: number; older: Version | undefined; slabs: Slabs },
): Version {
  const digits = digitsOf(at.revision);
  const bytes = at.slabs.take(head.length + digits + tail.length);
  bytes.set(head, 0);
  writeDigits(bytes, head.length, digits, at.revision);
  bytes.set(tail, head.length + digits);
  return new Version({
    bytes,
    revisionAt: head.length,
    revisionLength: digits,
    modRevision: at.revision,
    createRevision: at.createRevision,
    deleted: false,
    older: at.older,
  });
}

/** The tombstone of a version: its value with the deletion's revision in the hole. */
export function tombstone(version: Version, at: { revision: number; slabs: Slabs }): Version {
  const { revision } = at;
  const head = version.bytes.subarray(0, version.revisionAt);
  const tail = version.bytes.subarray(version.revisionAt + version.revisionLength);
  const digits = digitsOf(revision);
  const bytes = at.slabs.take(head.length + digits + tail.length);
  bytes.set(head, 0);
  writeDigits(bytes, head.length, digits, revision);
  bytes.set(tail, head.length + digits);
  return new Version({
    bytes,
    revisionAt: head.length,
    revisionLength: digits,
    modRevision: revision,
    createRevision: version.createRevision,
    deleted: true,
    older: version,
  });
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let bound = 10; value >= bound; bound *= 10) digits++;
  return digits;
}

function writeDigits(bytes: Uint8Array, at: number, digits: number, value: number): void {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    const next = Math.floor(rest / 10);
    bytes[place] = 48 + (rest - next * 10);
    rest = next;
  }
}
