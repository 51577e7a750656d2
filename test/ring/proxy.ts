/**
 * A TCP proxy in front of one node's peer port, with faults by source: every connection knows
 * which node's process dialled it (from /proc), so that pairs can be cut, in one direction too.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What happens to bytes between two nodes. `hole` swallows silently, as a cut cable does; `cut` resets and refuses. */
export interface Way {
  state: 'open' | 'hole' | 'cut';
  delayMs: number;
  /** Flip a bit in the next bytes, once. */
  corrupt: boolean;
}

export const OPEN: Way = { state: 'open', delayMs: 0, corrupt: false };

/** Every way between nodes, by `from>to`. */
export class Ways {
  readonly #ways = new Map<string, Way>();
  readonly #links = new Set<{ nodes: [string, string]; end: () => void }>();

  way(from: string, to: string): Way {
    return this.#ways.get(`${from}>${to}`) ?? OPEN;
  }

  set(from: string, to: string, way: Partial<Way>): void {
    this.#ways.set(`${from}>${to}`, { ...this.way(from, to), ...way });
    if (way.state !== 'cut') return;
    for (const link of [...this.#links]) if (link.nodes.includes(from) && link.nodes.includes(to)) link.end();
  }

  healAll(): void {
    this.#ways.clear();
    // What was swallowed is missing in the stream: such a connection cannot go on, as after a long cut.
    for (const link of [...this.#links]) link.end();
  }

  takeCorrupt(from: string, to: string): boolean {
    if (!this.way(from, to).corrupt) return false;
    this.set(from, to, { corrupt: false });
    return true;
  }

  enter(link: { nodes: [string, string]; end: () => void }): () => void {
    this.#links.add(link);
    return () => this.#links.delete(link);
  }
}

/** The pid that holds the socket whose local port is `port`, among `pids`. */
function ownerOf(port: number, pids: readonly number[]): number | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((text) => new RegExp(`^\\s*\\d+: [0-9A-F]{8}:${hex} `).test(text));
  const inode = line?.trim().split(/\s+/)[9];
  if (inode === undefined) return undefined;
  return pids.find((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
    } catch {
      return false; // It has just ended.
    }
  });
}

export interface ProxyOptions {
  node: string;
  listen: number;
  target: number;
  ways: Ways;
  /** Live processes by node. */
  pids: () => Map<string, number>;
}

export function startProxy(options: ProxyOptions): Promise<Server> {
  const { node, listen, target, ways, pids } = options;
  const server = createServer({ pauseOnConnect: true }, (inner) => {
    inner.on('error', () => inner.destroy());
    const known = pids();
    const pid = ownerOf(inner.remotePort ?? 0, [...known.values()]);
    const from = [...known].find(([, one]) => one === pid)?.[0] ?? 'unknown';
    const state = ways.way(from, node).state;
    if (state === 'cut') {
      inner.resetAndDestroy();
      return;
    }
    const outer = connect({ host: '127.0.0.1', port: target });
    const end = (): void => {
      inner.destroy();
      outer.destroy();
    };
    const leave = ways.enter({ nodes: [from, node], end });
    for (const socket of [inner, outer]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', () => {
        end();
        leave();
      });
    }
    void carry(
      inner,
      outer,
      () => ways.way(from, node),
      () => ways.takeCorrupt(from, node),
    );
    void carry(
      outer,
      inner,
      () => ways.way(node, from),
      () => ways.takeCorrupt(node, from),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen, '127.0.0.1', () => resolve(server));
  });
}

async function carry(from: Socket, to: Socket, way: () => Way, corrupt: () => boolean): Promise<void> {
  try {
    for await (const chunk of from) {
      const bytes = chunk as Buffer;
      const { state, delayMs } = way();
      if (delayMs > 0) await sleep(delayMs * (0.5 + Math.random()));
      // Swallowed: everything behind it in this stream is of no use, so nothing more is carried at all.
      if (state === 'hole' || way().state === 'hole') {
        for await (const lost of from) void lost;
        return;
      }
      if (corrupt()) bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
      if (!to.write(bytes)) await new Promise((resolve) => to.once('drain', resolve).once('close', resolve));
    }
    to.end();
  } catch {
    to.destroy(); // The other end was cut off.
  }
}
