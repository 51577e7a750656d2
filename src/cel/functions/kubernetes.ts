/** Kubernetes' own libraries: regular expressions, URLs, quantities, semantic versions, named formats. */
import { isFault } from '#src/std/fault.ts';
import {
  addQuantity,
  compareQuantity,
  isQuantity,
  parseQuantity,
  subtractQuantity,
  type Quantity,
} from '#src/api/quantity.ts';
import { CelFailure } from '../failure.ts';
import { count, type Definitions } from '../library.ts';
import { findAll } from '../patterns.ts';
import { EntryMap, INT_MAX, INT_MIN, NONE, Opaque, Optional, type CelValue } from '../values.ts';
import { FORMATS } from './formats.ts';
import { compareSemver, isSemver, parseSemver, type Semver } from './semver.ts';

type Args = readonly CelValue[];

class QuantityValue extends Opaque {
  readonly typeName = 'kubernetes.Quantity';
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }

  equals(other: Opaque): boolean {
    return other instanceof QuantityValue && compareQuantity(this.quantity, other.quantity) === 0;
  }
}

class SemverValue extends Opaque {
  readonly typeName = 'kubernetes.Semver';
  readonly semver: Semver;
  constructor(semver: Semver) {
    super();
    this.semver = semver;
  }

  equals(other: Opaque): boolean {
    return other instanceof SemverValue && compareSemver(this.semver, other.semver) === 0;
  }
}

class FormatValue extends Opaque {
  readonly typeName = 'kubernetes.NamedFormat';
  readonly format: string;
  constructor(format: string) {
    super();
    this.format = format;
  }

  equals(other: Opaque): boolean {
    return other instanceof FormatValue && other.format === this.format;
  }
}

class UrlValue extends Opaque {
  readonly typeName = 'kubernetes.URL';
  readonly url: ParsedUrl;
  constructor(url: ParsedUrl) {
    super();
    this.url = url;
  }

  equals(other: Opaque): boolean {
    return other instanceof UrlValue && other.url.text === this.url.text;
  }
}

interface ParsedUrl {
  readonly text: string;
  readonly scheme: string;
  /** With its port, as written. */
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

const ABSOLUTE =
  /^([a-zA-Z][a-zA-Z0-9+.-]*):(?:\/\/(?:[^/?#@\s]*@)?(\[[^\]/?#\s]*\](?::\d*)?|[^/?#@\s[\]]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?$/;

/** As Go's url.ParseRequestURI: absolute, or a path from the root. */
function parseUrl(text: string): ParsedUrl | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x20\x7f]/.test(text) || /%(?![0-9a-fA-F]{2})/.test(text.split('?')[0] as string)) return undefined;
  if (text.startsWith('/')) {
    const [path = '', query = ''] = text.split(/\?(.*)/s);
    return { text, scheme: '', host: '', path, query };
  }
  const match = ABSOLUTE.exec(text);
  if (match === null) return undefined;
  const [, scheme = '', host = '', path = '', query = ''] = match;
  if (/:[^\]]*$/.test(host) && !/:\d*$/.test(host)) return undefined;
  return { text, scheme: scheme.toLowerCase(), host, path, query };
}

function hostname(host: string): string {
  const bracketed = /^\[(.*)\]/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, '');
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function queryOf(query: string): CelValue {
  const values = new Map<string, string[]>();
  for (const part of query.split('&')) {
    if (part === '') continue;
    const [name = '', value = ''] = part.split(/=(.*)/s);
    values.set(unescape(name), [...(values.get(unescape(name)) ?? []), unescape(value)]);
  }
  return new EntryMap(values);
}

const url = (value: CelValue | undefined): ParsedUrl => (value as UrlValue).url;

const URLS: Definitions = {
  'url(string): kubernetes.URL': ([text]) => {
    const parsed = parseUrl(text as string);
    if (parsed === undefined) throw new CelFailure(`URL parse error during conversion from string: ${text as string}`);
    return new UrlValue(parsed);
  },
  'isURL(string): bool': ([text]) => parseUrl(text as string) !== undefined,
  'kubernetes.URL.getScheme(): string': ([value]) => url(value).scheme,
  'kubernetes.URL.getHost(): string': ([value]) => url(value).host,
  'kubernetes.URL.getHostname(): string': ([value]) => hostname(url(value).host),
  'kubernetes.URL.getPort(): string': ([value]) => /:(\d*)$/.exec(url(value).host)?.[1] ?? '',
  'kubernetes.URL.getEscapedPath(): string': ([value]) => url(value).path,
  'kubernetes.URL.getQuery(): map<string, list<string>>': ([value]) => queryOf(url(value).query),
};

const REGEX: Definitions = {
  'string.find(string): string': ([text, pattern], context) =>
    findAll(text as string, pattern as string, 1, context)[0] ?? '',
  'string.findAll(string): list<string>': ([text, pattern], context) =>
    findAll(text as string, pattern as string, -1, context),
  'string.findAll(string, int): list<string>': ([text, pattern, limit], context) =>
    findAll(text as string, pattern as string, count(limit), context),
};

const quantity = (value: CelValue | undefined): Quantity => (value as QuantityValue).quantity;
const NANO = 1_000_000_000n;
const whole = (value: Quantity): bigint => BigInt.asIntN(64, BigInt(value.nano) / NANO);

