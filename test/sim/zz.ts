import { played } from '#src/cli/sim-consensus.ts';
import { drawCase } from '#src/sim/consensus/run.ts';
const r = await played(
  drawCase({
    seed: Number(process.argv[2]),
    profile: process.argv[3] as any,
    ...(process.argv[4] ? { safetyMs: Number(process.argv[4]) } : {}),
  }),
);
console.log(JSON.stringify(r.violations).slice(0, 1000));
console.log(r.details.slice(0, 6000));
console.log(
  JSON.stringify(
    (r.played.faults ?? []).filter(
      (f: any) => f.kind === 'bit-flip' || f.kind === 'power' || f.kind === 'kill' || f.kind === 'crash-in-call',
    ),
  ),
);
