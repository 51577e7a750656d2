/**
 * Every kubectl found on this machine against a cluster of three, command by command: columns, messages,
 * exit codes. The transcripts are written from Kubernetes' documented behaviour, not recorded from Kontiki.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { canMakeNetns, createLab, isRoot, kubectlPath, type Lab } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';
import { judge, parseTranscript, type Step } from './cli-transcript.ts';

const DIRECTORY = fileURLToPath(new URL('transcripts/', import.meta.url));
/** 1.27 and 1.28 live on OpenAPI v2. */
const OLDEST = 27;
/** For releases before OLDEST; all the other transcripts are for newer ones. */
const OLD = 'old.txt';

/** The one on PATH alone, or its versioned siblings when there are any. */
function kubectls(): { path: string; minor: number }[] {
  if (kubectlPath === undefined) return [];
  const directory = dirname(realpathSync(kubectlPath));
  const siblings = readdirSync(directory)
    .map((name) => ({ path: join(directory, name), minor: Number(/^kubectl\.1\.(\d+)$/.exec(name)?.[1] ?? 0) }))
    .filter(({ minor }) => minor >= OLDEST)
    .toSorted((a, b) => a.minor - b.minor);
  return siblings.length > 0 ? siblings : [{ path: kubectlPath, minor: releaseOf(kubectlPath) }];
}

function releaseOf(path: string): number {
  const told = execFileSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  const { clientVersion } = JSON.parse(told) as { clientVersion: { minor: string } };
  return Number.parseInt(clientVersion.minor, 10);
}

needs('root, network namespaces and kubectl', isRoot && canMakeNetns() && kubectlPath !== undefined, { serial: true })(
  'each verb of each kubectl does what it does with Kubernetes',
  async (t) => {
    t.timeout(1_200_000);
    const lab = await createLab({ runtime: 'process' });
    try {
      const up = await lab.up();
      t.is(up.code, 0, up.stdout + up.stderr);
      for (const { path, minor } of kubectls()) {
        const begun = Date.now();
        const counts = await Promise.all(
          readdirSync(DIRECTORY)
            .filter((file) => (file === OLD) === minor < OLDEST)
            .toSorted()
            .map((file) => play(t, lab, { file, path, minor })),
        );
        t.log(
          `1.${minor}: ${counts.reduce((a, b) => a + b, 0)} commands in ${Math.round((Date.now() - begun) / 1000)} s`,
        );
      }
    } finally {
      await lab.close();
    }
  },
);

/** In a namespace of its own; the number of commands that ran. */
async function play(
  t: ExecutionContext,
  lab: Lab,
  { file, path, minor }: { file: string; path: string; minor: number },
): Promise<number> {
  const namespace = `${file.replace('.txt', '')}-${minor}`;
  await lab.kubectl('create', 'namespace', namespace);
  const context = { lab, path, namespace };
  let ran = 0;
  for (const step of parseTranscript(readFileSync(join(DIRECTORY, file), 'utf8'), minor)) {
    ran += 1;
    const wrong = await outcome(context, step);
    if (wrong === undefined) continue;
    t.fail(`kubectl 1.${minor}, ${file} ${wrong}`);
    break; // What comes after it rests on it.
  }
  await lab.kubectl('delete', 'namespace', namespace, '--wait=false');
  return ran;
}

interface Place {
  lab: Lab;
  path: string;
  namespace: string;
}

async function outcome({ lab, path, namespace }: Place, step: Step): Promise<string | undefined> {
  const args = step.args.map((arg) => arg.replaceAll('NAMESPACE', namespace));
  const until = Date.now() + step.withinMs;
  for (;;) {
    const seen = await lab.execWith(step.stdin ?? '', path, '-n', namespace, ...args);
    const wrong = judge(
      {
        ...step,
        stdout: step.stdout.map((line) => line.replaceAll('NAMESPACE', namespace)),
        stderr: step.stderr.map((line) => line.replaceAll('NAMESPACE', namespace)),
      },
      seen,
    );
    if (wrong === undefined || Date.now() >= until) return wrong;
    await sleep(200);
  }
}
