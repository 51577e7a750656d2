/** Types of io.k8s.api.batch.v1. The notation is in facts.ts. */
export const batchV1 = `
Job +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:JobSpec#2? status:JobStatus#3?
JobList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]Job#2
PodFailurePolicyOnExitCodesRequirement containerName:string#1?* operator:string#2|In|NotIn values:[]int32#3@set
PodFailurePolicyOnPodConditionsPattern
  type:string#1|ContainersReady|Initialized|Ready|PodScheduled|DisruptionTarget|PodReadyToStartContainers|PodResizePending|PodResizeInProgress|AllContainersRestarting
  status:string#2~|True|False|Unknown
PodFailurePolicyRule action:string#1|FailJob|FailIndex|Ignore|Count
  onExitCodes:PodFailurePolicyOnExitCodesRequirement#2?
  onPodConditions:[]PodFailurePolicyOnPodConditionsPattern#3?@atomic
PodFailurePolicy rules:[]PodFailurePolicyRule#1@atomic
SuccessPolicy rules:[]SuccessPolicyRule#1@atomic
SuccessPolicyRule succeededIndexes:string#1?* succeededCount:int32#2?*
JobSpec parallelism:int32#1?* completions:int32#2?* activeDeadlineSeconds:int64#3?*
  podFailurePolicy:PodFailurePolicy#11? successPolicy:SuccessPolicy#16? backoffLimit:int32#7?*
  backoffLimitPerIndex:int32#12?* maxFailedIndexes:int32#13?* selector:meta-v1.LabelSelector#4?
  manualSelector:boolean#5?* template:core-v1.PodTemplateSpec#6 ttlSecondsAfterFinished:int32#8?*
  completionMode:string#9?*|NonIndexed|Indexed suspend:boolean#10?*
  podReplacementPolicy:string#14?*|TerminatingOrFailed|Failed managedBy:string#15?*
JobStatus conditions:[]JobCondition#1?@atomic^merge:type startTime:Time#2?* completionTime:Time#3?* active:int32#4?
  succeeded:int32#5? failed:int32#6? terminating:int32#11?* completedIndexes:string#7? failedIndexes:string#10?*
  uncountedTerminatedPods:UncountedTerminatedPods#8? ready:int32#9?*
UncountedTerminatedPods succeeded:[]string#1?@set failed:[]string#2?@set
JobCondition type:string#1 status:string#2|True|False|Unknown lastProbeTime:Time#3? lastTransitionTime:Time#4?
  reason:string#5? message:string#6?
JobTemplateSpec metadata:meta-v1.ObjectMeta#1? spec:JobSpec#2?
CronJob +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:CronJobSpec#2?! status:CronJobStatus#3?
CronJobList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]CronJob#2
CronJobSpec schedule:string#1 timeZone:string#8?* startingDeadlineSeconds:int64#2?*
  concurrencyPolicy:string#3?|Allow|Forbid|Replace suspend:boolean#4?* jobTemplate:JobTemplateSpec#5
  successfulJobsHistoryLimit:int32#6?* failedJobsHistoryLimit:int32#7?*
CronJobStatus active:[]core-v1.ObjectReference#1?@atomic lastScheduleTime:Time#4?* lastSuccessfulTime:Time#5?*
`;
