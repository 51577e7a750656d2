/**
 * The object model of the API: which kinds there are, what their fields mean, what is filled in and what is refused.
 * Owns: the table of type facts and everything that can be read off it (decoding, protobuf, OpenAPI, patches).
 * Imports: std. Never: HTTP, the store, clocks, randomness; times and random bytes are arguments.
 * Read next: facts/facts.ts (the table), kinds.ts (what is served), decode.ts, defaults.ts, validation.ts.
 */
export { KINDS, findKind, kindOf, type Kind } from './kinds.ts';
export { ApiError, isApiError } from './api-error.ts';
