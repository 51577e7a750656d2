/** The words of transcripts about pure functions: configurations and their changes, and quorums. */
import { hasQuorum, isJoint, isLost, leaveJoint, nextConfiguration, quorumIndex } from '#src/raft/configuration.ts';
import type { Configuration, ConfigurationChange } from '#src/raft/types.ts';
import { messageOf } from '#src/std/fault.ts';
import { configurationOf } from '../core.ts';
import { formatConfiguration } from './format.ts';
import type { Interpreter } from './transcript.ts';

/** `voters n1 n2 [and n1 n3] [learners n4]`, then changes to it. */
export class ConfigurationScript implements Interpreter {
  #current: Configuration = configurationOf([]);

  run(line: string): string[] {
    const [command = '', ...args] = line.split(/\s+/);
    if (command === 'voters') this.#current = parseConfiguration(args);
    else if (command === 'addresses') return [JSON.stringify(this.#current.addresses)];
    else {
      try {
        this.#current =
          command === 'leave' ? leaveJoint(this.#current) : nextConfiguration(this.#current, change(command, args));
      } catch (error) {
        return [`refused: ${messageOf(error)}`];
      }
    }
    return [`${formatConfiguration(this.#current)}${isJoint(this.#current) ? ' (joint)' : ''}`];
  }
}

function change(type: string, args: string[]): ConfigurationChange {
  if (type === 'setVoters') return { type, voters: args };
  const [id = '', address = id] = args;
  return { type, id, address } as ConfigurationChange;
}

/**
 * commit n1 n2 n3 [and n1 n4] have n1=5 n2=3: the index that is committed (who is not named has nothing)
 * vote n1 n2 n3 [and n1 n4] yes n1 n2 no n3: won, lost or open
 */
export class QuorumScript implements Interpreter {
  run(line: string): string[] {
    const [command, ...words] = line.split(/\s+/);
    if (command === 'commit') {
      const { have = [], '': members = [] } = sections(words, ['have']);
      const match = new Map(have.map((one) => [one.split('=')[0] ?? '', Number(one.split('=')[1])]));
      return [`${quorumIndex(parseConfiguration(members), (id) => match.get(id) ?? 0)}`];
    }
    if (command !== 'vote') throw new Error(`there is no command '${command}'; there are commit and vote`);
    const { yes = [], no = [], '': members = [] } = sections(words, ['yes', 'no']);
    const configuration = parseConfiguration(members);
    if (hasQuorum(configuration, (id) => yes.includes(id))) return ['won'];
    return [isLost(configuration, (id) => no.includes(id)) ? 'lost' : 'open'];
  }
}

function parseConfiguration(words: string[]): Configuration {
  const { and = [], learners = [], '': voters = [] } = sections(words, ['and', 'learners']);
  return configurationOf(
    voters.filter((id) => id !== 'none'),
    learners,
    and,
  );
}

/** The words after each of these, and those before the first under ''. */
function sections(words: string[], names: string[]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  let name = '';
  for (const word of words) {
    if (names.includes(word)) name = word;
    else (found[name] ??= []).push(word);
  }
  return found;
}
