/** The text of a kubeconfig: the shared address as the default context, and one context per node. Pure. */
export interface KubeconfigInput {
  clusterName: string;
  authorityPem: string;
  certificatePem: string;
  privateKeyPem: string;
  /** https://host:port */
  defaultServer: string;
  nodes: { name: string; server: string }[];
}

/** Base64 of text; kubeconfig data is PEM, so ASCII. */
function base64(text: string): string {
  return btoa(text);
}

export function kubeconfigText(input: KubeconfigInput): string {
  const clusters = [
    { name: 'kontiki', server: input.defaultServer },
    ...input.nodes.map(({ name, server }) => ({ name: `kontiki-${name}`, server })),
  ];
  const authority = base64(input.authorityPem);
  return [
    'apiVersion: v1',
    'kind: Config',
    'preferences: {}',
    'current-context: kontiki',
    'clusters:',
    ...clusters.flatMap(({ name, server }) => [
      `- name: ${name}`,
      '  cluster:',
      `    server: ${server}`,
      `    certificate-authority-data: ${authority}`,
    ]),
    'contexts:',
    ...clusters.flatMap(({ name }) => [
      `- name: ${name}`,
      '  context:',
      `    cluster: ${name}`,
      '    user: kontiki-admin',
    ]),
    'users:',
    '- name: kontiki-admin',
    '  user:',
    `    client-certificate-data: ${base64(input.certificatePem)}`,
    `    client-key-data: ${base64(input.privateKeyPem)}`,
    '',
  ].join('\n');
}
