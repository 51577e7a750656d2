/** Names: which are allowed, and Kubernetes' texts that say why not. */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_LENGTH_MAX = 63;
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const SUBDOMAIN_LENGTH_MAX = 253;
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const QUALIFIED_LENGTH_MAX = 63;
const LABEL_VALUE = `(${QUALIFIED})?`;
const PORT_NAME_LENGTH_MAX = 15;

const whole = (pattern: string) => new RegExp(`^${pattern}$`);
const LABEL_REGEXP = whole(LABEL);
const SUBDOMAIN_REGEXP = whole(SUBDOMAIN);
const LABEL_1035_REGEXP = whole(LABEL_1035);
const QUALIFIED_REGEXP = whole(QUALIFIED);
const LABEL_VALUE_REGEXP = whole(LABEL_VALUE);

function maxLength(max: number): string {
  return `must be no more than ${max} characters`;
}

function patternText(problem: string, pattern: string, ...examples: string[]): string {
  const shown = examples.map((example) => `'${example}'`).join(',  or ');
  return `${problem} (e.g. ${shown}, regex used for validation is '${pattern}')`;
}

const SUBDOMAIN_TEXT = patternText(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  SUBDOMAIN,
  'example.com',
);
const QUALIFIED_TEXT = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`;

/** Texts of what is wrong; empty when right. */
export function isDns1123Label(value: string): string[] {
  const wrong: string[] = [];
  if (value.length > LABEL_LENGTH_MAX) wrong.push(maxLength(LABEL_LENGTH_MAX));
  if (!LABEL_REGEXP.test(value)) {
    if (SUBDOMAIN_REGEXP.test(value)) wrong.push('must not contain dots');
    else {
      wrong.push(
        patternText(
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
          LABEL,
          'my-name',
          '123-abc',
        ),
      );
    }
  }
  return wrong;
}

export function isDns1123Subdomain(value: string): string[] {
  const wrong: string[] = [];
  if (value.length > SUBDOMAIN_LENGTH_MAX) wrong.push(maxLength(SUBDOMAIN_LENGTH_MAX));
  if (!SUBDOMAIN_REGEXP.test(value)) wrong.push(SUBDOMAIN_TEXT);
  return wrong;
}

export function isDns1035Label(value: string): string[] {
  const wrong: string[] = [];
  if (value.length > LABEL_LENGTH_MAX) wrong.push(maxLength(LABEL_LENGTH_MAX));
  if (!LABEL_1035_REGEXP.test(value)) {
    wrong.push(
      patternText(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        LABEL_1035,
        'my-name',
        'abc-123',
      ),
    );
  }
  return wrong;
}

/** `prefix/name` keys of labels, annotations, resources and taints. */
export function isQualifiedName(value: string): string[] {
  const wrong: string[] = [];
  const parts = value.split('/');
  let name = parts[0] ?? '';
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    name = parts[1] ?? '';
    if (prefix === '') wrong.push('prefix part must be non-empty');
    else wrong.push(...isDns1123Subdomain(prefix).map((text) => `prefix part ${text}`));
  } else if (parts.length > 2) {
    const text = patternText(`a qualified name ${QUALIFIED_TEXT}`, QUALIFIED, 'MyName', 'my.name', '123-abc');
    return [`${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (name === '') wrong.push('name part must be non-empty');
  else if (name.length > QUALIFIED_LENGTH_MAX) wrong.push(`name part ${maxLength(QUALIFIED_LENGTH_MAX)}`);
  if (!QUALIFIED_REGEXP.test(name)) {
    wrong.push(patternText(`name part ${QUALIFIED_TEXT}`, QUALIFIED, 'MyName', 'my.name', '123-abc'));
  }
  return wrong;
}

export function isLabelValue(value: string): string[] {
  const wrong: string[] = [];
  if (value.length > QUALIFIED_LENGTH_MAX) wrong.push(maxLength(QUALIFIED_LENGTH_MAX));
  if (!LABEL_VALUE_REGEXP.test(value)) {
    const problem =
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    wrong.push(patternText(problem, LABEL_VALUE, 'MyValue', 'my_value', '12345'));
  }
  return wrong;
}

/** Names that stand in a URL path: RBAC, and as the least that every name must be. */
export function isPathSegmentName(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
}

/** Keys of ConfigMaps and Secrets: a file name. */
export function isConfigMapKey(value: string): string[] {
  const wrong: string[] = [];
  if (value.length > SUBDOMAIN_LENGTH_MAX) wrong.push(maxLength(SUBDOMAIN_LENGTH_MAX));
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    const problem = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    wrong.push(patternText(problem, '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.' || value === '..') wrong.push(`must not be '${value}'`);
  else if (value.startsWith('..')) wrong.push("must not start with '..'");
  return wrong;
}

/** Relaxed since Kubernetes 1.34: printable ASCII except `=`. */
export function isEnvVarName(value: string): string[] {
  if (value.length === 0) return ['environment variable name must not be empty'];
  if (!/^[ -<>-~]+$/.test(value)) {
    return [
      patternText(
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
        '[ -<>-~]+',
      ),
    ].map((text) => text.replace('(e.g. , regex', '(regex'));
  }
  return [];
}

/** `http`, `dns-tcp`: names of container ports. */
export function isPortName(value: string): string[] {
  const wrong: string[] = [];
  if (value.length > PORT_NAME_LENGTH_MAX) wrong.push(maxLength(PORT_NAME_LENGTH_MAX));
  if (!/^[-a-z0-9]+$/.test(value)) wrong.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) wrong.push('must contain at least one letter (a-z)');
  if (value.includes('--')) wrong.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) wrong.push('must not begin or end with a hyphen');
  return wrong;
}

/** Empty when 1-65535. */
export function isPortNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
}

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

export function isIpv4(value: string): boolean {
  return IPV4.test(value);
}

export function isIpv6(value: string): boolean {
  let text = value;
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    if (!isIpv4(text.slice(lastColon + 1))) return false;
    text = `${text.slice(0, lastColon + 1)}0:0`;
  }
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

export function isIp(value: string): string[] {
  return isIpv4(value) || isIpv6(value) ? [] : ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
}

export const GENERATED_SUFFIX_LENGTH = 5;
/** Characters of a generated name before its suffix, so that the whole fits a DNS label. */
export const GENERATED_BASE_LENGTH_MAX = LABEL_LENGTH_MAX - GENERATED_SUFFIX_LENGTH;
/** No vowels and no lookalikes, as Kubernetes does it: no words, nothing to misread. */
const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** `generateName` plus five characters made from at least five random bytes. */
export function generatedName(generateName: string, random: Uint8Array): string {
  const suffix = Array.from(
    random.subarray(0, GENERATED_SUFFIX_LENGTH),
    (byte) => SUFFIX_ALPHABET[byte % SUFFIX_ALPHABET.length],
  );
  return generateName.slice(0, GENERATED_BASE_LENGTH_MAX) + suffix.join('');
}
