/** Types of io.k8s.api.resource.v1. The notation is in facts.ts. */
export const resourceV1 = `
ResourceSlice +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:ResourceSliceSpec#2
ResourceSliceSpec driver:string#1 pool:ResourcePool#2 nodeName:string#3?* nodeSelector:core-v1.NodeSelector#4?
  allNodes:boolean#5?* devices:[]Device#6?@atomic perDeviceNodeSelection:boolean#7?*
  sharedCounters:[]CounterSet#8?@atomic
CounterSet name:string#1 counters:{}Counter#2?!
ResourcePool name:string#1 generation:int64#2 resourceSliceCount:int64#3
Device name:string#1 attributes:{}DeviceAttribute#2? capacity:{}DeviceCapacity#3?
  consumesCounters:[]DeviceCounterConsumption#4?@atomic nodeName:string#5?* nodeSelector:core-v1.NodeSelector#6?
  allNodes:boolean#7?* taints:[]DeviceTaint#8?@atomic bindsToNode:boolean#9?* bindingConditions:[]string#10?@atomic
  bindingFailureConditions:[]string#11?@atomic allowMultipleAllocations:boolean#12?*
  nodeAllocatableResourceMappings:{}NodeAllocatableResourceMapping#13?
NodeAllocatableResourceMapping capacityKey:string#1?* allocationMultiplier:Quantity#2?*
DeviceCounterConsumption counterSet:string#1 counters:{}Counter#2?!
DeviceCapacity value:Quantity#1 requestPolicy:CapacityRequestPolicy#2?
Counter value:Quantity#1
CapacityRequestPolicy default:Quantity#1~ validValues:[]Quantity#3?@atomic validRange:CapacityRequestPolicyRange#4?
CapacityRequestPolicyRange min:Quantity#1?*! max:Quantity#2?* step:Quantity#3?*
DeviceAttribute int:int64#2?* bool:boolean#3?* string:string#4?* version:string#5?* ints:[]int64#6?@atomic
  bools:[]boolean#7?@atomic strings:[]string#8?@atomic versions:[]string#9?@atomic
DeviceTaint key:string#1 value:string#2? effect:string#3|None|NoSchedule|NoExecute timeAdded:Time#4?*
ResourceSliceList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]ResourceSlice#2
ResourceClaim +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:ResourceClaimSpec#2
  status:ResourceClaimStatus#3?
ResourceClaimSpec devices:DeviceClaim#1~
DeviceClaim requests:[]DeviceRequest#1~@atomic constraints:[]DeviceConstraint#2?@atomic
  config:[]DeviceClaimConfiguration#3?@atomic
DeviceRequest name:string#1 exactly:ExactDeviceRequest#2? firstAvailable:[]DeviceSubRequest#3?@atomic
ExactDeviceRequest deviceClassName:string#1 selectors:[]DeviceSelector#2?@atomic allocationMode:string#3?
  count:int64#4? adminAccess:boolean#5?* tolerations:[]DeviceToleration#6?@atomic capacity:CapacityRequirements#7?
DeviceSubRequest name:string#1 deviceClassName:string#2 selectors:[]DeviceSelector#3?@atomic allocationMode:string#4?
  count:int64#5? tolerations:[]DeviceToleration#6?@atomic capacity:CapacityRequirements#7?
CapacityRequirements requests:{}Quantity#1?
DeviceSelector cel:CELDeviceSelector#1?
CELDeviceSelector expression:string#1
DeviceConstraint requests:[]string#1?@atomic matchAttribute:string#2?* distinctAttribute:string#3?*
DeviceClaimConfiguration requests:[]string#1?@atomic +DeviceConfiguration#2
DeviceConfiguration opaque:OpaqueDeviceConfiguration#1?
OpaqueDeviceConfiguration driver:string#1 parameters:RawExtension#2
DeviceToleration key:string#1? operator:string#2?=Equal|Exists|Equal value:string#3?
  effect:string#4?|None|NoSchedule|NoExecute tolerationSeconds:int64#5?*
ResourceClaimStatus allocation:AllocationResult#1? reservedFor:[]ResourceClaimConsumerReference#2?@map(uid)^merge:uid
  devices:[]AllocatedDeviceStatus#4?@map(driver,device,pool,shareID)
ResourceClaimConsumerReference apiGroup:string#1? resource:string#3 name:string#4 uid:string#5
AllocationResult devices:DeviceAllocationResult#1? nodeSelector:core-v1.NodeSelector#3? allocationTimestamp:Time#5?*
DeviceAllocationResult results:[]DeviceRequestAllocationResult#1?@atomic
  config:[]DeviceAllocationConfiguration#2?@atomic
DeviceRequestAllocationResult request:string#1 driver:string#2 pool:string#3 device:string#4 adminAccess:boolean#5?*
  tolerations:[]DeviceToleration#6?@atomic bindingConditions:[]string#7?@atomic
  bindingFailureConditions:[]string#8?@atomic shareID:string#9?* consumedCapacity:{}Quantity#10?
DeviceAllocationConfiguration source:string#1|FromClass|FromClaim requests:[]string#2?@atomic +DeviceConfiguration#3
ResourceClaimList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]ResourceClaim#2
DeviceClass +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:DeviceClassSpec#2
DeviceClassSpec selectors:[]DeviceSelector#1?@atomic config:[]DeviceClassConfiguration#2?@atomic
  extendedResourceName:string#4?*
DeviceClassConfiguration +DeviceConfiguration#1
DeviceClassList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]DeviceClass#2
ResourceClaimTemplate +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:ResourceClaimTemplateSpec#2
ResourceClaimTemplateSpec metadata:meta-v1.ObjectMeta#1? spec:ResourceClaimSpec#2
ResourceClaimTemplateList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]ResourceClaimTemplate#2
AllocatedDeviceStatus driver:string#1 pool:string#2 device:string#3 shareID:string#7?*
  conditions:[]meta-v1.Condition#4~@map(type) data:RawExtension#5? networkData:NetworkDeviceData#6?
NetworkDeviceData interfaceName:string#1? ips:[]string#2?@atomic hardwareAddress:string#3?
`;
