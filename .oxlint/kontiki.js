/**
 * The architecture as lint rules: who may import whom, where a package lives, and what
 * only a port may do. Each message gives the reason and the replacement.
 */

/** folder → what it may import across folders; 'pkg:' entries are npm packages. */
const MAY_IMPORT = {
  std: [],
  ports: ['std'],
  raft: ['std'],
  store: ['std'],
  api: ['std'],
  spdy: ['std'],
  cel: ['std', 'api'],
  custom: ['std', 'api', 'cel'],
  wal: ['std', 'ports', 'raft/types.ts'],
  wire: ['std', 'ports', 'raft/types.ts', 'store/command.ts', 'pkg:msgpackr'],
  replica: ['std', 'ports', 'raft', 'wal', 'wire', 'store'],
  actors: ['std', 'api', 'pkg:xstate'],
  registry: [
    'std',
    'ports',
    'api',
    'cel',
    'custom',
    'store/command.ts',
    'store/view.ts',
    'replica/proposer.ts',
    'replica/reader.ts',
  ],
  apiserver: ['std', 'ports', 'api', 'registry', 'spdy/spdy.ts', 'wire/peers.ts', 'wire/streams.ts', 'pkg:yaml'],
  controllers: [
    'std',
    'ports',
    'api',
    'registry/client.ts',
    'registry/informer.ts',
    'registry/event-recorder.ts',
    'actors',
    'pkg:xstate',
  ],
  scheduler: ['std', 'ports', 'api', 'registry/client.ts', 'registry/informer.ts', 'registry/event-recorder.ts'],
  proxy: ['std', 'ports', 'api', 'registry/client.ts', 'registry/informer.ts', 'registry/event-recorder.ts'],
  dns: ['std', 'ports', 'api', 'registry/client.ts', 'registry/informer.ts', 'registry/event-recorder.ts'],
  kubelet: [
    'std',
    'ports',
    'api',
    'registry/client.ts',
    'registry/informer.ts',
    'registry/event-recorder.ts',
    'wire/peers.ts',
    'wire/streams.ts',
    'actors',
    'pkg:xstate',
  ],
  cluster: [
    'std',
    'ports',
    'api',
    'registry/client.ts',
    'replica/membership.ts',
    'replica/proposer.ts',
    'replica/reader.ts',
    'store/command.ts',
    'store/view.ts',
    'raft/types.ts',
  ],
  node: [
    'std',
    'ports',
    'raft',
    'wal',
    'wire',
    'store',
    'replica',
    'api',
    'registry',
    'apiserver',
    'actors',
    'controllers',
    'scheduler',
    'kubelet',
    'proxy',
    'dns',
    'cluster',
  ],
  drivers: ['std', 'ports', 'pkg:*', 'node:*'],
  // The consensus tier binds replicas to plain peers of its own: it needs the wire's interfaces, none of its code.
  sim: [
    'std',
    'ports',
    'node',
    'raft',
    'store',
    'registry/client.ts',
    'api',
    'replica',
    'wal/marks.ts',
    'wire/peers.ts',
    'wire/streams.ts',
  ],
};

const WHY = {
  std: 'std knows nothing of the project',
  raft: 'the core is sans-I/O; effects are returned as values',
  store: 'the store is a pure state machine: no Kubernetes, HTTP, clock or randomness',
  api: 'the object model is pure; it knows no registry and no I/O',
  actors: 'machines are values; hosts carry out their intents',
  drivers: 'a driver knows its port and its package, nothing of the project above',
};

