/** Writes docs/conformance.md from test/compat/conformance/table.ts: `node test/scripts/conformance.ts && oxfmt docs/conformance.md`. */
import { writeFileSync } from 'node:fs';
import { render } from '#test/compat/conformance/table.ts';

writeFileSync(new URL('../../docs/conformance.md', import.meta.url), render());
