// Reads AVA's own closing counts from its output and prints the one line CI ends with.
import { readFileSync } from 'node:fs';

const escape = String.fromCharCode(27);
const text = readFileSync(process.argv[2], 'utf8').replaceAll(new RegExp(`${escape}\\[[0-9;]*m`, 'g'), '');
const last = (pattern) => Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
// With failures AVA leaves this count out: then the ticked lines are it.
const passed = last(/^\s*(\d+) tests? passed/gm) || [...text.matchAll(/^\s+✔ /gm)].length;
const failed =
  last(/^\s*(\d+) tests? failed/gm) +
  last(/^\s*(\d+) uncaught exceptions?/gm) +
  last(/^\s*(\d+) unhandled rejections?/gm) +
  last(/^\s*(\d+) hooks? failed/gm);
const skipped = last(/^\s*(\d+) tests? skipped/gm);
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
if (passed === 0) process.exitCode = 1;
