/**
 * Bodies are read before a seat is taken, so that a client who sends slowly keeps nobody else from being served.
 * What he may keep in the meantime is bounded, in requests and in bytes, for each user and for all.
 */
import { ApiError } from '#src/api/api-error.ts';
import type { HttpRequest } from '#src/ports/http.ts';
import { BODY_BYTES_MAX, BODY_TIMEOUT_MS } from './body.ts';
import { RETRY_AFTER_SECONDS } from './status.ts';

/** Bodies under way from one user, and the bytes they may come to. */
export const READING_PER_USER_MAX = 200;
export const READING_BYTES_PER_USER_MAX = 64 * 1024 * 1024;
/** The same over all users. */
export const READING_MAX = 4_000;
export const READING_BYTES_MAX = 256 * 1024 * 1024;

interface Held {
  requests: number;
  bytes: number;
}

const METHODS = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

export class Intake {
  readonly #users = new Map<string, Held>();
  readonly #all: Held = { requests: 0, bytes: 0 };

  /** The request with its body at hand, or with the fault of reading it. @throws ApiError 429. */
  async take(user: string, request: HttpRequest): Promise<HttpRequest> {
    if (!METHODS.has(request.method)) return request;
    // A body that is too long is not read at all: whoever asks for it is told so.
    const bytes = Math.min(expectedBytes(request), BODY_BYTES_MAX);
    const held = this.#hold(user, bytes);
    let body: () => Promise<Uint8Array>;
    try {
      const read = await request.body({ bytesMax: BODY_BYTES_MAX, timeoutMs: BODY_TIMEOUT_MS });
      body = () => Promise.resolve(read);
    } catch (error) {
      body = () => Promise.reject(error as Error);
    } finally {
      this.#release(user, held, bytes);
    }
    return { ...request, body };
  }

  #hold(user: string, bytes: number): Held {
    const held = this.#users.get(user) ?? { requests: 0, bytes: 0 };
    const isFull =
      held.requests >= READING_PER_USER_MAX ||
      held.bytes + bytes > READING_BYTES_PER_USER_MAX ||
      this.#all.requests >= READING_MAX ||
      this.#all.bytes + bytes > READING_BYTES_MAX;
    if (isFull) {
      throw new ApiError(
        429,
        'TooManyRequests',
        'too many requests whose bodies have not arrived, please try again later',
        {
          details: { retryAfterSeconds: RETRY_AFTER_SECONDS },
        },
      );
    }
    this.#users.set(user, held);
    for (const one of [held, this.#all]) {
      one.requests += 1;
      one.bytes += bytes;
    }
    return held;
  }

  #release(user: string, held: Held, bytes: number): void {
    for (const one of [held, this.#all]) {
      one.requests -= 1;
      one.bytes -= bytes;
    }
    if (held.requests === 0) this.#users.delete(user);
  }
}

/** As announced; in chunks it may become anything. */
function expectedBytes({ headers, httpVersion }: HttpRequest): number {
  const announced = headers['content-length'];
  if (announced !== undefined) return Number(announced) || 0;
  const mayHaveBody = httpVersion === '2' || headers['transfer-encoding'] !== undefined;
  return mayHaveBody && headers['content-type'] !== undefined ? BODY_BYTES_MAX : 0;
}
