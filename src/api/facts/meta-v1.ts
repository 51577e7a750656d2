/** Types of io.k8s.apimachinery.pkg.apis.meta.v1. The notation is in facts.ts. */
export const metaV1 = `
GroupVersionResource group:string#1 version:string#2 resource:string#3
GroupVersionKind group:string#1 version:string#2 kind:string#3
TypeMeta kind:string#1? apiVersion:string#2?
ListMeta selfLink:string#1? resourceVersion:string#2? continue:string#3? remainingItemCount:int64#4?*
  shardInfo:ShardInfo#5?
ShardInfo selector:string#1
ObjectMeta name:string#1? generateName:string#2? namespace:string#3? selfLink:string#4? uid:string#5?
  resourceVersion:string#6? generation:int64#7? creationTimestamp:Time#8? deletionTimestamp:Time#9?*
  deletionGracePeriodSeconds:int64#10?* labels:{}string#11? annotations:{}string#12?
  ownerReferences:[]OwnerReference#13?@map(uid)^merge:uid finalizers:[]string#14?@set^merge
  managedFields:[]ManagedFieldsEntry#17?@atomic
OwnerReference apiVersion:string#5 kind:string#1 name:string#3 uid:string#4 controller:boolean#6?*
  blockOwnerDeletion:boolean#7?*
ListOptions +TypeMeta#0 labelSelector:string#1? fieldSelector:string#2? watch:boolean#3?
  allowWatchBookmarks:boolean#9? resourceVersion:string#4? resourceVersionMatch:string#10?|NotOlderThan|Exact
  timeoutSeconds:int64#5?* limit:int64#7? continue:string#8? sendInitialEvents:boolean#11?* shardSelector:string#15?
GetOptions +TypeMeta#0 resourceVersion:string#1?
DeleteOptions +TypeMeta#0 gracePeriodSeconds:int64#1?* preconditions:Preconditions#2? orphanDependents:boolean#3?*
  propagationPolicy:string#4?*|Orphan|Background|Foreground dryRun:[]string#5?@atomic
  ignoreStoreReadErrorWithClusterBreakingPotential:boolean#6?*
CreateOptions +TypeMeta#0 dryRun:[]string#1?@atomic fieldManager:string#3? fieldValidation:string#4?
PatchOptions +TypeMeta#0 dryRun:[]string#1?@atomic force:boolean#2?* fieldManager:string#3? fieldValidation:string#4?
ApplyOptions +TypeMeta#0 dryRun:[]string#1?@atomic force:boolean#2 fieldManager:string#3
UpdateOptions +TypeMeta#0 dryRun:[]string#1?@atomic fieldManager:string#2? fieldValidation:string#3?
Preconditions uid:string#1?* resourceVersion:string#2?*
Status +TypeMeta#0 metadata:ListMeta#1? status:string#2? message:string#3? reason:string#4? details:StatusDetails#5?
  code:int32#6?
StatusDetails name:string#1? group:string#2? kind:string#3? uid:string#6? causes:[]StatusCause#4?@atomic
  retryAfterSeconds:int32#5?
StatusCause reason:string#1? message:string#2? field:string#3?
List +TypeMeta#0 metadata:ListMeta#1? items:[]RawExtension#2
APIVersions +TypeMeta#0 versions:[]string#1@atomic serverAddressByClientCIDRs:[]ServerAddressByClientCIDR#2@atomic
APIGroupList +TypeMeta#0 groups:[]APIGroup#1@atomic
APIGroup +TypeMeta#0 name:string#1 versions:[]GroupVersionForDiscovery#2@atomic
  preferredVersion:GroupVersionForDiscovery#3? serverAddressByClientCIDRs:[]ServerAddressByClientCIDR#4?@atomic
ServerAddressByClientCIDR clientCIDR:string#1 serverAddress:string#2
GroupVersionForDiscovery groupVersion:string#1 version:string#2
APIResource name:string#1 singularName:string#6 namespaced:boolean#2 group:string#8? version:string#9? kind:string#3
  verbs:[]string#4 shortNames:[]string#5?@atomic categories:[]string#7?@atomic storageVersionHash:string#10?
APIResourceList +TypeMeta#0 groupVersion:string#1 resources:[]APIResource#2@atomic
LabelSelector matchLabels:{}string#1? matchExpressions:[]LabelSelectorRequirement#2?@atomic
LabelSelectorRequirement key:string#1 operator:string#2|In|NotIn|Exists|DoesNotExist values:[]string#3?@atomic
FieldSelectorRequirement key:string#1 operator:string#2|In|NotIn|Exists|DoesNotExist values:[]string#3?@atomic
ManagedFieldsEntry manager:string#1? operation:string#2?|Apply|Update apiVersion:string#3? time:Time#4?
  fieldsType:string#6? fieldsV1:FieldsV1#7? subresource:string#8?
Condition type:string#1 status:string#2|True|False|Unknown observedGeneration:int64#3? lastTransitionTime:Time#4
  reason:string#5 message:string#6
`;
