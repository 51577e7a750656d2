/**
 * Where a local cluster lies on disk:
 *
 *   <data>/cluster.json    the shape: names, ports, runtime (written once by up)
 *   <data>/kubeconfig      admin credentials; the shared port is the default context
 *   <data>/<node>.yaml     the settings of one node
 *   <data>/<node>/         its data directory (identity, pki, wal, snapshots, runtime)
 *   <data>/<node>.log      what it printed
 *   <data>/<node>.pid      pid and start time of its process
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Fault } from '#src/std/fault.ts';

export interface ShapeNode {
  name: string;
  apiPort: number;
  peerPort: number;
}

export interface Shape {
  version: 1;
  sharedPort: number;
  runtime: 'auto' | 'docker' | 'process';
  nodes: ShapeNode[];
}

export interface Layout {
  directory: string;
  shapeFile: string;
  kubeconfig: string;
  settings: (node: string) => string;
  data: (node: string) => string;
  log: (node: string) => string;
  pid: (node: string) => string;
}

export function layoutOf(directory: string): Layout {
  const root = resolve(directory);
  return {
    directory: root,
    shapeFile: join(root, 'cluster.json'),
    kubeconfig: join(root, 'kubeconfig'),
    settings: (node) => join(root, `${node}.yaml`),
    data: (node) => join(root, node),
    log: (node) => join(root, `${node}.log`),
    pid: (node) => join(root, `${node}.pid`),
  };
}

/** Faults: CLI_NO_CLUSTER when nothing was started there. */
export function readShape(layout: Layout): Shape {
  if (!existsSync(layout.shapeFile)) {
    throw new Fault(
      'CLI_NO_CLUSTER',
      `there is no cluster in ${layout.directory}; start one with npm start, or name its directory with --data`,
      'never',
    );
  }
  return JSON.parse(readFileSync(layout.shapeFile, 'utf8')) as Shape;
}

/** Faults: CLI_NO_NODE lists the names there are. */
export function nodeOf(shape: Shape, name: string): ShapeNode {
  const node = shape.nodes.find((candidate) => candidate.name === name);
  if (!node) {
    throw new Fault(
      'CLI_NO_NODE',
      `there is no node '${name}' in this cluster; its nodes are ${shape.nodes.map((n) => n.name).join(', ')}`,
      'never',
    );
  }
  return node;
}
