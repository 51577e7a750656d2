/** Tables of apps, batch and core's workloads. Source: Kubernetes 1.36 pkg/printers/internalversion/printers.go. */
import { ageOf, humanDuration } from '../human-duration.ts';
import { controllerOf, isConditionTrue } from '../metadata.ts';
import type {
  ControllerRevision,
  CronJob,
  DaemonSet,
  Job,
  PodTemplate,
  ReplicationController,
  StatefulSet,
} from '../objects/workloads.ts';
import { formatLabels } from '../selectors.ts';
import {
  age,
  AGE,
  column,
  containerCells,
  CONTAINERS,
  IMAGES,
  NAME,
  nameOf,
  printer,
  SELECTOR,
  selectorCell,
  templateCells,
} from './printer.ts';

export const podTemplate = printer<PodTemplate>(
  [
    NAME,
    column('Containers', 'Names of the containers in the template.'),
    column('Images', 'Images of the containers in the template.'),
    column('Pod Labels', 'Labels of the Pods made from it.'),
  ],
  (object) => [
    nameOf(object),
    ...containerCells(object.template),
    formatLabels(object.template?.metadata?.labels) || '<none>',
  ],
);

export const replicationController = printer<ReplicationController>(
  [
    NAME,
    column('Desired', 'Pods that are wanted.', 'integer'),
    column('Current', 'Pods that exist.', 'integer'),
    column('Ready', 'Pods that are ready.', 'integer'),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  (object, nowMs) => [
    nameOf(object),
    object.spec?.replicas ?? 0,
    object.status?.replicas ?? 0,
    object.status?.readyReplicas ?? 0,
    age(object, nowMs),
    ...templateCells(object.spec?.template, { matchLabels: object.spec?.selector ?? {} }),
  ],
);

export const statefulSet = printer<StatefulSet>(
  [NAME, column('Ready', 'Pods that are ready, of those wanted.'), AGE, CONTAINERS, IMAGES],
  (object, nowMs) => [
    nameOf(object),
    `${object.status?.readyReplicas ?? 0}/${object.spec?.replicas ?? 0}`,
    age(object, nowMs),
    ...containerCells(object.spec?.template),
  ],
);

export const daemonSet = printer<DaemonSet>(
  [
    NAME,
    column('Desired', 'Nodes that are to run its Pod.', 'integer'),
    column('Current', 'Nodes that run its Pod and are to.', 'integer'),
    column('Ready', 'Nodes whose Pod is ready.', 'integer'),
    column('Up-to-date', 'Nodes whose Pod is of the current template.', 'integer'),
    column('Available', 'Nodes whose Pod has been ready for minReadySeconds.', 'integer'),
    column('Node Selector', 'Labels of the nodes it is for.'),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  (object, nowMs) => [
    nameOf(object),
    object.status?.desiredNumberScheduled ?? 0,
    object.status?.currentNumberScheduled ?? 0,
    object.status?.numberReady ?? 0,
    object.status?.updatedNumberScheduled ?? 0,
    object.status?.numberAvailable ?? 0,
    formatLabels(object.spec?.template?.spec?.nodeSelector) || '<none>',
    age(object, nowMs),
    ...templateCells(object.spec?.template, object.spec?.selector),
  ],
);

export const controllerRevision = printer<ControllerRevision>(
  [NAME, column('Controller', 'Whose revision it is.'), column('Revision', 'Its number.'), AGE],
  (object, nowMs) => {
    const owner = controllerOf(object);
    const group = owner?.apiVersion.includes('/') === true ? `.${owner.apiVersion.split('/')[0]}` : '';
    const controller = owner === undefined ? '<none>' : `${owner.kind}${group}`.toLowerCase() + `/${owner.name}`;
    return [nameOf(object), controller, object.revision ?? 0, age(object, nowMs)];
  },
);

export const job = printer<Job>(
  [
    NAME,
    column('Status', 'Where the Job is in its life.'),
    column('Completions', 'Pods that succeeded, of those wanted.'),
    column('Duration', 'How long it ran, or has run.'),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  (object, nowMs) => [
    nameOf(object),
    jobStatus(object),
    jobCompletions(object),
    jobDuration(object, nowMs),
    age(object, nowMs),
    ...templateCells(object.spec?.template, object.spec?.selector),
  ],
);

function jobStatus(object: Job): string {
  const conditions = object.status?.conditions;
  if (isConditionTrue(conditions, 'Complete')) return 'Complete';
  if (isConditionTrue(conditions, 'Failed')) return 'Failed';
  if (object.metadata?.deletionTimestamp !== undefined) return 'Terminating';
  const others = ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'];
  return others.find((type) => isConditionTrue(conditions, type)) ?? 'Running';
}

function jobCompletions(object: Job): string {
  const succeeded = object.status?.succeeded ?? 0;
  const { completions, parallelism = 0 } = object.spec ?? {};
  if (completions !== undefined) return `${succeeded}/${completions}`;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration(object: Job, nowMs: number): string {
  const { startTime, completionTime } = object.status ?? {};
  if (startTime === undefined) return '';
  return humanDuration((completionTime === undefined ? nowMs : Date.parse(completionTime)) - Date.parse(startTime));
}

export const cronJob = printer<CronJob>(
  [
    NAME,
    column('Schedule', 'When it runs, in cron form.'),
    column('Timezone', 'Of the schedule.'),
    column('Suspend', 'Whether no further Jobs are made.', 'boolean'),
    column('Active', 'Jobs that are running.', 'integer'),
    column('Last Schedule', 'Time since a Job was made last.'),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
  ],
  (object, nowMs) => {
    const spec = object.spec;
    const last = object.status?.lastScheduleTime;
    const template = spec?.jobTemplate?.spec;
    return [
      nameOf(object),
      spec?.schedule ?? '',
      spec?.timeZone ?? '<none>',
      spec?.suspend === undefined ? '<unset>' : spec.suspend ? 'True' : 'False',
      object.status?.active?.length ?? 0,
      last === undefined ? '<none>' : ageOf(last, nowMs),
      age(object, nowMs),
      ...containerCells(template?.template),
      selectorCell(template?.selector),
    ];
  },
);
