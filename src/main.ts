/**
 * The one program: `kontiki <command>`. Every node of a cluster runs it as `kontiki server`.
 * Read next: cli/cli.ts (the commands), node/node.ts (what a node is made of).
 */
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { main } = await import('./cli/cli.ts');
process.exitCode = await main(process.argv.slice(2));
