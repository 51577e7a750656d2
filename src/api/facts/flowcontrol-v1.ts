/** Types of io.k8s.api.flowcontrol.v1. The notation is in facts.ts. */
export const flowcontrolV1 = `
FlowSchema +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:FlowSchemaSpec#2? status:FlowSchemaStatus#3?
FlowSchemaList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]FlowSchema#2
FlowSchemaSpec priorityLevelConfiguration:PriorityLevelConfigurationReference#1 matchingPrecedence:int32#2~
  distinguisherMethod:FlowDistinguisherMethod#3? rules:[]PolicyRulesWithSubjects#4?@atomic
FlowDistinguisherMethod type:string#1|ByUser|ByNamespace
PriorityLevelConfigurationReference name:string#1
PolicyRulesWithSubjects subjects:[]Subject#1@atomic resourceRules:[]ResourcePolicyRule#2?@atomic
  nonResourceRules:[]NonResourcePolicyRule#3?@atomic
Subject kind:string#1|User|Group|ServiceAccount user:UserSubject#2? group:GroupSubject#3?
  serviceAccount:ServiceAccountSubject#4?
UserSubject name:string#1
GroupSubject name:string#1
ServiceAccountSubject namespace:string#1 name:string#2
ResourcePolicyRule verbs:[]string#1@set apiGroups:[]string#2@set resources:[]string#3@set clusterScope:boolean#4?
  namespaces:[]string#5~@set
NonResourcePolicyRule verbs:[]string#1@set nonResourceURLs:[]string#6@set
FlowSchemaStatus conditions:[]FlowSchemaCondition#1?@map(type)^merge:type
FlowSchemaCondition type:string#1? status:string#2?|True|False|Unknown lastTransitionTime:Time#3? reason:string#4?
  message:string#5?
PriorityLevelConfiguration +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:PriorityLevelConfigurationSpec#2?
  status:PriorityLevelConfigurationStatus#3?
PriorityLevelConfigurationList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]PriorityLevelConfiguration#2
PriorityLevelConfigurationSpec type:string#1|Exempt|Limited limited:LimitedPriorityLevelConfiguration#2?
  exempt:ExemptPriorityLevelConfiguration#3?
LimitedPriorityLevelConfiguration nominalConcurrencyShares:int32#1~ limitResponse:LimitResponse#2?
  lendablePercent:int32#3?* borrowingLimitPercent:int32#4?*
ExemptPriorityLevelConfiguration nominalConcurrencyShares:int32#1?* lendablePercent:int32#2?*
LimitResponse type:string#1|Queue|Reject queuing:QueuingConfiguration#2?
QueuingConfiguration queues:int32#1~ handSize:int32#2~ queueLengthLimit:int32#3~
PriorityLevelConfigurationStatus conditions:[]PriorityLevelConfigurationCondition#1?@map(type)^merge:type
PriorityLevelConfigurationCondition type:string#1? status:string#2?|True|False|Unknown lastTransitionTime:Time#3?
  reason:string#4? message:string#5?
`;