function placeOf(filename) {
  const path = filename.replaceAll('\\', '/');
  const src = /\/src\/([^/]+)\//.exec(path);
  if (src) return src[1];
  if (/\/actors\//.test(path) && !/\/test\//.test(path)) return 'actors';
  return undefined;
}

function importedPlace(source, filename) {
  if (source.startsWith('#src/')) {
    const rest = source.slice(5);
    return { folder: rest.split('/')[0], path: rest };
  }
  if (source.startsWith('#actors/')) return { folder: 'actors', path: 'actors' };
  if (source.startsWith('.') && placeOf(filename) !== undefined) {
    // Inside one folder of the table, subfolders included, relative paths are fine.
    const resolved = new URL(source, `file://${filename.replaceAll('\\', '/')}`).pathname;
    return placeOf(resolved) === placeOf(filename) ? undefined : { escapes: true };
  }
  return undefined;
}

function eachImport(check) {
  return {
    ImportDeclaration: (node) => check(node, node.source.value),
    ExportNamedDeclaration: (node) => node.source && check(node, node.source.value),
    ExportAllDeclaration: (node) => check(node, node.source.value),
    ImportExpression: (node) => node.source.type === 'Literal' && check(node, node.source.value),
  };
}

const importBoundaries = {
  create(context) {
    const place = placeOf(context.filename);
    const allowed = place && MAY_IMPORT[place];
    if (!allowed) return {};
    return eachImport((node, source) => {
      if (typeof source !== 'string') return;
      if (source.startsWith('#test/')) {
        context.report({ node, message: 'The product does not import its tests.' });
        return;
      }
      const target = importedPlace(source, context.filename);
      if (target?.escapes) {
        context.report({
          node,
          message: `Across folders import '#src/…' or '#actors/…', so that each layer crossing shows (got '${source}').`,
        });
        return;
      }
      if (!target || target.folder === place) return;
      const ok = allowed.some((entry) => entry === target.folder || entry === target.path);
      if (!ok) {
        const reason = WHY[place] ?? 'reconcilers and layers meet in stored objects and ports, never in imports';
        context.report({ node, message: `${place} may not import ${target.path}: ${reason} (DESIGN §3).` });
      }
    });
  },
};

const packageHome = {
  create(context) {
    const place = placeOf(context.filename);
    const allowed = place && MAY_IMPORT[place];
    if (!allowed) return {};
    return eachImport((node, source) => {
      if (typeof source !== 'string' || source.startsWith('.') || source.startsWith('#')) return;
      if (source.startsWith('node:')) {
        if (!allowed.includes('node:*'))
          context.report({
            node,
            message: `'${source}' belongs in src/drivers behind a port, so that the simulator can replace it.`,
          });
        return;
      }
      if (allowed.includes('pkg:*') || allowed.includes(`pkg:${source.split('/')[0]}`)) return;
      context.report({
        node,
        message: `'${source}' has another home: dockerode, ws and x509 in drivers, yaml also in apiserver's bodies, msgpackr in wire, xstate in actors and its hosts (DESIGN §3).`,
      });
    });
  },
};

const GLOBALS = {
  performance: 'Clock.monotonicMs()',
  crypto: 'the Crypto or Random port',
  setTimeout: 'Clock.after()',
  setInterval: 'Clock.after()',
  setImmediate: 'Clock.soon() or Clock.endOfTurn()',
  queueMicrotask: 'Clock.endOfTurn()',
  process: 'a setting in the config, or a port',
  Intl: 'plain code-unit comparison',
  WeakRef: 'explicit ownership',
  FinalizationRegistry: 'explicit ownership',
  fetch: 'Http.fetch()',
  console: 'the Log port',
};

const portsOnly = {
  create(context) {
    const place = placeOf(context.filename);
    if (!place || place === 'drivers' || place === 'cli') return {};
    return {
      Program(node) {
        for (const statement of node.body) {
          const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
          if (declaration?.type === 'VariableDeclaration' && declaration.kind !== 'const' && !declaration.declare) {
            context.report({
              node: declaration,
              message:
                'No mutable module state: two simulated nodes share a process. Keep it in an object that the composition root makes.',
            });
          }
        }
      },
      MemberExpression(node) {
        if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier' || node.computed) return;
        const name = `${node.object.name}.${node.property.name}`;
        if (name === 'Date.now') context.report({ node, message: 'Use Clock.wallMs(): the simulator owns time.' });
        if (name === 'Math.random')
          context.report({ node, message: 'Use the Random port: a failure must replay from its seed.' });
      },
      NewExpression(node) {
        if (node.callee.type === 'Identifier' && node.callee.name === 'Date' && node.arguments.length === 0) {
          context.report({ node, message: 'Use new Date(clock.wallMs()): the simulator owns time.' });
        }
      },
      'Program:exit'(node) {
        const scope = context.sourceCode.getScope(node);
        const globalScope = scope.type === 'global' ? scope : (scope.upper ?? scope);
        for (const reference of globalScope.through) {
          const replacement = GLOBALS[reference.identifier.name];
          if (replacement) {
            context.report({
              node: reference.identifier,
              message: `'${reference.identifier.name}' is an effect; use ${replacement}, so that the simulator can replace it.`,
            });
          }
        }
      },
    };
  },
};

export default {
  meta: { name: 'kontiki' },
  rules: { 'import-boundaries': importBoundaries, 'package-home': packageHome, 'ports-only': portsOnly },
};
