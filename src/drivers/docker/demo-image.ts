/**
 * The contents of kontiki/demo, made from this host: the running node with its libraries, a few
 * small programs, and the demo server. Only Linux has what a Linux image needs.
 */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault, messageOf } from '#src/std/fault.ts';
import { findProgram } from '../dataplane/commands.ts';
import type { TarEntry } from './tar.ts';

const SERVER = fileURLToPath(new URL('../demo/demo-server.js', import.meta.url));
const COMMAND_TIMEOUT_MS = 5000;
/** Without a static busybox: enough to look around and to ask a Service. */
const TOOLS = ['sh', 'cat', 'ls', 'sleep', 'echo', 'env', 'date', 'hostname', 'ps', 'rm', 'wget', 'curl'];

/** Changes with the server and with node: an older image is made anew. */
export function demoVersion(): string {
  return `${process.version}-${hash('sha256', readFileSync(SERVER)).slice(0, 12)}`;
}

/** Instructions for `docker import`. */
export function demoChanges(): string {
  return [
    'ENV PATH=/usr/local/bin:/usr/bin:/bin',
    'WORKDIR /',
    'ENTRYPOINT ["node","/kontiki/demo-server.js"]',
    'EXPOSE 8080',
    `LABEL kontiki.demo=${demoVersion()}`,
  ].join('\n');
}

/** Shared libraries and the loader, as ldd names them; none for a static program. */
function librariesOf(program: string): string[] {
  const ldd = findProgram('ldd');
  if (!ldd) return [];
  try {
    const text = execFileSync(ldd, [program], {
      encoding: 'utf8',
      timeout: COMMAND_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return [...text.matchAll(/(?:=> )?(\/\S+) \(0x/g)].flatMap((match) => match[1] ?? []);
  } catch {
    return []; // ldd fails for a static program.
  }
}

function shellEntries(): { entries: TarEntry[]; libraries: string[] } {
  const busybox = findProgram('busybox');
  if (busybox && librariesOf(busybox).length === 0) {
    const list = execFileSync(busybox, ['--list'], { encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS });
    const links = list
      .split('\n')
      .filter((name) => name !== '' && name !== 'busybox')
      .map((name): TarEntry => ({ path: `bin/${name}`, type: 'link', target: 'busybox' }));
    return { entries: [{ path: 'bin/busybox', type: 'copy', source: realpathSync(busybox) }, ...links], libraries: [] };
  }
  const found = TOOLS.flatMap((name) => findProgram(name) ?? []);
  return {
    entries: found.map((path) => ({ path: `bin/${path.split('/').at(-1)}`, type: 'copy', source: realpathSync(path) })),
    libraries: found.flatMap(librariesOf),
  };
}

/** Faults: RUNTIME_IMAGE_PULL where this host cannot give a Linux image. */
export function demoEntries(): TarEntry[] {
  if (process.platform !== 'linux') {
    throw new Fault(
      'RUNTIME_IMAGE_PULL',
      `kontiki/demo is made from the node program of a Linux host, and this is ${process.platform}; use an image of a registry`,
      'never',
    );
  }
  try {
    const shell = shellEntries();
    const libraries = [...new Set([...librariesOf(process.execPath), ...shell.libraries])].filter((path) =>
      existsSync(path),
    );
    const text = (path: string, content: string): TarEntry => ({
      path,
      type: 'file',
      content: Buffer.from(content),
      mode: 0o644,
    });
    const files: TarEntry[] = [
      { path: 'usr/local/bin/node', type: 'copy', source: process.execPath },
      ...libraries.map((path): TarEntry => ({ path: path.slice(1), type: 'copy', source: realpathSync(path) })),
      ...shell.entries,
      { path: 'kontiki/demo-server.js', type: 'copy', source: SERVER, mode: 0o644 },
      text('kontiki/package.json', '{"type":"module"}\n'),
      text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n'),
      text('etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
    ];
    const directories = new Set(['root', 'etc', 'usr', 'proc', 'sys', 'dev']);
    for (const { path } of files)
      for (let above = dirname(path); above !== '.'; above = dirname(above)) directories.add(above);
    return [
      ...[...directories].toSorted().map((path): TarEntry => ({ path, type: 'directory' })),
      { path: 'tmp', type: 'directory', mode: 0o1777 },
      ...files,
    ];
  } catch (error) {
    throw new Fault(
      'RUNTIME_IMAGE_PULL',
      `kontiki/demo cannot be made from this host: ${messageOf(error)}`,
      'later',
      error,
    );
  }
}
