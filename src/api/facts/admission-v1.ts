/** Types of io.k8s.api.admission.v1. The notation is in facts.ts. */
export const admissionV1 = `
AdmissionReview +meta-v1.TypeMeta#0 request:AdmissionRequest#1? response:AdmissionResponse#2?
AdmissionRequest uid:string#1~ kind:meta-v1.GroupVersionKind#2~ resource:meta-v1.GroupVersionResource#3~
  subResource:string#4? requestKind:meta-v1.GroupVersionKind#13? requestResource:meta-v1.GroupVersionResource#14?
  requestSubResource:string#15? name:string#5? namespace:string#6? operation:string#7~|CREATE|UPDATE|DELETE|CONNECT
  userInfo:authentication-v1.UserInfo#8~ object:RawExtension#9? oldObject:RawExtension#10? dryRun:boolean#11?*
  options:RawExtension#12?
AdmissionResponse uid:string#1~ allowed:boolean#2~ status:meta-v1.Status#3? patch:bytes#4?
  patchType:string#5?*|JSONPatch auditAnnotations:{}string#6? warnings:[]string#7?@atomic
`;
