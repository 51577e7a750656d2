/** Types of io.k8s.api.rbac.v1. The notation is in facts.ts. */
export const rbacV1 = `
PolicyRule verbs:[]string#1@atomic apiGroups:[]string#2?@atomic resources:[]string#3?@atomic
  resourceNames:[]string#4?@atomic nonResourceURLs:[]string#5?@atomic
Subject kind:string#1 apiGroup:string#2? name:string#3 namespace:string#4?
RoleRef apiGroup:string#1~ kind:string#2 name:string#3
Role +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? rules:[]PolicyRule#2~@atomic
RoleBinding +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? subjects:[]Subject#2?@atomic roleRef:RoleRef#3
RoleBindingList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]RoleBinding#2
RoleList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]Role#2
ClusterRole +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? rules:[]PolicyRule#2~@atomic
  aggregationRule:AggregationRule#3?
AggregationRule clusterRoleSelectors:[]meta-v1.LabelSelector#1?@atomic
ClusterRoleBinding +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? subjects:[]Subject#2?@atomic roleRef:RoleRef#3
ClusterRoleBindingList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]ClusterRoleBinding#2
ClusterRoleList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]ClusterRole#2
`;
