/** `kontiki sim`: a whole cluster in virtual time, from a seed. */
import { choiceFlag, integerFlag, readFlags } from './usage.ts';

/** Exit code 1 when a run violates what a correct cluster promises. */
export function simCommand(args: string[]): Promise<number> {
  const flags = readFlags(args, {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    profile: { type: 'string' },
    nodes: { type: 'string' },
    writes: { type: 'string' },
    mutation: { type: 'string' },
    json: { type: 'boolean' },
  });
  integerFlag(flags, 'seed', 1, { min: 0, max: Number.MAX_SAFE_INTEGER });
  choiceFlag(flags, 'profile', 'flaky', ['calm', 'flaky', 'hostile']);
  console.error('the simulator is not built in yet');
  return Promise.resolve(1);
}
