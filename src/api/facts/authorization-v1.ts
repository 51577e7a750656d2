/** Types of io.k8s.api.authorization.v1. The notation is in facts.ts. */
export const authorizationV1 = `
SubjectAccessReview +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:SubjectAccessReviewSpec#2
  status:SubjectAccessReviewStatus#3?
SelfSubjectAccessReview +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:SelfSubjectAccessReviewSpec#2
  status:SubjectAccessReviewStatus#3?
LocalSubjectAccessReview +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:SubjectAccessReviewSpec#2
  status:SubjectAccessReviewStatus#3?
ResourceAttributes namespace:string#1? verb:string#2? group:string#3? version:string#4? resource:string#5?
  subresource:string#6? name:string#7? fieldSelector:FieldSelectorAttributes#8?
  labelSelector:LabelSelectorAttributes#9?
LabelSelectorAttributes rawSelector:string#1? requirements:[]meta-v1.LabelSelectorRequirement#2?@atomic
FieldSelectorAttributes rawSelector:string#1? requirements:[]meta-v1.FieldSelectorRequirement#2?@atomic
NonResourceAttributes path:string#1? verb:string#2?
SubjectAccessReviewSpec resourceAttributes:ResourceAttributes#1? nonResourceAttributes:NonResourceAttributes#2?
  user:string#3? groups:[]string#4?@atomic extra:{}[]string#5? uid:string#6?
SelfSubjectAccessReviewSpec resourceAttributes:ResourceAttributes#1? nonResourceAttributes:NonResourceAttributes#2?
SubjectAccessReviewStatus allowed:boolean#1 denied:boolean#4? reason:string#2? evaluationError:string#3?
SelfSubjectRulesReview +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:SelfSubjectRulesReviewSpec#2
  status:SubjectRulesReviewStatus#3?
SelfSubjectRulesReviewSpec namespace:string#1?
SubjectRulesReviewStatus resourceRules:[]ResourceRule#1@atomic nonResourceRules:[]NonResourceRule#2@atomic
  incomplete:boolean#3 evaluationError:string#4?
ResourceRule verbs:[]string#1@atomic apiGroups:[]string#2?@atomic resources:[]string#3?@atomic
  resourceNames:[]string#4?@atomic
NonResourceRule verbs:[]string#1@atomic nonResourceURLs:[]string#2?@atomic
`;
