/** Types of io.k8s.api.policy.v1. The notation is in facts.ts. */
export const policyV1 = `
PodDisruptionBudgetSpec minAvailable:IntOrString#1?* selector:meta-v1.LabelSelector#2?^replace
  maxUnavailable:IntOrString#3?* unhealthyPodEvictionPolicy:string#4?*|IfHealthyBudget|AlwaysAllow
PodDisruptionBudgetStatus observedGeneration:int64#1? disruptedPods:{}Time#2? disruptionsAllowed:int32#3~
  currentHealthy:int32#4~ desiredHealthy:int32#5~ expectedPods:int32#6~
  conditions:[]meta-v1.Condition#7?@map(type)^merge:type
PodDisruptionBudget +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:PodDisruptionBudgetSpec#2?
  status:PodDisruptionBudgetStatus#3?
PodDisruptionBudgetList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]PodDisruptionBudget#2
Eviction +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? deleteOptions:meta-v1.DeleteOptions#2?
`;