function ofInt(value: CelValue | undefined): Quantity {
  return { nano: (value as bigint) * NANO, format: 'DecimalSI' };
}

const isWhole = (value: Quantity): boolean =>
  value.nano % NANO === 0n && value.nano / NANO <= INT_MAX && value.nano / NANO >= INT_MIN;

const QUANTITIES: Definitions = {
  'quantity(string): kubernetes.Quantity': ([text]) => {
    try {
      return new QuantityValue(parseQuantity(text as string));
    } catch (error) {
      if (!isFault(error, 'QUANTITY_SYNTAX')) throw error;
      throw new CelFailure('quantities must match the regular expression');
    }
  },
  'isQuantity(string): bool': ([text]) => isQuantity(text as string),
  'kubernetes.Quantity.isInteger(): bool': ([value]) => isWhole(quantity(value)),
  'kubernetes.Quantity.asInteger(): int': ([value]) => {
    if (!isWhole(quantity(value))) throw new CelFailure('cannot convert value to integer');
    return whole(quantity(value));
  },
  'kubernetes.Quantity.asApproximateFloat(): double': ([value]) => Number(quantity(value).nano) / 1e9,
  'kubernetes.Quantity.sign(): int': ([value]) => BigInt(Math.sign(Number(quantity(value).nano))),
  'kubernetes.Quantity.compareTo(kubernetes.Quantity): int': ([a, b]) =>
    BigInt(compareQuantity(quantity(a), quantity(b))),
  'kubernetes.Quantity.isGreaterThan(kubernetes.Quantity): bool': ([a, b]) =>
    compareQuantity(quantity(a), quantity(b)) > 0,
  'kubernetes.Quantity.isLessThan(kubernetes.Quantity): bool': ([a, b]) =>
    compareQuantity(quantity(a), quantity(b)) < 0,
  'kubernetes.Quantity.add(kubernetes.Quantity): kubernetes.Quantity': ([a, b]) =>
    new QuantityValue(addQuantity(quantity(a), quantity(b))),
  'kubernetes.Quantity.add(int): kubernetes.Quantity': ([a, b]) =>
    new QuantityValue(addQuantity(quantity(a), ofInt(b))),
  'kubernetes.Quantity.sub(kubernetes.Quantity): kubernetes.Quantity': ([a, b]) =>
    new QuantityValue(subtractQuantity(quantity(a), quantity(b))),
  'kubernetes.Quantity.sub(int): kubernetes.Quantity': ([a, b]) =>
    new QuantityValue(subtractQuantity(quantity(a), ofInt(b))),
};

const semver = (value: CelValue | undefined): Semver => (value as SemverValue).semver;

const makeSemver = ([text, normalize]: Args): CelValue => {
  const parsed = parseSemver(text as string, normalize === true);
  if (parsed === undefined) throw new CelFailure(`${JSON.stringify(text)} is not a semantic version`);
  return new SemverValue(parsed);
};

const SEMVERS: Definitions = {
  'semver(string): kubernetes.Semver': makeSemver,
  'semver(string, bool): kubernetes.Semver': makeSemver,
  'isSemver(string): bool': ([text]) => isSemver(text as string, false),
  'isSemver(string, bool): bool': ([text, normalize]) => isSemver(text as string, normalize === true),
  'kubernetes.Semver.major(): int': ([value]) => semver(value).major,
  'kubernetes.Semver.minor(): int': ([value]) => semver(value).minor,
  'kubernetes.Semver.patch(): int': ([value]) => semver(value).patch,
  'kubernetes.Semver.compareTo(kubernetes.Semver): int': ([a, b]) => BigInt(compareSemver(semver(a), semver(b))),
  'kubernetes.Semver.isGreaterThan(kubernetes.Semver): bool': ([a, b]) => compareSemver(semver(a), semver(b)) > 0,
  'kubernetes.Semver.isLessThan(kubernetes.Semver): bool': ([a, b]) => compareSemver(semver(a), semver(b)) < 0,
};

function named(): Definitions {
  const definitions: Definitions = {};
  for (const name of FORMATS.keys()) {
    definitions[`format::${name}(): kubernetes.NamedFormat`] = () => new FormatValue(name);
  }
  return definitions;
}

const NAMED: Definitions = {
  ...named(),
  'format::named(string): optional<kubernetes.NamedFormat>': ([name]) =>
    FORMATS.has(name as string) ? new Optional(new FormatValue(name as string)) : NONE,
  'kubernetes.NamedFormat.validate(string): optional<list<string>>': ([format, text], context) => {
    context.charge(Math.ceil(0.1 * (text as string).length));
    const problems = FORMATS.get((format as FormatValue).format)?.(text as string) ?? [];
    return problems.length === 0 ? NONE : new Optional(problems);
  },
};

const JSON_PATCH: Definitions = {
  'jsonpatch::escapeKey(string): string': ([key]) => (key as string).replaceAll('~', '~0').replaceAll('/', '~1'),
};

export const kubernetes: Definitions = { ...URLS, ...REGEX, ...QUANTITIES, ...SEMVERS, ...NAMED, ...JSON_PATCH };
