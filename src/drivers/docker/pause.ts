/**
 * The image of the process that holds a Pod's namespaces: a static program of 201 bytes that
 * waits for TERM or INT and reaps children. Made here, so that no registry is needed.
 */
import { hash } from 'node:crypto';
import { tarBytes } from './tar.ts';

/** x86-64, position-dependent: rt_sigprocmask, then rt_sigtimedwait and wait4 in a loop, exit(0). */
const CODE = Buffer.from(
  'aAJAAQBIieYx/zHSaghBWmoOWA8FSI08JDH2MdJqCEFauIAAAAAPBYP4EXUZg8//SGP/MfZqAVpFMdJqPVgPBYXAf+nrz4XAeMsx/2o8WA8F',
  'base64',
);
const ADDRESS = 0x400000n;
const HEADERS = 120;

/** An ELF file with one segment, read and execute. */
function pauseProgram(): Buffer {
  const elf = Buffer.alloc(HEADERS);
  const size = BigInt(HEADERS + CODE.length);
  elf.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  elf.writeUInt16LE(2, 16); // executable
  elf.writeUInt16LE(0x3e, 18); // x86-64
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(ADDRESS + BigInt(HEADERS), 24); // entry
  elf.writeBigUInt64LE(64n, 32); // program headers begin here
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // PT_LOAD
  elf.writeUInt32LE(5, 68); // read, execute
  elf.writeBigUInt64LE(ADDRESS, 80);
  elf.writeBigUInt64LE(ADDRESS, 88);
  elf.writeBigUInt64LE(size, 96);
  elf.writeBigUInt64LE(size, 104);
  elf.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([elf, CODE]);
}

/** What `docker load` reads. The tag is the content's hash, so that one look tells whether it is there. */
export function pauseImage(): { reference: string; archive: Buffer } {
  const layer = tarBytes([{ path: 'pause', type: 'file', content: pauseProgram(), mode: 0o755 }]);
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: { Entrypoint: ['/pause'], Labels: { 'kontiki.image': 'pause' } },
      rootfs: { type: 'layers', diff_ids: [`sha256:${hash('sha256', layer)}`] },
      history: [{ created: '1970-01-01T00:00:00Z' }],
    }),
  );
  const id = hash('sha256', config);
  const reference = `kontiki/pause:${id.slice(0, 12)}`;
  const manifest = [{ Config: `${id}.json`, RepoTags: [reference], Layers: ['layer.tar'] }];
  const archive = tarBytes([
    { path: `${id}.json`, type: 'file', content: config, mode: 0o644 },
    { path: 'layer.tar', type: 'file', content: layer, mode: 0o644 },
    { path: 'manifest.json', type: 'file', content: Buffer.from(JSON.stringify(manifest)), mode: 0o644 },
  ]);
  return { reference, archive };
}
