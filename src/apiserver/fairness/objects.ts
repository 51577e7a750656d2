/**
 * FlowSchemas and PriorityLevelConfigurations as objects: read from this node's own state and acted on, beside the
 * built-in ones that no object replaces. Where their kinds are not served only those hold.
 */
import { findKind } from '#src/api/kinds.ts';
import type { KubeObject } from '#src/api/object.ts';
import type { Clock, Timer } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Client, ResourceRef } from '#src/registry/client.ts';
import { messageOf } from '#src/std/fault.ts';
import {
  SUGGESTED,
  type FlowConfiguration,
  type FlowRule,
  type FlowSchema,
  type Limited,
  type PriorityLevel,
  type ResourceRule,
  type Subject,
} from './configuration.ts';
import type { Fairness } from './fairness.ts';

/** How soon a change is acted on. */
export const LOOK_MS = 5_000;
/** Objects beyond are not looked at: a level costs memory for its queues. */
export const OBJECTS_MAX = 500;
/** Of one level; Kubernetes' own have 128. */
const QUEUES_MAX = 1_024;

const SCHEMAS: ResourceRef = { group: 'flowcontrol.apiserver.k8s.io', version: 'v1', resource: 'flowschemas' };
const LEVELS: ResourceRef = { ...SCHEMAS, resource: 'prioritylevelconfigurations' };

type Loose = Record<string, unknown>;

/** Looks again and again until `stop`. Does nothing where the kinds are not served. */
export function followFlowObjects(from: {
  client: Client;
  clock: Clock;
  log: Log;
  fairness: Pick<Fairness, 'configure'>;
}): { stop(): void } {
  const { client, clock, fairness } = from;
  const log = from.log.scope('fairness');
  let timer: Timer | undefined;
  let stopped = findKind(SCHEMAS) === undefined || findKind(LEVELS) === undefined;
  let seen = '';
  const look = async (): Promise<void> => {
    const options = { resourceVersion: '0', limit: OBJECTS_MAX };
    const [schemas, levels] = await Promise.all([client.list(SCHEMAS, options), client.list(LEVELS, options)]);
    const marks = [...schemas.items, ...levels.items].map(({ metadata }) => metadata?.resourceVersion ?? '');
    if (marks.join() === seen) return;
    seen = marks.join();
    fairness.configure(withSuggested(configurationOf(schemas.items, levels.items)));
  };
  const again = (): void => {
    if (stopped) return;
    timer = clock.after(LOOK_MS, () => {
      look()
        .catch((error: unknown) => log.debug('the flow objects could not be read', { error: messageOf(error) }))
        .finally(again);
    });
  };
  again();
  return {
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** What of the objects is acted on; what is not understood is as if it were not there. */
export function configurationOf(schemas: readonly KubeObject[], levels: readonly KubeObject[]): FlowConfiguration {
  return { priorityLevels: levels.map(levelOf), flowSchemas: schemas.flatMap(schemaOf) };
}

/** Kubernetes keeps its suggested objects in every cluster: where no object has their name, they hold as built in. */
export function withSuggested(given: FlowConfiguration): FlowConfiguration {
  const missing = <T extends { name: string }>(all: readonly T[], own: readonly T[]): T[] =>
    own.filter(({ name }) => !all.some((one) => one.name === name));
  return {
    priorityLevels: [...given.priorityLevels, ...missing(given.priorityLevels, SUGGESTED.priorityLevels)],
    flowSchemas: [...given.flowSchemas, ...missing(given.flowSchemas, SUGGESTED.flowSchemas)],
  };
}

function levelOf(object: KubeObject): PriorityLevel {
  const { name = '', uid = '' } = object.metadata ?? {};
  const spec = specOf(object);
  if (spec['type'] === 'Exempt') return { name, uid };
  const limited = recordOf(spec['limited']);
  const response = recordOf(limited['limitResponse']);
  const queuing = recordOf(response['queuing']);
  const made: Limited = {
    nominalConcurrencyShares: numberOf(limited['nominalConcurrencyShares'], 30),
    lendablePercent: numberOf(limited['lendablePercent'], 0),
  };
  const borrowing = limited['borrowingLimitPercent'];
  if (typeof borrowing === 'number') made.borrowingLimitPercent = borrowing;
  if (response['type'] === 'Queue') {
    made.queuing = {
      queues: Math.min(numberOf(queuing['queues'], 64), QUEUES_MAX),
      handSize: numberOf(queuing['handSize'], 8),
      queueLengthLimit: numberOf(queuing['queueLengthLimit'], 50),
    };
  }
  return { name, uid, limited: made };
}

function schemaOf(object: KubeObject): FlowSchema[] {
  const { name = '', uid = '' } = object.metadata ?? {};
  const spec = specOf(object);
  const priorityLevel = recordOf(spec['priorityLevelConfiguration'])['name'];
  if (typeof priorityLevel !== 'string') return [];
  const distinguisher = recordOf(spec['distinguisherMethod'])['type'];
  return [
    {
      name,
      uid,
      priorityLevel,
      matchingPrecedence: numberOf(spec['matchingPrecedence'], 1000),
      ...(distinguisher === 'ByUser' || distinguisher === 'ByNamespace' ? { distinguisher } : {}),
      rules: listOf(spec['rules']).map(ruleOf),
    },
  ];
}

function ruleOf(rule: Loose): FlowRule {
  return {
    subjects: listOf(rule['subjects']).flatMap(subjectOf),
    resourceRules: listOf(rule['resourceRules']) as unknown as ResourceRule[],
    nonResourceRules: listOf(rule['nonResourceRules']) as unknown as FlowRule['nonResourceRules'],
  };
}

function subjectOf(subject: Loose): Subject[] {
  const { kind } = subject;
  if (kind !== 'User' && kind !== 'Group' && kind !== 'ServiceAccount') return [];
  const { name, namespace } = recordOf(subject[kind === 'ServiceAccount' ? 'serviceAccount' : kind.toLowerCase()]);
  if (typeof name !== 'string') return [];
  return [{ kind, name, ...(typeof namespace === 'string' ? { namespace } : {}) }];
}

function specOf(object: KubeObject): Loose {
  return recordOf((object as { spec?: unknown }).spec);
}

function recordOf(value: unknown): Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {};
}

function listOf(value: unknown): Loose[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}

function numberOf(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
}
