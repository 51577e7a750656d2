/** Reading flags: each wrong one is named, with its value and what would be right. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { messageOf } from '#src/std/fault.ts';

/** The command line is wrong; the usage line is printed with it. */
export class UsageError extends Error {}

export interface Flags {
  values: Record<string, string | boolean | undefined>;
  positionals: string[];
}

/** Faults: UsageError names the unknown or malformed flag. */
export function readFlags(args: string[], options: ParseArgsOptionsConfig, positionals = 0): Flags {
  try {
    const parsed = parseArgs({ args, options, allowPositionals: positionals > 0, strict: true });
    if (parsed.positionals.length !== positionals) {
      throw new UsageError(`expected ${positionals} name(s), got ${parsed.positionals.length}`);
    }
    return { values: parsed.values as Flags['values'], positionals: parsed.positionals };
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(messageOf(error));
  }
}

/** A whole number within bounds, or the default. */
export function integerFlag(
  flags: Flags,
  name: string,
  fallback: number,
  bounds: { min: number; max: number },
): number {
  const given = flags.values[name];
  if (given === undefined) return fallback;
  const value = Number(given);
  if (!Number.isInteger(value) || value < bounds.min || value > bounds.max) {
    throw new UsageError(
      `--${name} is '${String(given)}'; it must be a whole number from ${bounds.min} to ${bounds.max}`,
    );
  }
  return value;
}

export function choiceFlag<T extends string>(flags: Flags, name: string, fallback: T, choices: readonly T[]): T {
  const given = flags.values[name];
  if (given === undefined) return fallback;
  if (!choices.includes(given as T))
    throw new UsageError(`--${name} is '${String(given)}'; it must be one of ${choices.join(', ')}`);
  return given as T;
}

export function textFlag(flags: Flags, name: string, fallback: string): string {
  const given = flags.values[name];
  return typeof given === 'string' ? given : fallback;
}
