/** The named formats of Kubernetes' `format` library; each yields what is wrong with a text. */
import { isDns1035Label, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '#src/api/names.ts';
import { readTimestamp } from '../time.ts';

type Check = (text: string) => string[];

const UUID = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const simple =
  (isRight: (text: string) => boolean, problem: string): Check =>
  (text) =>
    isRight(text) ? [] : [problem];

/** generateName prefixes may end where a suffix will follow. */
const prefix =
  (check: Check): Check =>
  (text) =>
    check(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);

function isUri(text: string): boolean {
  return /^(?:\/|[a-zA-Z][a-zA-Z0-9+.-]*:)[^\s]*$/.test(text);
}

function isDate(text: string): boolean {
  return readTimestamp(`${text}T00:00:00Z`) !== undefined;
}

export const FORMATS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['dns1123Label', isDns1123Label],
  ['dns1123LabelPrefix', prefix(isDns1123Label)],
  ['dns1123Subdomain', isDns1123Subdomain],
  ['dns1123SubdomainPrefix', prefix(isDns1123Subdomain)],
  ['dns1035Label', isDns1035Label],
  ['dns1035LabelPrefix', prefix(isDns1035Label)],
  ['qualifiedName', isQualifiedName],
  ['labelValue', isLabelValue],
  ['uri', simple(isUri, 'not a valid URI')],
  ['uuid', simple((text) => UUID.test(text), 'does not match the UUID format')],
  ['byte', simple((text) => BASE64.test(text), 'invalid base64')],
  ['date', simple(isDate, 'invalid date')],
  ['datetime', simple((text) => readTimestamp(text) !== undefined, 'invalid datetime')],
]);
