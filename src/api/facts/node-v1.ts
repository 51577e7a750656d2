/** Types of io.k8s.api.node.v1. The notation is in facts.ts. */
export const nodeV1 = `
RuntimeClass +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? handler:string#2 overhead:Overhead#3?
  scheduling:Scheduling#4?
Overhead podFixed:{}Quantity#1?
Scheduling nodeSelector:{}string#1?@atomic tolerations:[]core-v1.Toleration#2?@atomic
RuntimeClassList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]RuntimeClass#2
`;
