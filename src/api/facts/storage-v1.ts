/** Types of io.k8s.api.storage.v1. The notation is in facts.ts. */
export const storageV1 = `
StorageClass +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? provisioner:string#2 parameters:{}string#3?
  reclaimPolicy:string#4?*|Recycle|Delete|Retain mountOptions:[]string#5?@atomic allowVolumeExpansion:boolean#6?*
  volumeBindingMode:string#7?*|Immediate|WaitForFirstConsumer
  allowedTopologies:[]core-v1.TopologySelectorTerm#8?@atomic
StorageClassList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]StorageClass#2
VolumeAttachment +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:VolumeAttachmentSpec#2
  status:VolumeAttachmentStatus#3?
VolumeAttachmentList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]VolumeAttachment#2
VolumeAttachmentSpec attacher:string#1 source:VolumeAttachmentSource#2 nodeName:string#3
VolumeAttachmentSource persistentVolumeName:string#1? inlineVolumeSpec:core-v1.PersistentVolumeSpec#2?
VolumeAttachmentStatus attached:boolean#1 attachmentMetadata:{}string#2? attachError:VolumeError#3?
  detachError:VolumeError#4?
VolumeError time:Time#1? message:string#2? errorCode:int32#3?*
CSIDriver +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:CSIDriverSpec#2
CSIDriverList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]CSIDriver#2
CSIDriverSpec attachRequired:boolean#1?* podInfoOnMount:boolean#2?*
  volumeLifecycleModes:[]string#3?@set|Persistent|Ephemeral storageCapacity:boolean#4?*
  fsGroupPolicy:string#5?*|ReadWriteOnceWithFSType|File|None tokenRequests:[]TokenRequest#6?@atomic
  requiresRepublish:boolean#7?* seLinuxMount:boolean#8?* nodeAllocatableUpdatePeriodSeconds:int64#9?*
  serviceAccountTokenInSecrets:boolean#10? preventPodSchedulingIfMissing:boolean#11?
TokenRequest audience:string#1 expirationSeconds:int64#2?*
CSINode +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:CSINodeSpec#2
CSINodeSpec drivers:[]CSINodeDriver#1@map(name)^merge:name
CSINodeDriver name:string#1 nodeID:string#2 topologyKeys:[]string#3~@atomic allocatable:VolumeNodeResources#4?
VolumeNodeResources count:int32#1?*
CSINodeList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]CSINode#2
CSIStorageCapacity +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? nodeTopology:meta-v1.LabelSelector#2?
  storageClassName:string#3 capacity:Quantity#4? maximumVolumeSize:Quantity#5?
CSIStorageCapacityList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]CSIStorageCapacity#2
VolumeAttributesClass +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? driverName:string#2 parameters:{}string#3?
VolumeAttributesClassList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]VolumeAttributesClass#2
`;
