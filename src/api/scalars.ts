/** Leaf values in canonical form: times in UTC, quantities shortened, base64 without line breaks. */
import { formatQuantity, isQuantity, parseQuantity, QUANTITY_PATTERN } from './quantity.ts';

/** What a leaf may be refused for; the caller adds where it stood. */
export class ScalarProblem extends Error {
  override readonly name = 'ScalarProblem';
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
const SECONDS_LAYOUT = '2006-01-02T15:04:05Z07:00';
const MICROS_LAYOUT = '2006-01-02T15:04:05.000000Z07:00';

/** RFC 3339 of any offset → UTC, in whole seconds or with six digits. ScalarProblem in Go's words. */
export function canonicalTime(text: string, digits: 0 | 6): string {
  const match = RFC3339.exec(text);
  const fraction = (match?.[7] ?? '').padEnd(6, '0').slice(0, 6);
  const ms = match === null ? Number.NaN : Date.parse(`${text.slice(0, 19)}${match[8]}`);
  if (Number.isNaN(ms) || new Date(ms).getUTCFullYear() > 9999 || new Date(ms).getUTCFullYear() < 0) {
    const layout = digits === 0 ? SECONDS_LAYOUT : MICROS_LAYOUT;
    throw new ScalarProblem(
      `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(text)} as "2006"`,
    );
  }
  return timeFromUnix(ms / 1000, Number(fraction), digits);
}

export function timeFromUnix(seconds: number, micros: number, digits: 0 | 6): string {
  const ms = seconds * 1000;
  // Years outside 0-9999 have no RFC 3339 form; Date's own limit lies beyond both.
  if (!(ms >= -62167219200000 && ms <= 253402300799000)) {
    throw new ScalarProblem(`the time ${seconds} s since 1970 has no year between 0 and 9999`);
  }
  const text = new Date(ms).toISOString().slice(0, 19);
  return digits === 0 ? `${text}Z` : `${text}.${String(micros).padStart(6, '0')}Z`;
}

/** The shortest form that means the same: `1000m` is `1`. ScalarProblem in Kubernetes' words. */
export function canonicalQuantity(value: string | number): string {
  const text = String(value);
  if (!isQuantity(text)) {
    throw new ScalarProblem(`quantities must match the regular expression '${QUANTITY_PATTERN}'`);
  }
  return formatQuantity(parseQuantity(text));
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Standard base64 with padding; line breaks are dropped. ScalarProblem in Go's words. */
export function canonicalBase64(text: string): string {
  const joined = text.replaceAll(/[\r\n]/g, '');
  if (!BASE64.test(joined)) {
    const wrong = joined.search(/[^A-Za-z0-9+/]/);
    throw new ScalarProblem(`illegal base64 data at input byte ${wrong < 0 ? joined.length : wrong}`);
  }
  return joined;
}

/** int32 or int64 within what a double keeps exactly. */
export function isInteger(value: number, bits: 32 | 64): boolean {
  if (bits === 32) return Number.isInteger(value) && value >= -2147483648 && value <= 2147483647;
  return Number.isSafeInteger(value);
}

const DURATION = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)/;

/** `1h30m`, kept as written. */
export function isDuration(text: string): boolean {
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return true;
  while (rest !== '') {
    const match = DURATION.exec(rest);
    if (match === null) return false;
    rest = rest.slice(match[0].length);
  }
  return text !== '';
}
