/** Types of io.k8s.kube-aggregator.pkg.apis.apiregistration.v1. The notation is in facts.ts. */
export const apiregistrationV1 = `
APIServiceList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]APIService#2
ServiceReference namespace:string#1? name:string#2? port:int32#3?*
APIServiceSpec service:ServiceReference#1? group:string#2? version:string#3? insecureSkipTLSVerify:boolean#4?
  caBundle:bytes#5? groupPriorityMinimum:int32#7 versionPriority:int32#8
APIServiceCondition type:string#1 status:string#2|True|False|Unknown lastTransitionTime:Time#3? reason:string#4?
  message:string#5?
APIServiceStatus conditions:[]APIServiceCondition#1?@map(type)^merge:type
APIService +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:APIServiceSpec#2? status:APIServiceStatus#3?
`;
