/** Types of io.k8s.api.coordination.v1. The notation is in facts.ts. */
export const coordinationV1 = `
Lease +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:LeaseSpec#2?
LeaseSpec holderIdentity:string#1?* leaseDurationSeconds:int32#2?* acquireTime:MicroTime#3?* renewTime:MicroTime#4?*
  leaseTransitions:int32#5?* strategy:string#6?*|OldestEmulationVersion preferredHolder:string#7?*
LeaseList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]Lease#2
`;
