/** Volume directories of a node's Pods, for every runtime driver on this host. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Fault } from '#src/std/fault.ts';

export interface VolumeFiles {
  write(volume: { podUid: string; name: string; files: Record<string, { content: Uint8Array; mode: number }> }): {
    hostPath: string;
  };
  emptyDir(volume: { podUid: string; name: string }): { hostPath: string };
  remove(podUid: string): void;
}

export function createVolumeFiles(directory: string): VolumeFiles {
  return {
    /**
     * As Kubernetes lays it out: files in a directory of their own, `..data` a link to it, each
     * name a link through `..data`; swapping that one link changes all files at once.
     */
    write({ podUid, name, files }) {
      const root = join(directory, podUid, name);
      mkdirSync(root, { recursive: true, mode: 0o755 });
      const version = `..${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
      for (const [path, { content, mode }] of Object.entries(files)) {
        if (path.startsWith('/') || path.split('/').includes('..'))
          throw new Fault('RUNTIME_VOLUME', `file name '${path}' leaves its volume`, 'never');
        const file = join(root, version, path);
        mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
        writeFileSync(file, content);
        chmodSync(file, mode);
      }
      mkdirSync(join(root, version), { recursive: true });
      symlinkSync(version, join(root, '..data.new'));
      renameSync(join(root, '..data.new'), join(root, '..data'));
      const wanted = new Set(Object.keys(files).map((path) => path.split('/')[0] ?? path));
      for (const top of wanted) if (!existsSync(join(root, top))) symlinkSync(join('..data', top), join(root, top));
      for (const entry of readdirSync(root)) {
        const isOld = entry.startsWith('..') ? entry !== '..data' && entry !== version : !wanted.has(entry);
        if (isOld) rmSync(join(root, entry), { recursive: true, force: true });
      }
      return { hostPath: root };
    },
    emptyDir({ podUid, name }) {
      const hostPath = join(directory, podUid, name);
      mkdirSync(hostPath, { recursive: true });
      chmodSync(hostPath, 0o777);
      return { hostPath };
    },
    remove: (podUid) => rmSync(join(directory, podUid), { recursive: true, force: true }),
  };
}
