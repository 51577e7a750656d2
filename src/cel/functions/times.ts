/** The parts of timestamps and durations. */
import type { Definitions } from '../library.ts';
import { civilTime, SECOND, zoneOffset, type CivilTime } from '../time.ts';
import type { Duration, Timestamp } from '../values.ts';

const PARTS: Record<string, (time: CivilTime) => number> = {
  getFullYear: (time) => time.year,
  getMonth: (time) => time.month - 1,
  getDate: (time) => time.day,
  getDayOfMonth: (time) => time.day - 1,
  getDayOfWeek: (time) => time.dayOfWeek,
  getDayOfYear: (time) => time.dayOfYear,
  getHours: (time) => time.hours,
  getMinutes: (time) => time.minutes,
  getSeconds: (time) => time.seconds,
  getMilliseconds: (time) => Math.floor(time.nanos / 1_000_000),
};

function parts(): Definitions {
  const definitions: Definitions = {};
  for (const [name, part] of Object.entries(PARTS)) {
    definitions[`timestamp.${name}(): int`] = ([time]) => BigInt(part(civilTime(time as Timestamp, 0)));
    definitions[`timestamp.${name}(string): int`] = ([time, zone]) =>
      BigInt(part(civilTime(time as Timestamp, zoneOffset(zone as string))));
  }
  return definitions;
}

const whole = (unit: bigint) => (value: unknown) => (value as Duration).nanos / unit;

export const times: Definitions = {
  ...parts(),
  'duration.getHours(): int': ([value]) => whole(3600n * SECOND)(value),
  'duration.getMinutes(): int': ([value]) => whole(60n * SECOND)(value),
  'duration.getSeconds(): int': ([value]) => whole(SECOND)(value),
  'duration.getMilliseconds(): int': ([value]) => ((value as Duration).nanos % SECOND) / 1_000_000n,
};
