/** Types of io.k8s.api.autoscaling.v1. The notation is in facts.ts. */
export const autoscalingV1 = `
CrossVersionObjectReference kind:string#1 name:string#2 apiVersion:string#3?
HorizontalPodAutoscalerSpec scaleTargetRef:CrossVersionObjectReference#1 minReplicas:int32#2?* maxReplicas:int32#3
  targetCPUUtilizationPercentage:int32#4?*
HorizontalPodAutoscalerStatus observedGeneration:int64#1?* lastScaleTime:Time#2?* currentReplicas:int32#3
  desiredReplicas:int32#4 currentCPUUtilizationPercentage:int32#5?*
HorizontalPodAutoscaler +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:HorizontalPodAutoscalerSpec#2?!
  status:HorizontalPodAutoscalerStatus#3?
HorizontalPodAutoscalerList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]HorizontalPodAutoscaler#2
Scale +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:ScaleSpec#2? status:ScaleStatus#3?
ScaleSpec replicas:int32#1?=0
ScaleStatus replicas:int32#1 selector:string#2?
`;
