/** Types of io.k8s.api.authentication.v1. The notation is in facts.ts. */
export const authenticationV1 = `
TokenReview +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:TokenReviewSpec#2 status:TokenReviewStatus#3?
TokenReviewSpec token:string#1?! audiences:[]string#2?@atomic
TokenReviewStatus authenticated:boolean#1? user:UserInfo#2? audiences:[]string#4?@atomic error:string#3?
UserInfo username:string#1? uid:string#2? groups:[]string#3?@atomic extra:{}[]string#4?
TokenRequest +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:TokenRequestSpec#2~ status:TokenRequestStatus#3?
TokenRequestSpec audiences:[]string#1~@atomic expirationSeconds:int64#4~ boundObjectRef:BoundObjectReference#3~
TokenRequestStatus token:string#1~ expirationTimestamp:Time#2~
BoundObjectReference kind:string#1? apiVersion:string#2? name:string#3? uid:string#4?
SelfSubjectReview +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? status:SelfSubjectReviewStatus#2?
SelfSubjectReviewStatus userInfo:UserInfo#1?
`;
