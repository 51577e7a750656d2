/** Which rules are whose, for the kinds that came after the first thirteen. */
import { deepEqual } from '../metadata.ts';
import type { Ingress } from '../objects/networking.ts';
import * as access from './access.ts';
import * as admission from './admission.ts';
import * as autoscaling from './autoscaling.ts';
import * as batch from './batch.ts';
import type { Causes } from './causes.ts';
import * as flowcontrol from './flowcontrol.ts';
import * as networking from './networking.ts';
import * as policy from './policy.ts';
import * as storage from './storage.ts';
import * as workloads from './workloads.ts';
import { validateSelectorUpdate } from './apps.ts';

/** `always` looks at the object, on updates too; `create` only at new ones; `update` compares it with what was. */
export interface KindRules {
  readonly always?: (causes: Causes, object: never) => void;
  readonly create?: (causes: Causes, object: never) => void;
  readonly update?: (causes: Causes, updated: never, current: never) => void;
  /** Writes of these subresources; others are not looked at beyond their metadata. */
  readonly status?: (causes: Causes, updated: never, current: never) => void;
}

/** resource.k8s.io is served as data: all that is promised is that a claim's spec stays what it was. */
const SETTLED: KindRules = {
  update: (causes: Causes, updated: { spec?: unknown }, current: { spec?: unknown }) => {
    if (!deepEqual(updated.spec, current.spec)) causes.immutable('spec', updated.spec ?? null);
  },
};

const RBAC = 'rbac.authorization.k8s.io/v1';
const NETWORKING = 'networking.k8s.io/v1';
const STORAGE = 'storage.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';
const FLOW = 'flowcontrol.apiserver.k8s.io/v1';

export const KIND_RULES: Record<string, KindRules> = {
  'v1 PodTemplate': { always: workloads.validatePodTemplateObject },
  'v1 ReplicationController': { always: workloads.validateReplicationController },
  'v1 PersistentVolumeClaim': { always: storage.validateClaim, update: storage.validateClaimUpdate },
  'v1 PersistentVolume': { always: storage.validateVolume, update: storage.validateVolumeUpdate },
  'v1 LimitRange': { always: policy.validateLimitRange },
  'v1 ResourceQuota': { always: policy.validateQuota, update: policy.validateQuotaUpdate },
  'apps/v1 StatefulSet': { always: workloads.validateStatefulSet, update: workloads.validateStatefulSetUpdate },
  'apps/v1 DaemonSet': { always: workloads.validateDaemonSet, update: validateSelectorUpdate },
  'apps/v1 ControllerRevision': {
    always: workloads.validateControllerRevision,
    update: workloads.validateControllerRevisionUpdate,
  },
  'batch/v1 Job': { always: batch.validateJob, update: batch.validateJobUpdate },
  'batch/v1 CronJob': { always: batch.validateCronJob },
  'autoscaling/v1 HorizontalPodAutoscaler': { always: autoscaling.validateAutoscalerV1 },
  'autoscaling/v2 HorizontalPodAutoscaler': { always: autoscaling.validateAutoscaler },
  'policy/v1 PodDisruptionBudget': { always: policy.validateDisruptionBudget },
  [`${NETWORKING} Ingress`]: {
    always: networking.validateIngress,
    create: (causes: Causes, ingress: Ingress) => networking.validateIngressClassAnnotation(causes, ingress),
  },
  [`${NETWORKING} IngressClass`]: {
    always: networking.validateIngressClass,
    update: networking.validateIngressClassUpdate,
  },
  [`${NETWORKING} NetworkPolicy`]: { always: networking.validateNetworkPolicy },
  [`${NETWORKING} IPAddress`]: { always: networking.validateIpAddress, update: networking.validateIpAddressUpdate },
  [`${NETWORKING} ServiceCIDR`]: {
    always: networking.validateServiceCidr,
    update: networking.validateServiceCidrUpdate,
  },
  [`${RBAC} Role`]: { always: access.validateRole },
  [`${RBAC} ClusterRole`]: { always: access.validateClusterRole },
  [`${RBAC} RoleBinding`]: { always: access.validateRoleBinding, update: access.validateBindingUpdate },
  [`${RBAC} ClusterRoleBinding`]: { always: access.validateClusterRoleBinding, update: access.validateBindingUpdate },
  'certificates.k8s.io/v1 CertificateSigningRequest': {
    always: access.validateSigningRequest,
    status: access.validateVerdict,
  },
  [`${STORAGE} StorageClass`]: { always: storage.validateStorageClass, update: storage.validateStorageClassUpdate },
  [`${STORAGE} CSIDriver`]: { always: storage.validateCsiDriver, update: storage.validateCsiDriverUpdate },
  [`${STORAGE} CSINode`]: { always: storage.validateCsiNode },
  [`${STORAGE} CSIStorageCapacity`]: { always: storage.validateCapacity, update: storage.validateCapacityUpdate },
  [`${STORAGE} VolumeAttachment`]: { always: storage.validateAttachment, update: storage.validateAttachmentUpdate },
  [`${STORAGE} VolumeAttributesClass`]: {
    always: storage.validateAttributesClass,
    update: storage.validateAttributesClassUpdate,
  },
  'scheduling.k8s.io/v1 PriorityClass': {
    always: policy.validatePriorityClass,
    update: policy.validatePriorityClassUpdate,
  },
  'node.k8s.io/v1 RuntimeClass': { always: policy.validateRuntimeClass, update: policy.validateRuntimeClassUpdate },
  [`${FLOW} FlowSchema`]: { always: flowcontrol.validateFlowSchema },
  [`${FLOW} PriorityLevelConfiguration`]: { always: flowcontrol.validatePriorityLevel },
  [`${ADMISSION} MutatingWebhookConfiguration`]: { always: admission.validateWebhooks },
  [`${ADMISSION} ValidatingWebhookConfiguration`]: { always: admission.validateWebhooks },
  [`${ADMISSION} ValidatingAdmissionPolicy`]: { always: admission.validateAdmissionPolicy },
  [`${ADMISSION} ValidatingAdmissionPolicyBinding`]: { always: admission.validatePolicyBinding },
  [`${ADMISSION} MutatingAdmissionPolicy`]: { always: admission.validateMutatingPolicy },
  [`${ADMISSION} MutatingAdmissionPolicyBinding`]: { always: admission.validateMutatingBinding },
  'resource.k8s.io/v1 ResourceClaim': SETTLED,
  'resource.k8s.io/v1 ResourceClaimTemplate': SETTLED,
};
