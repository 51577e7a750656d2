/** A definition made on one node is served by the others, to the stock kubectl, with real processes. */
import { canMakeNetns, createLab, eventually, isRoot, kubectlPath } from '#test/support/lab.ts';
import { needs } from '#test/support/needs.ts';

const DEFINITION = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {size: {type: integer, default: 3}}
            x-kubernetes-validations: [{rule: self.size < 10, message: too large}]
`;
const WIDGET = '{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"a"},"spec":{}}';

const canRun = isRoot && canMakeNetns() && kubectlPath !== undefined;

needs('root, network namespaces and kubectl', canRun, { serial: true })(
  'a custom resource defined on one node is served by all, and goes with its definition',
  async (t) => {
    t.timeout(600_000);
    const lab = await createLab({ runtime: 'process' });
    try {
      const up = await lab.up();
      t.is(up.code, 0, up.stdout + up.stderr);
      t.regex((await lab.apply(DEFINITION)).stdout, /customresourcedefinition\S* created/);
      const path = '/apis/example.com/v1/namespaces/default/widgets';
      // At once, on every node: a refusal is given only after a quorum has confirmed it.
      for (const node of ['n1', 'n2', 'n3']) {
        const listed = await lab.kubectlAt(node, 'get', '--raw', path);
        t.regex(listed.stdout, /"kind":"WidgetList"/, listed.stderr);
      }
      t.regex((await lab.apply(WIDGET)).stdout, /widget\.example\.com\/a created/);
      for (const node of ['n1', 'n2', 'n3']) {
        const got = await lab.kubectlAt(node, 'get', 'wd');
        t.regex(got.stdout, /NAME +SIZE\s+a +3/, got.stderr);
      }
      const refused = await lab.kubectlAt('n2', 'patch', 'widget', 'a', '--type=merge', '-p', '{"spec":{"size":12}}');
      t.regex(refused.stderr, /spec: Invalid value: "object": too large/);
      await eventually('the APIService of the group', 30_000, async () =>
        /v1\.example\.com +Local +True/.test((await lab.kubectl('get', 'apiservices')).stdout),
      );
      t.is((await lab.kubectlAt('n3', 'delete', 'crd', 'widgets.example.com')).code, 0);
      t.regex((await lab.kubectlAt('n1', 'get', '--raw', path)).stderr, /NotFound|could not find/);
    } finally {
      await lab.close();
    }
  },
);
