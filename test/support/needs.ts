/**
 * Tests of real parts that may be missing on a developer's machine: reported as skipped with the
 * reason there, and failed under CI, which installs the parts (.ci/run).
 */
import test, { type ExecutionContext } from 'ava';

type Body = (t: ExecutionContext) => void | Promise<void>;
type Declare = (title: string, body: Body) => void;

/** `needs('docker', found)('title', async (t) => …)` */
export function needs(part: string, present: boolean, options: { serial?: boolean } = {}): Declare {
  return (title, body) => {
    if (present) {
      if (options.serial) test.serial(title, body);
      else test(title, body);
    } else if (process.env['CI']) {
      test(title, (t) => t.fail(`CI has to provide: ${part}`));
    } else {
      test.skip(`${title} [skipped: needs ${part}]`, body);
    }
  };
}
