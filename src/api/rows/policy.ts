/** Limits of core, scheduling, node, flow control, certificates, rbac, admission and devices. */
import type { KindRow } from '../kinds.ts';
import * as access from '../tables/access.ts';
import * as admission from '../tables/admission.ts';
import * as policy from '../tables/policy.ts';
import { nameAndAge, plain } from '../tables/printer.ts';
import { STATUS } from './subresources.ts';

const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1', allowCreateOnUpdate: true };
const ADMISSION = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  namespaced: false,
  allowUnconditionalUpdate: false,
};
const FLOW = {
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  namespaced: false,
  subresources: [STATUS],
  generationFields: ['spec'],
  allowUnconditionalUpdate: false,
};
const DEVICES = { group: 'resource.k8s.io', version: 'v1' };

export const POLICY_ROWS: readonly KindRow[] = [
  {
    group: '',
    version: 'v1',
    kind: 'LimitRange',
    resource: 'limitranges',
    namespaced: true,
    shortNames: ['limits'],
    allowCreateOnUpdate: true,
    ...plain,
  },
  {
    group: '',
    version: 'v1',
    kind: 'ResourceQuota',
    resource: 'resourcequotas',
    namespaced: true,
    shortNames: ['quota'],
    subresources: [STATUS],
    ...policy.resourceQuota,
  },
  {
    group: 'scheduling.k8s.io',
    version: 'v1',
    kind: 'PriorityClass',
    resource: 'priorityclasses',
    namespaced: false,
    shortNames: ['pc'],
    generationFields: ['value'],
    ...policy.priorityClass,
  },
  {
    group: 'node.k8s.io',
    version: 'v1',
    kind: 'RuntimeClass',
    resource: 'runtimeclasses',
    namespaced: false,
    allowUnconditionalUpdate: false,
    ...policy.runtimeClass,
  },
  { ...FLOW, kind: 'FlowSchema', resource: 'flowschemas', ...policy.flowSchema },
  {
    ...FLOW,
    kind: 'PriorityLevelConfiguration',
    resource: 'prioritylevelconfigurations',
    ...policy.priorityLevel,
  },
  {
    group: 'certificates.k8s.io',
    version: 'v1',
    kind: 'CertificateSigningRequest',
    resource: 'certificatesigningrequests',
    namespaced: false,
    shortNames: ['csr'],
    subresources: [{ name: 'approval', verbs: ['get', 'patch', 'update'] }, STATUS],
    selectableFields: ['spec.signerName'],
    ...access.signingRequest,
  },
  { ...RBAC, kind: 'ClusterRoleBinding', resource: 'clusterrolebindings', namespaced: false, ...access.roleBinding },
  { ...RBAC, kind: 'ClusterRole', resource: 'clusterroles', namespaced: false, ...plain },
  { ...RBAC, kind: 'RoleBinding', resource: 'rolebindings', namespaced: true, ...access.roleBinding },
  { ...RBAC, kind: 'Role', resource: 'roles', namespaced: true, ...plain },
  {
    ...ADMISSION,
    kind: 'MutatingAdmissionPolicy',
    resource: 'mutatingadmissionpolicies',
    generationFields: ['spec'],
    ...admission.mutatingPolicy,
  },
  {
    ...ADMISSION,
    kind: 'MutatingAdmissionPolicyBinding',
    resource: 'mutatingadmissionpolicybindings',
    generationFields: ['spec'],
    ...admission.policyBinding,
  },
  {
    ...ADMISSION,
    kind: 'MutatingWebhookConfiguration',
    resource: 'mutatingwebhookconfigurations',
    generationFields: ['webhooks'],
    ...admission.webhooks,
  },
  {
    ...ADMISSION,
    kind: 'ValidatingAdmissionPolicy',
    resource: 'validatingadmissionpolicies',
    subresources: [STATUS],
    generationFields: ['spec'],
    ...admission.validatingPolicy,
  },
  {
    ...ADMISSION,
    kind: 'ValidatingAdmissionPolicyBinding',
    resource: 'validatingadmissionpolicybindings',
    generationFields: ['spec'],
    ...admission.policyBinding,
  },
  {
    ...ADMISSION,
    kind: 'ValidatingWebhookConfiguration',
    resource: 'validatingwebhookconfigurations',
    generationFields: ['webhooks'],
    ...admission.webhooks,
  },
  {
    ...DEVICES,
    kind: 'DeviceClass',
    resource: 'deviceclasses',
    namespaced: false,
    generationFields: ['spec'],
    ...nameAndAge,
  },
  {
    ...DEVICES,
    kind: 'ResourceClaim',
    resource: 'resourceclaims',
    namespaced: true,
    subresources: [STATUS],
    ...policy.resourceClaim,
  },
  { ...DEVICES, kind: 'ResourceClaimTemplate', resource: 'resourceclaimtemplates', namespaced: true, ...nameAndAge },
  {
    ...DEVICES,
    kind: 'ResourceSlice',
    resource: 'resourceslices',
    namespaced: false,
    selectableFields: ['spec.nodeName', 'spec.driver'],
    generationFields: ['spec'],
    ...policy.resourceSlice,
  },
];
