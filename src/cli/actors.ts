/** `kontiki actors`: the live actors of every node, with their state and last transitions. */
import { askNode, readCredentials } from './admin.ts';
import { layoutOf, readShape } from './layout.ts';
import { readFlags, textFlag } from './usage.ts';

interface ActorRow {
  node: string;
  kind: string;
  namespace: string;
  name: string;
  state: string;
  waitsFor: string;
  transitions: { at: string; event: string; from: string; to: string }[];
}

export async function actorsCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, { data: { type: 'string' }, json: { type: 'boolean' } });
  const layout = layoutOf(textFlag(flags, 'data', '.kontiki'));
  const shape = readShape(layout);
  const credentials = readCredentials(layout);
  const answers = await Promise.all(
    shape.nodes.map((node) => askNode(credentials, node, { method: 'GET', path: '/cluster/v1/actors' })),
  );
  const rows = answers.flatMap((answer) => (answer as { actors: ActorRow[] } | undefined)?.actors ?? []);
  if (flags.values['json']) {
    console.log(JSON.stringify({ actors: rows }, null, 2));
    return answers.every((answer) => answer === undefined) ? 1 : 0;
  }
  for (const row of rows) {
    console.log(
      `${row.node}  ${row.kind} ${row.namespace ? `${row.namespace}/` : ''}${row.name}  ${row.state}${row.waitsFor ? `  waits for ${row.waitsFor}` : ''}`,
    );
    for (const step of row.transitions.slice(-3))
      console.log(`      ${step.at}  ${step.event}: ${step.from} → ${step.to}`);
  }
  if (rows.length === 0) console.log('no live actors: every object has settled');
  return answers.every((answer) => answer === undefined) ? 1 : 0;
}
