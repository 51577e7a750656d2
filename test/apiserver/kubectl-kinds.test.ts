/** The real kubectl against every built-in kind: what it lists, makes, explains, shows and refuses. */
import test from 'ava';
import { kubectls, startKubectlServer } from '#test/support/kubectl-server.ts';

const STATEFUL_SET = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: postgres}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`;
const DAEMON_SET = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {nodeSelector: {disk: ssd}, containers: [{name: main, image: agent}]}
`;
const CRON_JOB = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}}}
`;
const CLAIM = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}, storageClassName: fast}
`;
const VOLUME = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, hostPath: {path: /data}}
`;
const NETWORK_POLICY = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
`;
const AUTOSCALER_V2 = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: memory}
spec:
  maxReplicas: 4
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 100Mi}}}]
`;
const SIGNING_REQUEST = `
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: jane}
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  username: mallory
  request: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUFBPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K
`;
const TOKEN_REVIEW =
  '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","metadata":{},"spec":{"token":"nobody\'s"}}';

const steps: [string, RegExp, string?][] = [
  ['api-resources', /horizontalpodautoscalers +hpa +autoscaling\/v2 +true +HorizontalPodAutoscaler/],
  ['api-resources --api-group=rbac.authorization.k8s.io -o name', /clusterrolebindings\.rbac\.authorization\.k8s\.io/],
  ['create ns tour', /created/],
  ['create job hello -n tour --image=busybox -- true', /job\.batch\/hello created/],
  ['get job hello -n tour -o jsonpath={.spec.selector.matchLabels}', /batch\.kubernetes\.io\/controller-uid/],
  ['get jobs -n tour', /NAME +STATUS +COMPLETIONS +DURATION +AGE\s+hello +Running +0\/1/],
  ['create -n tour -f -', /cronjob\.batch\/nightly created/, CRON_JOB],
  ['create -n tour -f -', /spec\.schedule: Invalid value: "0 25 \* \* \*"/, CRON_JOB.replace('0 3', '0 25')],
  ['create job now -n tour --from=cronjob/nightly', /job\.batch\/now created/],
  [
    'get cj -n tour',
    /SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\s+nightly +0 3 \* \* \* +<none> +False +0 +<none>/,
  ],
  ['create quota few -n tour --hard=pods=3,limits.memory=1Gi', /resourcequota\/few created/],
  ['create role reader -n tour --verb=get,list --resource=pods', /role\.rbac\.authorization\.k8s\.io\/reader created/],
  ['get roles -n tour', /NAME +CREATED AT\s+reader +\d{4}-/],
  ['create rolebinding reads -n tour --role=reader --user=jane --serviceaccount=tour:default', /created/],
  ['get rolebindings -n tour -o wide', /reads +Role\/reader +\d+s +jane +tour\/default/],
  ['create clusterrole nodes --verb=get --resource=nodes', /created/],
  ['create clusterrolebinding nodes --clusterrole=nodes --group=ops', /created/],
  [
    'create ingress web -n tour --rule=example.com/*=web:80,tls=cert --class=nginx',
    /ingress\.networking\.k8s\.io\/web created/,
  ],
  ['get ing -n tour', /NAME +CLASS +HOSTS +ADDRESS +PORTS +AGE\s+web +nginx +example\.com +80, 443/],
  ['create pdb two -n tour --selector=app=web --min-available=50%', /poddisruptionbudget\.policy\/two created/],
  ['get pdb -n tour', /two +50% +N\/A +0/],
  ['create priorityclass high --value=1000', /created/],
  [
    'create priorityclass too-high --value=1000000001',
    /maximum allowed value of a user defined priority is 1000000000/,
  ],
  ['get pc', /system-node-critical +2000001000 +false/],
  ['get prioritylevelconfigurations', /leader-election +Limited +10 +16 +4 +50/],
  [
    'create deployment web.site -n tour --image=nginx',
    /Warning: metadata\.name: this is used in Pod names and hostnames/,
  ],
  ['create deployment web -n tour --image=nginx', /created/],
  ['autoscale deployment web -n tour --min=1 --max=5 --cpu-percent=70', /autoscaled/],
  ['get hpa web -n tour', /web +Deployment\/web +cpu: <unknown>\/70% +1 +5 +0/],
  ['get horizontalpodautoscalers.v1.autoscaling web -n tour -o yaml', /targetCPUUtilizationPercentage: 70/],
  ['create -n tour -f -', /memory created/, AUTOSCALER_V2],
  [
    'get horizontalpodautoscalers.v1.autoscaling memory -n tour -o jsonpath={.metadata.annotations}',
    /autoscaling\.alpha\.kubernetes\.io\/metrics.*targetAverageValue.*100Mi/,
  ],
  // A client of v1 that writes back what it read loses nothing of v2.
  ['annotate horizontalpodautoscalers.v1.autoscaling memory -n tour a=b', /annotate/],
  ['get hpa memory -n tour', /memory: <unknown>\/100Mi/],
  ['apply -n tour -f -', /statefulset\.apps\/db created/, STATEFUL_SET],
  // kubectl sends the claim templates whenever they have defaults (as against Kubernetes); nothing changes by it.
  ['apply -n tour -f -', /statefulset\.apps\/db configured/, STATEFUL_SET],
  ['get sts db -n tour -o jsonpath={.metadata.generation}', /^1$/],
  [
    'apply -n tour -f -',
    /updates to statefulset spec for fields other than 'replicas'/,
    STATEFUL_SET.replace('serviceName: db', 'serviceName: other'),
  ],
  ['scale sts db -n tour --replicas=3', /scaled/],
  ['get sts -n tour', /db +0\/3/],
  ['get sts db -n tour --subresource=scale', /NAME +DESIRED +AVAILABLE +AGE\s+db +3 +0/],
  ['get sts db -n tour --subresource=status', /NAME +READY +AGE\s+db +0\/3/],
  [
    'get sts db -n tour -o jsonpath={.spec.volumeClaimTemplates[0].kind}{.metadata.generation}',
    /^PersistentVolumeClaim2$/,
  ],
  ['apply --server-side -n tour -f -', /daemonset\.apps\/agent serverside-applied/, DAEMON_SET],
  ['set image ds/agent main=agent:2 -n tour', /image updated/],
  ['get ds agent -n tour -o jsonpath={.metadata.annotations}{.metadata.generation}', /template\.generation":"2"\}2$/],
  ['get ds -n tour', /agent +0 +0 +0 +0 +0 +disk=ssd/],
  ['apply -n tour -f -', /created/, CLAIM],
  ['get pvc -n tour', /data +Pending +fast +<unset>/],
  ['apply -f -', /created/, VOLUME],
  ['apply -f -', /is immutable after creation/, VOLUME.replace('/data', '/other')],
  ['get pv', /disk +1Gi +RWO +Retain +Pending/],
  ['apply -n tour -f -', /created/, NETWORK_POLICY],
  ['get netpol -n tour', /deny +app=db/],
  ['create -f -', /certificatesigningrequest\.certificates\.k8s\.io\/jane created/, SIGNING_REQUEST],
  ['get csr', /jane +\d+s +kubernetes\.io\/kube-apiserver-client +admin +<none> +Pending/],
  ['certificate approve jane', /approved/],
  ['get csr jane', /Approved/],
  ['certificate deny jane', /is already Approved/],
  ['auth whoami', /Username +admin/],
  ['auth can-i create pods', /^yes/],
  ['auth can-i delete nodes --as=bob', /^no/],
  ['auth can-i --list -n tour', /\*\.\* +\[\] +\[\] +\[\*\]/],
  ['auth can-i --list --as=system:node:n1 --as-group=system:nodes', /pods\/eviction +\[\] +\[\] +\[create\]/],
  ['create --validate=false -o jsonpath={.status} -f -', /"authenticated":false/, TOKEN_REVIEW],
  [
    'get all -n tour',
    /daemonset\.apps\/agent[^]*statefulset\.apps\/db[^]*horizontalpodautoscaler[^]*cronjob\.batch\/nightly[^]*job\.batch\/hello/,
  ],
  ['explain cronjob.spec', /KIND: +CronJob[^]*schedule\t<string> -required-/],
  ['explain networkpolicy.spec.ingress.from', /ipBlock\t<IPBlock>/],
  ['describe hpa web -n tour', /resource cpu on pods/],
  ['describe ingress web -n tour', /cert terminates example\.com/],
  ['delete job hello -n tour', /deleted/],
  ['get tokenreviews', /MethodNotAllowed/],
];

/** kubectl before 1.28 has no whoami; the columns are the server's whoever asks. */
function isFor(binary: string, command: string): boolean {
  return !(binary.endsWith('1.27') && (command === 'auth whoami' || command.startsWith('create --validate')));
}

const binaries = kubectls(27);
if (binaries.length === 0) test.skip('kubectl: none on PATH', () => undefined);
for (const binary of binaries) {
  test.serial(`${binary.split('/').at(-1)} makes and shows every kind as against Kubernetes`, async (t) => {
    t.timeout(180_000);
    const running = await startKubectlServer(binary);
    try {
      for (const [command, want, stdin] of steps.filter(([name]) => isFor(binary, name)))
        t.regex(await running.kubectl(command, stdin), want, `kubectl ${command}`);
    } finally {
      await running.stop();
    }
  });
}
