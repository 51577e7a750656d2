/**
 * The real kubectl against the server over the real Http driver, on loopback. Which kubectl: the one on
 * PATH and its siblings `kubectl.1.NN`; without any the test is skipped, with the reason.
 */
import test from 'ava';
import type { ExecRequest } from '#src/apiserver/pod-exec.ts';
import { encodeLengthFrame } from '#src/std/length-frames.ts';
import type { Peers } from '#src/wire/peers.ts';
import type { ByteStream } from '#src/wire/streams.ts';
import { kubectls, startKubectlServer } from '#test/support/kubectl-server.ts';

function hasWebSocket(binary: string): boolean {
  const minor = /kubectl\.1\.(\d+)$/.exec(binary)?.[1];
  return minor !== undefined && Number(minor) >= 31;
}

/** A kubelet that answers exec with its command, or as a shell that ends with 3, and has one line of log. */
const kubelet = {
  openStream: async (_node: string, method: string, header: unknown): Promise<ByteStream> => {
    const encoder = new TextEncoder();
    const waiting: Uint8Array[] = [];
    const request = header as ExecRequest;
    if (method === 'kubelet.logs') waiting.push(encoder.encode('one line\n'));
    else {
      const channel = (number: number, text: string): Uint8Array =>
        encodeLengthFrame(new Uint8Array([number, ...encoder.encode(text)]));
      const failed = {
        status: 'Failure',
        reason: 'NonZeroExitCode',
        details: { causes: [{ reason: 'ExitCode', message: '3' }] },
        message: 'command terminated with exit code 3',
      };
      waiting.push(channel(1, `ran ${request.command.join(' ')}\n`));
      waiting.push(channel(3, JSON.stringify(request.command[0] === 'fail' ? failed : { status: 'Success' })));
    }
    return {
      write: async () => undefined,
      end: () => undefined,
      cancel: () => undefined,
      read: async () => waiting.shift(),
      onClose: () => undefined,
    };
  },
} as unknown as Peers;

const BOUND_POD =
  '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b","namespace":"tour"},"spec":{"nodeName":"n1","containers":[{"name":"main","image":"busybox"}]}}';

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: tour}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}]
`;

/** A definition and an object of it, as a user meets them. */
function customResourceSteps(): [string, RegExp, string?][] {
  const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: When it runs.}
              replicas: {type: integer, minimum: 1, default: 1}
            x-kubernetes-validations:
            - {rule: self.replicas < 10, message: fewer than ten}
          status: {type: object, properties: {replicas: {type: integer}}}
`;
  const object = `
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: mine, namespace: tour}
spec: {cronSpec: "* * * * */5"}
`;
  return [
    [
      'apply -f -',
      /customresourcedefinition\.apiextensions\.k8s\.io\/crontabs\.stable\.example\.com created/,
      definition,
    ],
    ['wait crd crontabs.stable.example.com --for=condition=Established --timeout=5s', /condition met/],
    ['apply -f -', /unchanged/, definition],
    ['get crd', /NAME +CREATED AT\s+crontabs\.stable\.example\.com +20/],
    ['api-resources', /crontabs +ct +stable\.example\.com\/v1 +true +CronTab/],
    ['apply -f -', /crontab\.stable\.example\.com\/mine created/, object],
    ['apply -f -', /crontab\.stable\.example\.com\/mine unchanged/, object],
    ['apply -f -', /unknown field "spec\.bogus"/, object.replace('spec: {', 'spec: {bogus: 1, ')],
    ['get ct -n tour', /NAME +SPEC +REPLICAS +AGE\s+mine +\* \* \* \* \*\/5 +1 +\d+s/],
    ['explain crontab.spec.cronSpec', /FIELD: cronSpec <string>[\s\S]*When it runs\./],
    ['patch crontab mine -n tour --type=merge -p {"spec":{"replicas":3}}', /patched/],
    [
      'patch crontab mine -n tour --type=merge -p {"spec":{"replicas":12}}',
      /spec: Invalid value: "object": fewer than ten/,
    ],
    ['scale crontab mine -n tour --replicas=5', /scaled/],
    ['get crontab mine -n tour -o jsonpath={.spec.replicas}{.metadata.generation}', /^53$/],
    ['apply --server-side --force-conflicts -f -', /serverside-applied/, object],
    ['label crontab mine -n tour a=b', /labeled/],
    ['describe crontab mine -n tour', /Cron Spec: +\* \* \* \* \*\/5/],
    ['delete crontab mine -n tour', /crontab\.stable\.example\.com "mine" deleted/],
  ];
}

