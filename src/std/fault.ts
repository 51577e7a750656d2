/**
 * The one base class of everything that can go wrong through no mistake of ours.
 * `code` is stable and documented; tests match it, never the message.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: string;
  /** What the caller can do: give up, try again later, or ask another node. */
  readonly retry: 'never' | 'later' | 'elsewhere';

  constructor(code: string, message: string, retry: Fault['retry'], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retry = retry;
  }
}

/** Whether `error` is a Fault, optionally one with this code. */
export function isFault(error: unknown, code?: string): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
