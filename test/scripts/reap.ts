/** Remove what end-to-end runs that have died left behind; .ci/run calls it at its end. */
import { reap } from '#test/support/lab.ts';

reap();
