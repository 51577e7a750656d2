/** Types of io.k8s.api.scheduling.v1. The notation is in facts.ts. */
export const schedulingV1 = `
PriorityClass +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? value:int32#2~ globalDefault:boolean#3?
  description:string#4? preemptionPolicy:string#5?*|PreemptLowerPriority|Never
PriorityClassList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]PriorityClass#2
`;
