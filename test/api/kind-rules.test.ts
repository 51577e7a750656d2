/** What is refused of the built-in kinds, and in which words. */
import test from 'ava';
import type { StatusCause } from '#src/api/api-error.ts';
import { validateCreate, validateUpdate } from '#src/api/validation.ts';
import { kindNamed, makeObject, type Json } from '#test/support/api-object.ts';

const texts = (causes: StatusCause[]): string[] => causes.map(({ field, message }) => `${field}: ${message}`);
const selector = { matchLabels: { app: 'x' } };
const podSpec = { containers: [{ name: 'c', image: 'i' }] };
const template = { metadata: { labels: { app: 'x' } }, spec: podSpec };
const jobTemplate = { spec: { ...podSpec, restartPolicy: 'Never' } };
const claim = (spec: Json): Json => ({
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const volume = (spec: Json): Json => ({
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' }, ...spec },
});
const ingress = (path: Json): Json => ({
  spec: { rules: [{ http: { paths: [{ pathType: 'Prefix', path: '/', backend: service, ...path }] } }] },
});
const service = { service: { name: 'web', port: { number: 80 } } };
const autoscaler = (spec: Json): Json => ({
  spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' }, ...spec },
});
const peer = (from: Json): Json => ({ spec: { podSelector: {}, ingress: [{ from: [from] }] } });
const webhook = (change: Json): Json => ({
  webhooks: [
    {
      name: 'a.b.c',
      clientConfig: { url: 'https://example.com/' },
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
      ...change,
    },
  ],
});
const policy = (change: Json): Json => ({
  spec: {
    matchConstraints: {
      resourceRules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
    },
    validations: [{ expression: 'true' }],
    ...change,
  },
});
const RBAC = 'rbac.authorization.k8s.io/v1';
const NETWORKING = 'networking.k8s.io/v1';
const STORAGE = 'storage.k8s.io/v1';
const ADMISSION = 'admissionregistration.k8s.io/v1';

/** apiVersion, kind, fields, causes; no causes: it is taken. */
const rows: [string, string, Json, string[]][] = [
  ['apps/v1', 'StatefulSet', { spec: { selector, template, serviceName: 'x' } }, []],
  ['apps/v1', 'StatefulSet', { spec: { template } }, ['spec.selector: Required value']],
  [
    'apps/v1',
    'StatefulSet',
    { spec: { selector, template, podManagementPolicy: 'All', updateStrategy: { type: 'Recreate' } } },
    [
      "spec.podManagementPolicy: Invalid value: \"All\": must be 'OrderedReady' or 'Parallel'",
      'spec.updateStrategy: Invalid value: {"type":"Recreate"}: must be \'RollingUpdate\' or \'OnDelete\'',
    ],
  ],
  [
    'apps/v1',
    'StatefulSet',
    { spec: { selector: { matchLabels: { app: 'y' } }, template } },
    ['spec.template.metadata.labels: Invalid value: {"app":"x"}: `selector` does not match template `labels`'],
  ],
  [
    'apps/v1',
    'StatefulSet',
    { spec: { selector, template: { ...template, spec: { ...podSpec, restartPolicy: 'Never' } } } },
    ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  ],
  ['apps/v1', 'DaemonSet', { spec: { selector, template } }, []],
  [
    'apps/v1',
    'DaemonSet',
    { spec: { selector, template, updateStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } } } },
    ['spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero'],
  ],
  [
    'apps/v1',
    'DaemonSet',
    { spec: { selector, template, updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } } },
    ['spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0'],
  ],
  ['v1', 'ReplicationController', { spec: { template } }, []],
  [
    'v1',
    'ReplicationController',
    { spec: { replicas: 1 } },
    ['spec.selector: Required value', 'spec.template: Required value'],
  ],
  ['apps/v1', 'ControllerRevision', { revision: 1 }, ['data: Required value: data is mandatory']],
  ['batch/v1', 'Job', { spec: { selector: {}, template: jobTemplate } }, []],
  [
    'batch/v1',
    'Job',
    { spec: { selector: {}, template: { spec: podSpec } } },
    ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  ],
  [
    'batch/v1',
    'Job',
    { spec: { selector: {}, template: jobTemplate, completionMode: 'Indexed', parallelism: -1 } },
    [
      'spec.parallelism: Invalid value: -1: must be greater than or equal to 0',
      'spec.completions: Required value: when completion mode is Indexed',
    ],
  ],
  [
    'batch/v1',
    'Job',
    { spec: { selector: {}, template: jobTemplate, backoffLimitPerIndex: 1 } },
    ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
  ],
  [
    'batch/v1',
    'Job',
    {
      spec: {
        selector: {},
        template: jobTemplate,
        podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [0] } }] },
      },
    },
    ['spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator'],
  ],
  ['batch/v1', 'CronJob', { spec: { schedule: '@daily', jobTemplate: { spec: { template: jobTemplate } } } }, []],
  [
    'batch/v1',
    'CronJob',
    {
      metadata: { name: 'x'.repeat(53) },
      spec: {
        schedule: '* * * *',
        concurrencyPolicy: 'Maybe',
        timeZone: 'Local',
        jobTemplate: { spec: { template: jobTemplate } },
      },
    },
    [
      `metadata.name: Invalid value: "${'x'.repeat(53)}": must be no more than 52 characters`,
      'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]',
      'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
      'spec.concurrencyPolicy: Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"',
    ],
  ],
  ['autoscaling/v2', 'HorizontalPodAutoscaler', autoscaler({}), []],
  [
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    autoscaler({ minReplicas: 5 }),
    ['spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`'],
  ],
  [
    'autoscaling/v2',
    'HorizontalPodAutoscaler',
    autoscaler({ maxReplicas: 0, scaleTargetRef: {}, metrics: [{ type: 'Pods' }] }),
    [
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
      'spec.scaleTargetRef.kind: Required value',
      'spec.scaleTargetRef.name: Required value',
      'spec.metrics[0].pods: Required value: must populate information for the given metric source',
    ],
  ],
  [
    'autoscaling/v1',
    'HorizontalPodAutoscaler',
    autoscaler({ targetCPUUtilizationPercentage: 0 }),
    ['spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0'],
  ],
  ['policy/v1', 'PodDisruptionBudget', { spec: { minAvailable: '50%', selector } }, []],
  [
    'policy/v1',
    'PodDisruptionBudget',
    { spec: { minAvailable: 1, maxUnavailable: 1 } },
    ['spec: Invalid value: {"minAvailable":1,"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set'],
  ],
  [
    'policy/v1',
    'PodDisruptionBudget',
    { spec: { minAvailable: '150%' } },
    ['spec.minAvailable: Invalid value: "150%": must not be greater than 100%'],
  ],
  [NETWORKING, 'Ingress', ingress({}), []],
  [
    NETWORKING,
    'Ingress',
    { spec: {} },
    ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified'],
  ],
  [
    NETWORKING,
    'Ingress',
    ingress({ pathType: '' }),
    ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
  ],
  [
    NETWORKING,
    'Ingress',
    ingress({ path: 'a//b', backend: {} }),
    [
      'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must be an absolute path',
      'spec.rules[0].http.paths[0].path: Invalid value: "a//b": must not contain \'//\'',
      'spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required',
    ],
  ],
  [
    NETWORKING,
    'Ingress',
    { spec: { rules: [{ host: '10.0.0.1' }] } },
    ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
  ],
  [NETWORKING, 'NetworkPolicy', peer({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }), []],
  [NETWORKING, 'NetworkPolicy', peer({}), ['spec.ingress[0].from[0]: Required value: must specify a peer']],
  [
    NETWORKING,
    'NetworkPolicy',
    peer({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }),
    [
      'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
      'spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer',
    ],
  ],
  [
    NETWORKING,
    'NetworkPolicy',
    { spec: { podSelector: {}, egress: [{ ports: [{ port: 80, endPort: 70 }, { endPort: 1 }] }] } },
    [
      'spec.egress[0].ports[0].endPort: Invalid value: 70: must be greater than or equal to `port`',
      'spec.egress[0].ports[1].port: Required value: must be specified when `endPort` is specified',
    ],
  ],
  [
    NETWORKING,
    'IngressClass',
    { spec: { controller: 'nope' } },
    ['spec.controller: Invalid value: "nope": must be a domain-prefixed path (such as "acme.io/foo")'],
  ],
  ['v1', 'PersistentVolumeClaim', claim({}), []],
  [
    'v1',
    'PersistentVolumeClaim',
    { spec: { accessModes: ['Sometimes'] } },
    [
      'spec.accessModes: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
      'spec.resources[storage]: Required value',
    ],
  ],
  ['v1', 'PersistentVolume', volume({}), []],
  [
    'v1',
    'PersistentVolume',
    volume({ nfs: { server: 's', path: '/x' } }),
    ['spec.nfs: Forbidden: may not specify more than 1 volume type'],
  ],
  [
    'v1',
    'PersistentVolume',
    { spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, local: { path: '/x' } } },
    ['spec.nodeAffinity: Required value: Local volume requires node affinity'],
  ],
  ['v1', 'ResourceQuota', { spec: { hard: { pods: '3', 'count/jobs.batch': '1', 'limits.cpu': '1500m' } } }, []],
  [
    'v1',
    'ResourceQuota',
    { spec: { hard: { pods: '1500m', bananas: '1', cpu: '-1' }, scopes: ['BestEffort', 'NotBestEffort'] } },
    [
      'spec.hard[bananas]: Invalid value: "bananas": must be a standard resource for quotas',
      'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.hard[pods]: Invalid value: "1500m": must be an integer',
      'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
    ],
  ],
  [
    'v1',
    'LimitRange',
    { spec: { limits: [{ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' } }] } },
    [
      'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
      'spec.limits[0].defaultRequest[cpu]: Invalid value: "2": min value 2 is greater than default request value 1',
      'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
    ],
  ],
  [
    'scheduling.k8s.io/v1',
    'PriorityClass',
    { metadata: { name: 'system-mine' }, value: 1 },
    [
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
    ],
  ],
  [
    RBAC,
    'Role',
    { metadata: { name: 'system:reader' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
    [],
  ],
  [
    RBAC,
    'Role',
    { rules: [{ verbs: [], nonResourceURLs: ['/x'] }, { verbs: ['get'] }] },
    [
      'rules[0].verbs: Required value: verbs must contain at least one value',
      'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
      'rules[1].apiGroups: Required value: resource rules must supply at least one api group',
      'rules[1].resources: Required value: resource rules must supply at least one resource',
    ],
  ],
  [
    RBAC,
    'ClusterRoleBinding',
    {
      roleRef: { kind: 'Role', name: 'x' },
      subjects: [
        { kind: 'ServiceAccount', name: 'a' },
        { kind: 'Pod', name: 'b' },
      ],
    },
    [
      'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
      'subjects[0].namespace: Required value',
      'subjects[1].kind: Unsupported value: "Pod": supported values: "ServiceAccount", "User", "Group"',
    ],
  ],
  [
    STORAGE,
    'StorageClass',
    { provisioner: '', reclaimPolicy: 'Recycle' },
    [
      'provisioner: Required value',
      'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
    ],
  ],
  [
    'certificates.k8s.io/v1',
    'CertificateSigningRequest',
    { spec: { request: 'AAAA', signerName: 'me', expirationSeconds: 5 } },
    [
      'spec.request: Invalid value: "AAAA": PEM block type must be CERTIFICATE REQUEST',
      'spec.usages: Required value',
      'spec.signerName: Invalid value: "me": must be a fully qualified domain and path of the form "example.com/signer-name"',
      'spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)',
    ],
  ],
  [ADMISSION, 'ValidatingWebhookConfiguration', webhook({}), []],
  [
    ADMISSION,
    'ValidatingWebhookConfiguration',
    webhook({ name: 'short', sideEffects: 'Some', timeoutSeconds: 31, clientConfig: { url: 'http://x/?a=b' } }),
    [
      'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots',
      'webhooks[0].clientConfig.url: Invalid value: "\\"http\\"": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
      'webhooks[0].clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL',
      'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
      'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    ],
  ],
  [
    ADMISSION,
    'MutatingWebhookConfiguration',
    webhook({ clientConfig: {}, rules: [{ operations: ['*', 'CREATE'], apiGroups: [], apiVersions: ['v1'] }] }),
    [
      'webhooks[0].clientConfig: Required value: exactly one of url or service is required',
      'webhooks[0].rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
      'webhooks[0].rules[0].apiGroups: Required value',
      'webhooks[0].rules[0].resources: Required value',
    ],
  ],
  [ADMISSION, 'ValidatingAdmissionPolicy', policy({}), []],
  [
    ADMISSION,
    'ValidatingAdmissionPolicy',
    policy({ validations: [], variables: [{ name: '1x', expression: ' ' }] }),
    [
      'spec.variables[0].name: Invalid value: "1x": name is not a valid CEL identifier',
      'spec.variables[0].expression: Required value: expression is not specified',
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  ],
  [
    ADMISSION,
    'ValidatingAdmissionPolicyBinding',
    { spec: { policyName: 'p', validationActions: ['Deny', 'Warn'], paramRef: {} } },
    [
      'spec.paramRef: Required value: one of name or selector must be specified',
      'spec.paramRef.parameterNotFoundAction: Required value',
      'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    ],
  ],
  [
    'flowcontrol.apiserver.k8s.io/v1',
    'PriorityLevelConfiguration',
    { spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: { queues: 4, handSize: 8 } } } } },
    ['spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)'],
  ],
  [
    NETWORKING,
    'ServiceCIDR',
    { spec: { cidrs: ['10.0.0.0/8', '11.0.0.0/33'] } },
    [
      'spec.cidrs[1]: Invalid value: "11.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      'spec.cidrs: Invalid value: ["10.0.0.0/8","11.0.0.0/33"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    ],
  ],
];
for (const [index, [apiVersion, name, fields, want]] of rows.entries()) {
  test(`${index}: ${name} is ${want.length === 0 ? 'taken' : `refused: ${want[0]}`}`, (t) => {
    const kind = kindNamed(apiVersion, name);
    t.deepEqual(texts(validateCreate(kind, makeObject(kind, fields))), want);
  });
}

const sts = (spec: Json): Json => ({ spec: { selector, template, serviceName: 'x', ...spec } });
const job = (spec: Json): Json => ({ spec: { selector: {}, template: jobTemplate, ...spec } });
const suspended = { suspend: true };
const placed = { spec: { ...jobTemplate.spec, nodeSelector: { a: 'b' } } };
const binding = (name: string): Json => ({ roleRef: { kind: 'ClusterRole', name }, subjects: [] });

const bound = { ...claim({}), status: { phase: 'Bound' } };
const CLAIM_IS_SETTLED =
  'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** apiVersion, kind, before, after, causes. */
const updates: [string, string, Json, Json, string[]][] = [
  ['apps/v1', 'StatefulSet', sts({}), sts({ replicas: 5, minReadySeconds: 1 }), []],
  [
    'apps/v1',
    'StatefulSet',
    sts({}),
    sts({ serviceName: 'y' }),
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  ],
  ['batch/v1', 'Job', job({ completions: 1 }), job({ completions: 1, parallelism: 3, suspend: true }), []],
  ['batch/v1', 'Job', job(suspended), job({ template: placed }), []],
  ['batch/v1', 'Job', job({}), job({ completions: 2 }), ['spec.completions: Invalid value: 2: field is immutable']],
  ['v1', 'PersistentVolumeClaim', claim({}), claim({ volumeName: 'disk' }), []],
  ['v1', 'PersistentVolumeClaim', bound, claim({ resources: { requests: { storage: '2Gi' } } }), []],
  [
    'v1',
    'PersistentVolumeClaim',
    claim({}),
    claim({ resources: { requests: { storage: '2Gi' } } }),
    [CLAIM_IS_SETTLED],
  ],
  [
    'v1',
    'PersistentVolumeClaim',
    bound,
    claim({ resources: { requests: { storage: '1Mi' } } }),
    ['spec.resources.requests.storage: Forbidden: field can not be less than previous value'],
  ],
  ['v1', 'PersistentVolumeClaim', claim({}), claim({ accessModes: ['ReadOnlyMany'] }), [CLAIM_IS_SETTLED]],
  [
    RBAC,
    'RoleBinding',
    binding('a'),
    binding('b'),
    [
      'roleRef: Invalid value: {"kind":"ClusterRole","name":"b","apiGroup":"rbac.authorization.k8s.io"}: cannot change roleRef',
    ],
  ],
  [
    STORAGE,
    'StorageClass',
    { provisioner: 'a.b/c' },
    { provisioner: 'a.b/d' },
    ['provisioner: Forbidden: updates to provisioner are forbidden.'],
  ],
  [
    'scheduling.k8s.io/v1',
    'PriorityClass',
    { value: 1 },
    { value: 2 },
    ['value: Forbidden: may not be changed in an update.'],
  ],
];
for (const [index, [apiVersion, name, before, after, want]] of updates.entries()) {
  test(`${index}: a change of a ${name} is ${want.length === 0 ? 'taken' : `refused: ${want[0]}`}`, (t) => {
    const kind = kindNamed(apiVersion, name);
    t.deepEqual(texts(validateUpdate(kind, makeObject(kind, after), makeObject(kind, before))), want);
  });
}
