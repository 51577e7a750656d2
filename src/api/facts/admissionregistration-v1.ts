/** Types of io.k8s.api.admissionregistration.v1. The notation is in facts.ts. */
export const admissionregistrationV1 = `
Rule apiGroups:[]string#1?@atomic apiVersions:[]string#2?@atomic resources:[]string#3?@atomic
  scope:string#4?*|Cluster|Namespaced|*
ValidatingAdmissionPolicy +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:ValidatingAdmissionPolicySpec#2?
  status:ValidatingAdmissionPolicyStatus#3?
ValidatingAdmissionPolicyStatus observedGeneration:int64#1? typeChecking:TypeChecking#2?
  conditions:[]meta-v1.Condition#3?@map(type)
TypeChecking expressionWarnings:[]ExpressionWarning#1?@atomic
ExpressionWarning fieldRef:string#2 warning:string#3
ValidatingAdmissionPolicyList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]ValidatingAdmissionPolicy#2
ValidatingAdmissionPolicySpec paramKind:ParamKind#1? matchConstraints:MatchResources#2?
  validations:[]Validation#3?@atomic failurePolicy:string#4?*|Ignore|Fail auditAnnotations:[]AuditAnnotation#5?@atomic
  matchConditions:[]MatchCondition#6?@map(name)^merge:name variables:[]Variable#7?@map(name)^merge:name
ParamKind apiVersion:string#1? kind:string#2?
Validation expression:string#1 message:string#2? reason:string#3? messageExpression:string#4?
Variable name:string#1 expression:string#2
AuditAnnotation key:string#1 valueExpression:string#2
ValidatingAdmissionPolicyBinding +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1?
  spec:ValidatingAdmissionPolicyBindingSpec#2?!
ValidatingAdmissionPolicyBindingList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1?
  items:[]ValidatingAdmissionPolicyBinding#2
ValidatingAdmissionPolicyBindingSpec policyName:string#1?! paramRef:ParamRef#2? matchResources:MatchResources#3?
  validationActions:[]string#4?!@set|Deny|Warn|Audit
ParamRef name:string#1? namespace:string#2? selector:meta-v1.LabelSelector#3?
  parameterNotFoundAction:string#4?|Allow|Deny
MatchResources namespaceSelector:meta-v1.LabelSelector#1? objectSelector:meta-v1.LabelSelector#2?
  resourceRules:[]NamedRuleWithOperations#3?@atomic excludeResourceRules:[]NamedRuleWithOperations#4?@atomic
  matchPolicy:string#7?*|Exact|Equivalent
NamedRuleWithOperations resourceNames:[]string#1?@atomic +RuleWithOperations#2
ValidatingWebhookConfiguration +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1?
  webhooks:[]ValidatingWebhook#2?@map(name)^merge:name
ValidatingWebhookConfigurationList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1?
  items:[]ValidatingWebhookConfiguration#2
MutatingWebhookConfiguration +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1?
  webhooks:[]MutatingWebhook#2?@map(name)^merge:name
MutatingWebhookConfigurationList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1?
  items:[]MutatingWebhookConfiguration#2
ValidatingWebhook name:string#1 clientConfig:WebhookClientConfig#2 rules:[]RuleWithOperations#3?@atomic
  failurePolicy:string#4?*|Ignore|Fail matchPolicy:string#9?*|Exact|Equivalent
  namespaceSelector:meta-v1.LabelSelector#5? objectSelector:meta-v1.LabelSelector#10?
  sideEffects:string#6|Unknown|None|Some|NoneOnDryRun timeoutSeconds:int32#7?*
  admissionReviewVersions:[]string#8@atomic matchConditions:[]MatchCondition#11?@map(name)^merge:name
MutatingWebhook name:string#1 clientConfig:WebhookClientConfig#2 rules:[]RuleWithOperations#3?@atomic
  failurePolicy:string#4?*|Ignore|Fail matchPolicy:string#9?*|Exact|Equivalent
  namespaceSelector:meta-v1.LabelSelector#5? objectSelector:meta-v1.LabelSelector#11?
  sideEffects:string#6|Unknown|None|Some|NoneOnDryRun timeoutSeconds:int32#7?*
  admissionReviewVersions:[]string#8@atomic reinvocationPolicy:string#10?*|Never|IfNeeded
  matchConditions:[]MatchCondition#12?@map(name)^merge:name
MutatingAdmissionPolicy +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:MutatingAdmissionPolicySpec#2?
MutatingAdmissionPolicyList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]MutatingAdmissionPolicy#2
MutatingAdmissionPolicySpec paramKind:ParamKind#1? matchConstraints:MatchResources#2? variables:[]Variable#3?@atomic
  mutations:[]Mutation#4?@atomic failurePolicy:string#5?*|Ignore|Fail
  matchConditions:[]MatchCondition#6?@map(name)^merge:name reinvocationPolicy:string#7?*|Never|IfNeeded
Mutation patchType:string#2|ApplyConfiguration|JSONPatch applyConfiguration:ApplyConfiguration#3?
  jsonPatch:JSONPatch#4?
ApplyConfiguration expression:string#1?
JSONPatch expression:string#1?
MutatingAdmissionPolicyBinding +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1?
  spec:MutatingAdmissionPolicyBindingSpec#2?
MutatingAdmissionPolicyBindingList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1?
  items:[]MutatingAdmissionPolicyBinding#2
MutatingAdmissionPolicyBindingSpec policyName:string#1? paramRef:ParamRef#2? matchResources:MatchResources#3?
RuleWithOperations operations:[]string#1?@atomic|*|CREATE|UPDATE|DELETE|CONNECT +Rule#2
WebhookClientConfig url:string#3?* service:ServiceReference#1? caBundle:bytes#2?
ServiceReference namespace:string#1 name:string#2 path:string#3?* port:int32#4?*
MatchCondition name:string#1 expression:string#2
`;