const steps: [string, RegExp, string?][] = [
  ['version', /Server Version: v1\.36\.0\+kontiki/],
  ['api-resources', /deployments +deploy +apps\/v1 +true +Deployment/],
  ['create ns tour', /namespace\/tour created/],
  ['get ns tour', /NAME +STATUS +AGE\s+tour +Active/],
  ['apply -f -', /deployment\.apps\/web created/, DEPLOYMENT],
  ['apply -f -', /deployment\.apps\/web unchanged/, DEPLOYMENT],
  ['apply -f -', /deployment\.apps\/web configured/, DEPLOYMENT.replace('nginx', 'httpd')],
  ['apply -f -', /unknown field "spec\.bogus"/, `${DEPLOYMENT}  bogus: 1\n`],
  ['get deploy -n tour', /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\s+web +0\/2/],
  ['get deploy,svc -A', /service\/kubernetes/],
  ['get deploy web -n tour -o jsonpath={.spec.template.spec.containers[0].image}', /^httpd$/],
  ['label deploy web -n tour tier=front', /labeled/],
  ['get deploy -n tour -l tier=front -o name', /deployment\.apps\/web/],
  ['scale deploy web -n tour --replicas=5', /scaled/],
  ['set image deploy/web -n tour main=nginx:2', /image updated/],
  ['get deploy web -n tour -o jsonpath={.spec.replicas}{.metadata.generation}', /^54$/],
  ['wait deploy web -n tour --for=jsonpath={.spec.replicas}=5 --timeout=5s', /condition met/],
  ['explain deployment.spec.replicas', /FIELD: replicas <integer>/],
  ['run p -n tour --image=busybox', /pod\/p created/],
  ['describe pod p -n tour', /Image: +busybox/],
  ['get pod p -n tour -o wide', /p +0\/1 +Pending/],
  ['create configmap c -n tour --from-literal=a=b', /configmap\/c created/],
  ['create configmap c -n tour --from-literal=a=b', /configmaps "c" already exists/],
  ['expose deploy web -n tour --port=80', /service\/web exposed/],
  ['apply -f -', /pod\/b created/, BOUND_POD],
  ['logs b -n tour', /^one line$/m],
  ['get pod missing -n tour', /Error from server \(NotFound\): pods "missing" not found/],
  ['delete pod p -n tour', /pod "p" deleted/],
  ['delete deploy web -n tour', /deployment\.apps "web" deleted/],
  ['delete ns default', /is forbidden: this namespace may not be deleted/],
  ['get events -n tour', /No resources found/],
  ...customResourceSteps(),
];

/** exec over WebSocket came with kubectl 1.30; older ones know SPDY only. */
const execSteps: typeof steps = [
  ['exec b -n tour -- echo hello', /^ran echo hello$/m],
  ['exec b -n tour -- fail', /command terminated with exit code 3/],
  ['exec b -n tour -c other -- ls', /container other is not valid for pod b/],
];

const binaries = kubectls();
if (binaries.length === 0) test.skip('kubectl: none on PATH', () => undefined);
for (const binary of binaries) {
  test.serial(`${binary.split('/').at(-1)} works as against Kubernetes`, async (t) => {
    t.timeout(120_000);
    const running = await startKubectlServer(binary, kubelet);
    try {
      for (const [command, want, stdin] of hasWebSocket(binary) ? [...steps, ...execSteps] : steps)
        t.regex(await running.kubectl(command, stdin), want, `kubectl ${command}`);
    } finally {
      await running.stop();
    }
  });
}
