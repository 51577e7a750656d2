/** Types of io.k8s.metrics.pkg.apis.metrics.v1beta1. The notation is in facts.ts. */
export const metricsV1beta1 = `
NodeMetrics +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? timestamp:Time#2 window:Duration#3 usage:{}Quantity#4
NodeMetricsList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]NodeMetrics#2
PodMetrics +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? timestamp:Time#2 window:Duration#3
  containers:[]ContainerMetrics#4@atomic
PodMetricsList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]PodMetrics#2
ContainerMetrics name:string#1 usage:{}Quantity#2
`;
