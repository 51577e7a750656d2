/**
 * Makes .cache/descriptions.json, the texts of `kubectl explain`, from the type declarations of
 * @kubernetes/client-node; run once after installing (.ci/ensure-modules). Nothing of it is committed.
 * Keys: the full type name, or type name and field joined by '.'.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TYPES } from '#src/api/facts/facts.ts';

const MODELS = fileURLToPath(new URL('../../node_modules/@kubernetes/client-node/dist/gen/models/', import.meta.url));
const TARGET = fileURLToPath(new URL('../../.cache/descriptions.json', import.meta.url));

/** io.k8s.api.core.v1.Event → CoreV1Event (where names collide), V1Event. */
function candidates(typeName: string): string[] {
  const [kind = '', version = '', group = ''] = typeName.split('.').toReversed();
  const capital = (text: string): string => `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
  return [`${capital(group)}${capital(version)}${kind}`, `${capital(version)}${kind}`];
}

function clean(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .join(' ')
    .replaceAll(String.raw`\'`, "'")
    .replaceAll(String.raw`\"`, '"')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function textsOf(source: string, typeName: string, texts: Record<string, string>): void {
  const ofClass = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export declare class/.exec(source)?.[1];
  if (ofClass) texts[typeName] = clean(ofClass);
  for (const match of source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*'([^']+)'\??:/g)) {
    texts[`${typeName}.${match[2]}`] = clean(match[1] ?? '');
  }
}

const texts: Record<string, string> = {};
for (const typeName of TYPES.keys()) {
  const file = candidates(typeName)
    .map((name) => `${MODELS}${name}.d.ts`)
    .find((path) => existsSync(path));
  if (file) textsOf(readFileSync(file, 'utf8'), typeName, texts);
}
mkdirSync(dirname(TARGET), { recursive: true });
writeFileSync(TARGET, JSON.stringify(texts));
console.log(`kontiki: ${Object.keys(texts).length} texts for kubectl explain`);
