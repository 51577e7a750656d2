/** Types of io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1. The notation is in facts.ts.
    Values of any shape (JSON, a schema or a boolean) are RawExtension here; src/custom judges them. */
export const apiextensionsV1 = `
CustomResourceDefinitionSpec group:string#1 names:CustomResourceDefinitionNames#3 scope:string#4|Cluster|Namespaced
  versions:[]CustomResourceDefinitionVersion#7@atomic conversion:CustomResourceConversion#9?
  preserveUnknownFields:boolean#10?
CustomResourceConversion strategy:string#1|None|Webhook webhook:WebhookConversion#2?
WebhookConversion clientConfig:WebhookClientConfig#2? conversionReviewVersions:[]string#3@atomic
WebhookClientConfig url:string#3?* service:ServiceReference#1? caBundle:bytes#2?
ServiceReference namespace:string#1 name:string#2 path:string#3?* port:int32#4?*
CustomResourceDefinitionVersion name:string#1 served:boolean#2 storage:boolean#3 deprecated:boolean#7?
  deprecationWarning:string#8?* schema:CustomResourceValidation#4? subresources:CustomResourceSubresources#5?
  additionalPrinterColumns:[]CustomResourceColumnDefinition#6?@atomic selectableFields:[]SelectableField#9?@atomic
SelectableField jsonPath:string#1
CustomResourceColumnDefinition name:string#1 type:string#2 format:string#3? description:string#4? priority:int32#5?*
  jsonPath:string#6
CustomResourceDefinitionNames plural:string#1 singular:string#2? shortNames:[]string#3?@atomic kind:string#4
  listKind:string#5? categories:[]string#6?@atomic
CustomResourceDefinitionCondition type:string#1 status:string#2|True|False|Unknown lastTransitionTime:Time#3?
  reason:string#4? message:string#5? observedGeneration:int64#6?
CustomResourceDefinitionStatus conditions:[]CustomResourceDefinitionCondition#1~@map(type)
  acceptedNames:CustomResourceDefinitionNames#2~ storedVersions:[]string#3~@atomic observedGeneration:int64#4?
CustomResourceDefinition +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:CustomResourceDefinitionSpec#2
  status:CustomResourceDefinitionStatus#3?
CustomResourceDefinitionList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]CustomResourceDefinition#2
CustomResourceValidation openAPIV3Schema:JSONSchemaProps#1?
CustomResourceSubresources status:CustomResourceSubresourceStatus#1? scale:CustomResourceSubresourceScale#2?
CustomResourceSubresourceStatus
CustomResourceSubresourceScale specReplicasPath:string#1 statusReplicasPath:string#2 labelSelectorPath:string#3?*
ConversionReview +meta-v1.TypeMeta#0 request:ConversionRequest#1? response:ConversionResponse#2?
ConversionRequest uid:string#1 desiredAPIVersion:string#2 objects:[]RawExtension#3@atomic
ConversionResponse uid:string#1 convertedObjects:[]RawExtension#2@atomic result:meta-v1.Status#3
JSONSchemaProps id:string#1? $schema:string#2? $ref:string#3?* description:string#4? type:string#5? format:string#6?
  title:string#7? default:RawExtension#8?* maximum:double#9?* exclusiveMaximum:boolean#10? minimum:double#11?*
  exclusiveMinimum:boolean#12? maxLength:int64#13?* minLength:int64#14?* pattern:string#15? maxItems:int64#16?*
  minItems:int64#17?* uniqueItems:boolean#18? multipleOf:double#19?* enum:[]RawExtension#20?@atomic maxProperties:int64#21?*
  minProperties:int64#22?* required:[]string#23?@atomic items:JSONSchemaProps#24?
  allOf:[]JSONSchemaProps#25?@atomic oneOf:[]JSONSchemaProps#26?@atomic anyOf:[]JSONSchemaProps#27?@atomic
  not:JSONSchemaProps#28? properties:{}JSONSchemaProps#29? additionalProperties:RawExtension#30?*
  patternProperties:{}JSONSchemaProps#31? dependencies:{}RawExtension#32?
  additionalItems:RawExtension#33?* definitions:{}JSONSchemaProps#34? externalDocs:ExternalDocumentation#35?
  example:RawExtension#36?* nullable:boolean#37? x-kubernetes-preserve-unknown-fields:boolean#38?*
  x-kubernetes-embedded-resource:boolean#39? x-kubernetes-int-or-string:boolean#40?
  x-kubernetes-list-map-keys:[]string#41?@atomic x-kubernetes-list-type:string#42?* x-kubernetes-map-type:string#43?*
  x-kubernetes-validations:[]ValidationRule#44?@map(rule)^merge:rule
ValidationRule rule:string#1 message:string#2? messageExpression:string#3? reason:string#4?* fieldPath:string#5?
  optionalOldSelf:boolean#6?*
ExternalDocumentation description:string#1? url:string#2?
`;
