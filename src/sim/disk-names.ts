/**
 * The directory tree of a simulated disk. A journal, as in ext4 or XFS: changes of names become
 * durable in order; after a power cut some front part of those not yet synced is there.
 * Imports: ./inode.ts, ./prng.ts.
 */
import type { Inode } from './inode.ts';
import type { Prng } from './prng.ts';

type NameChange =
  | { kind: 'link'; path: string; inode: Inode }
  | { kind: 'unlink'; path: string }
  | { kind: 'rename'; from: string; to: string; inode: Inode }
  | { kind: 'directory'; path: string };

interface Tree {
  files: Map<string, Inode>;
  directories: Set<string>;
}

export class DiskNames {
  readonly #current: Tree;
  readonly #durable: Tree;
  #journal: NameChange[] = [];

  constructor(durable: Tree = { files: new Map(), directories: new Set(['']) }) {
    this.#durable = durable;
    this.#current = { files: new Map(durable.files), directories: new Set(durable.directories) };
  }

  file(path: string): Inode | undefined {
    return this.#current.files.get(path);
  }

  inodes(): Iterable<Inode> {
    return this.#current.files.values();
  }

  hasDirectory(path: string): boolean {
    return this.#current.directories.has(path);
  }

  change(change: NameChange): void {
    applyTo(this.#current, change);
    this.#journal.push(change);
  }

  list(directory: string): string[] {
    const names = [...this.#current.files.keys(), ...this.#current.directories]
      .filter((path) => path !== '' && parentOf(path) === directory)
      .map((path) => path.slice(path.lastIndexOf('/') + 1));
    return names.toSorted();
  }

  syncable(directory: string): Set<NameChange> {
    return new Set(this.#journal.filter((change) => parentsOf(change).includes(directory)));
  }

  finishSync(covered: Set<NameChange>): void {
    for (const change of this.#journal) if (covered.has(change)) applyTo(this.#durable, change);
    this.#journal = this.#journal.filter((change) => !covered.has(change));
  }

  afterPowerCut(prng: Prng): DiskNames {
    const files = new Map(this.#durable.files);
    const tree: Tree = { files, directories: new Set(this.#durable.directories) };
    const kept = prng.below(this.#journal.length + 1);
    for (const change of this.#journal.slice(0, kept)) applyTo(tree, change);
    // A file in a directory that itself did not arrive cannot be reached.
    const reached = [...tree.files].filter(([path]) => ancestorsOf(path).every((one) => tree.directories.has(one)));
    const survivors = new Map<Inode, Inode>();
    const after = (inode: Inode): Inode => {
      const known = survivors.get(inode) ?? inode.afterPowerCut(prng);
      survivors.set(inode, known);
      return known;
    };
    return new DiskNames({
      files: new Map(reached.map(([path, inode]) => [path, after(inode)])),
      directories: new Set(
        [...tree.directories].filter((path) => ancestorsOf(path).every((one) => tree.directories.has(one))),
      ),
    });
  }
}

export function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}

function ancestorsOf(path: string): string[] {
  return path === '' ? [] : [parentOf(path), ...ancestorsOf(parentOf(path))];
}

function parentsOf(change: NameChange): string[] {
  return change.kind === 'rename' ? [parentOf(change.from), parentOf(change.to)] : [parentOf(change.path)];
}

function applyTo(tree: Tree, change: NameChange): void {
  if (change.kind === 'directory') tree.directories.add(change.path);
  if (change.kind === 'unlink') tree.files.delete(change.path);
  if (change.kind === 'link') tree.files.set(change.path, change.inode);
  if (change.kind === 'rename') {
    // The old name may by now belong to another file whose creation was synced before this.
    if (tree.files.get(change.from) === change.inode) tree.files.delete(change.from);
    tree.files.set(change.to, change.inode);
  }
}
