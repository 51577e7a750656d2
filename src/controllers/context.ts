/** What every control loop is given. */
import type { Clock } from '#src/ports/clock.ts';
import type { Log } from '#src/ports/log.ts';
import type { Random } from '#src/ports/random.ts';
import type { Client } from '#src/registry/client.ts';
import type { EventRecorder } from '#src/registry/event-recorder.ts';
import type { Metrics } from '#src/std/metrics.ts';
import type { ControllerConfig } from './config.ts';
import type { Informers } from './informers.ts';
import type { Writer } from './writer.ts';

export interface ControllerContext {
  client: Client;
  clock: Clock;
  log: Log;
  random: Random;
  metrics?: Metrics | undefined;
  config: ControllerConfig;
  informers: Informers;
  writer: Writer;
  /** One recorder per component name; stopped with the duties. */
  recorder(component: string): EventRecorder;
}
