/** All functions there are. */
import { defineLibrary, type Library } from '../library.ts';
import { authorizers } from './authorizer.ts';
import { kubernetes } from './kubernetes.ts';
import { lists } from './lists.ts';
import { networks } from './networks.ts';
import { optionals } from './optionals.ts';
import { standard } from './standard.ts';
import { strings } from './strings.ts';
import { times } from './times.ts';

export const LIBRARY: Library = defineLibrary(
  standard,
  times,
  strings,
  optionals,
  lists,
  kubernetes,
  networks,
  authorizers,
);
