/** Images: pulled by policy; kontiki/pause and kontiki/demo are made here when the engine has none. */
import { Readable } from 'node:stream';
import type { Log } from '#src/ports/log.ts';
import type { Runtime } from '#src/ports/runtime.ts';
import { Fault } from '#src/std/fault.ts';
import { demoChanges, demoEntries, demoVersion } from './demo-image.ts';
import { call, callOr, engineFault, opened, saidBy, statusOf, withDeadline, type Engine } from './engine.ts';
import { pauseImage } from './pause.ts';
import { onceOnEngine } from './once.ts';
import { jsonLines } from './streams.ts';
import { tarStream } from './tar.ts';

export const DEMO_IMAGE = 'kontiki/demo';
const BUILD_LOCK = 'kontiki-demo-build';
/** It takes about a second. */
const IMPORT_MS = 60_000;
/** Demo images of other versions, older than this and without a container, are removed. */
const OLD_MS = 24 * 60 * 60_000;
/** A registry that says nothing for this long has failed. */
const PULL_IDLE_MS = 120_000;

export interface Images {
  /** The reference of the sandbox image, present. */
  pause(): Promise<{ image: string; command?: string[] }>;
  ensure: Runtime['ensureImage'];
  list: Runtime['listImages'];
}

export function isDemo(image: string): boolean {
  return /^(docker\.io\/)?kontiki\/demo(:[\w.-]+)?$/.test(image);
}

/** What the engine is asked for. Programs of different versions, side by side, keep their own demo image. */
export function referenceOf(image: string): string {
  return isDemo(image) ? `${DEMO_IMAGE}:${demoVersion()}` : image;
}

interface Found {
  imageId: string;
  bytes: number;
}

export function createImages(engine: Engine, log: Log): Images {
  const { calls, streams } = engine;
  const pulling = new Map<string, Promise<void>>();
  let sandboxImage: Promise<{ image: string; command?: string[] }> | undefined;

  async function look(image: string): Promise<Found | undefined> {
    const reference = referenceOf(image);
    const found = await callOr(engine, `image ${reference}`, calls.getImage(reference).inspect(), undefined);
    return found && { imageId: found.Id, bytes: found.Size };
  }

  /** Read a progress stream to its end. The engine tells failures in it, after HTTP 200. */
  async function finish(stream: NodeJS.ReadableStream, image: string): Promise<void> {
    const lines = jsonLines(stream as unknown as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    const late = (): Error =>
      new Fault('RUNTIME_IMAGE_PULL', `image ${image}: nothing was heard for ${PULL_IDLE_MS} ms`, 'later');
    for (;;) {
      const next = await withDeadline(lines.next(), PULL_IDLE_MS, late);
      if (next.done) return;
      const { error } = next.value as { error?: unknown };
      if (typeof error === 'string') throw new Fault('RUNTIME_IMAGE_PULL', error, 'later');
    }
  }

  async function loadedPause(): Promise<string> {
    const { reference, archive } = pauseImage();
    if (await look(reference)) return reference;
    log.debug('loading the sandbox image', { image: reference });
    const loading = streams.loadImage(Readable.from([archive]));
    await finish(await opened(engine, 'load', loading), reference);
    return reference;
  }

  async function loadPause(): Promise<{ image: string; command?: string[] }> {
    const { Arch } = await call(engine, 'version', calls.version());
    if (Arch !== 'amd64') {
      // There is no pause program for other processors yet; a sleeping node does the same with more memory.
      await ensureDemo();
      const sleep = 'process.on("SIGTERM",()=>process.exit(0));setInterval(()=>{},1e9)';
      return { image: referenceOf(DEMO_IMAGE), command: ['node', '-e', sleep] };
    }
    return { image: await loadedPause() };
  }

  /** Those of former versions that no container uses; young ones may be about to be used. */
  async function removeOldDemos(): Promise<void> {
    const images = await call(engine, 'images', calls.listImages({ filters: { label: ['kontiki.demo'] } }));
    for (const { Id, Created, Labels } of images) {
      if (Labels?.['kontiki.demo'] === demoVersion() || Created * 1000 > Date.now() - OLD_MS) continue;
      await calls
        .getImage(Id)
        .remove()
        .catch((error: unknown) => log.debug('an old demo image stays', { image: Id, because: saidBy(error) }));
    }
  }

  const ensureDemo = (): Promise<Found> =>
    onceOnEngine(engine, log, {
      name: BUILD_LOCK,
      image: loadedPause,
      done: () => look(DEMO_IMAGE),
      async work() {
        const begun = Date.now();
        const content = Readable.from(tarStream(demoEntries()), { objectMode: false });
        const importing = streams.importImage(content, {
          repo: DEMO_IMAGE,
          tag: demoVersion(),
          changes: demoChanges(),
        });
        await finish(await opened(engine, 'import', importing, IMPORT_MS), DEMO_IMAGE);
        log.info('made the image kontiki/demo', { milliseconds: Date.now() - begun });
        await removeOldDemos();
      },
    });

  async function pull(image: string): Promise<void> {
    try {
      // Without a tag the engine would pull them all.
      const named = /[@:][^/]*$/.test(image) ? image : `${image}:latest`;
      const late = (): Error =>
        new Fault('RUNTIME_IMAGE_PULL', `the registry of ${image} does not answer within ${PULL_IDLE_MS} ms`, 'later');
      await finish(await withDeadline(streams.pull(named), PULL_IDLE_MS, late), image);
    } catch (error) {
      if (error instanceof Fault) throw error;
      if (statusOf(error) === undefined) throw engineFault(engine, error, `pull ${image}`);
      throw new Fault('RUNTIME_IMAGE_PULL', saidBy(error), 'later', error);
    }
  }

  /** Pods that start at once share one pull. */
  function pullOnce(image: string): Promise<void> {
    const running = pulling.get(image);
    if (running) return running;
    const started = pull(image).finally(() => pulling.delete(image));
    pulling.set(image, started);
    return started;
  }

  return {
    pause() {
      sandboxImage ??= loadPause().catch((error: unknown) => {
        sandboxImage = undefined;
        throw error;
      });
      return sandboxImage;
    },
    async ensure(image, policy) {
      if (isDemo(image)) {
        const { imageId, bytes } = await ensureDemo();
        return { imageId, bytes, pulled: false };
      }
      const present = policy === 'Always' ? undefined : await look(image);
      if (present) return { imageId: present.imageId, bytes: present.bytes, pulled: false };
      if (policy === 'Never')
        throw new Fault(
          'RUNTIME_IMAGE_NEVER_PULL',
          `image '${image}' is not on this machine and its pull policy is Never`,
          'never',
        );
      await pullOnce(image);
      const pulled = await look(image);
      if (!pulled) throw new Fault('RUNTIME_IMAGE_PULL', `image '${image}' was pulled and is not there`, 'later');
      return { imageId: pulled.imageId, bytes: pulled.bytes, pulled: true };
    },
    async list() {
      const images = await call(engine, 'images', calls.listImages());
      return images.map((image) => ({ id: image.Id, names: image.RepoTags ?? [], bytes: image.Size }));
    },
  };
}
