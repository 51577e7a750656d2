/** Types of io.k8s.api.certificates.v1. The notation is in facts.ts. */
export const certificatesV1 = `
CertificateSigningRequest +meta-v1.TypeMeta#0 metadata:meta-v1.ObjectMeta#1? spec:CertificateSigningRequestSpec#2
  status:CertificateSigningRequestStatus#3?
CertificateSigningRequestSpec request:bytes#1 signerName:string#7 expirationSeconds:int32#8?*
  usages:[]string#5?@atomic|signing|digital_signature|content_commitment|key_encipherment|key_agreement|data_encipherment|cert_sign|crl_sign|encipher_only|decipher_only|any|server_auth|client_auth|code_signing|email_protection|s/mime|ipsec_end_system|ipsec_tunnel|ipsec_user|timestamping|ocsp_signing|microsoft_sgc|netscape_sgc
  username:string#2? uid:string#3? groups:[]string#4?@atomic extra:{}[]string#6?
CertificateSigningRequestStatus conditions:[]CertificateSigningRequestCondition#1?@map(type) certificate:bytes#2?
CertificateSigningRequestCondition type:string#1 status:string#6|True|False|Unknown reason:string#2? message:string#3?
  lastUpdateTime:Time#4? lastTransitionTime:Time#5?
CertificateSigningRequestList +meta-v1.TypeMeta#0 metadata:meta-v1.ListMeta#1? items:[]CertificateSigningRequest#2
`;
