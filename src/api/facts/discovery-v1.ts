/** Types of io.k8s.api.discovery.v1. The notation is in facts.ts. */
export const discoveryV1 = `
EndpointSlice +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? addressType:string#4 endpoints:[]Endpoint#2~@atomic
  ports:[]EndpointPort#3~@atomic
Endpoint addresses:[]string#1@set conditions:EndpointConditions#2? hostname:string#3?*
  targetRef:core-v1.ObjectReference#4? deprecatedTopology:{}string#5? nodeName:string#6?* zone:string#7?*
  hints:EndpointHints#8?
EndpointConditions ready:boolean#1?* serving:boolean#2?* terminating:boolean#3?*
EndpointHints forZones:[]ForZone#1?@atomic forNodes:[]ForNode#2?@atomic
ForZone name:string#1
ForNode name:string#1
EndpointPort name:string#1?* protocol:string#2?*|TCP|UDP|SCTP port:int32#3?* appProtocol:string#4?*
EndpointSliceList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]EndpointSlice#2
`;
