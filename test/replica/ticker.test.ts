import test from 'ava';
import { Ticker } from '#src/replica/ticker.ts';
import type { Clock } from '#src/ports/clock.ts';

/** A clock moved by hand; `late`: timers fire that much after they were due. */
function byHand(): { clock: Clock; move: (ms: number, late?: number) => void; wakes: () => number } {
  let now = 0;
  let wakes = 0;
  let timers: { at: number; fire: () => void }[] = [];
  const clock: Clock = {
    monotonicMs: () => now,
    wallMs: () => now,
    after(delayMs, fire) {
      const timer = { at: now + delayMs, fire };
      timers.push(timer);
      return { cancel: () => void (timers = timers.filter((other) => other !== timer)) };
    },
    soon: (fire) => fire(),
    endOfTurn: (fire) => fire(),
  };
  return {
    clock,
    wakes: () => wakes,
    move(ms, late = 0) {
      const end = now + ms;
      for (;;) {
        const next = timers.toSorted((a, b) => a.at - b.at)[0];
        if (!next || next.at + late > end) break;
        timers = timers.filter((other) => other !== next);
        now = Math.max(now, next.at + late);
        wakes += 1;
        next.fire();
      }
      now = end;
    },
  };
}

function follower(timeoutTicks: number): {
  hand: ReturnType<typeof byHand>;
  ticker: Ticker;
  heartbeat: () => void;
  elections: number[];
} {
  const hand = byHand();
  let elapsed = 0;
  const elections: number[] = [];
  const ticker = new Ticker({
    clock: hand.clock,
    tickMs: 10,
    untilDue: () => Math.max(1, timeoutTicks - elapsed),
    busy: () => false,
    pass: (count) => {
      elapsed += count;
      if (elapsed < timeoutTicks) return;
      elapsed = 0;
      elections.push(hand.clock.monotonicMs());
    },
    woke: () => undefined,
  });
  const heartbeat = (): void => {
    ticker.catchUp();
    elapsed = 0;
    ticker.arm();
  };
  ticker.start();
  return { hand, ticker, heartbeat, elections };
}

test('an election is due after as many ticks as with one timer each, in a fifth of the wake-ups', (t) => {
  const { hand, elections } = follower(30);
  hand.move(299);
  t.deepEqual(elections, []);
  hand.move(2);
  t.deepEqual(elections, [300]);
  t.true(hand.wakes() <= 7, `${hand.wakes()} wake-ups`);
});

test('a heartbeat in between puts it off by its whole length: time before it does not count after it', (t) => {
  const { hand, heartbeat, elections } = follower(30);
  for (let i = 0; i < 10; i += 1) {
    hand.move(290);
    heartbeat();
  }
  t.deepEqual(elections, []);
  hand.move(280);
  t.deepEqual(elections, []);
  hand.move(30);
  t.is(elections.length, 1);
});

test('after a standstill the messages that wait are seen first', (t) => {
  const { hand, heartbeat, elections } = follower(30);
  hand.move(20);
  hand.move(5000, 4000); // The timer comes four seconds late.
  t.deepEqual(elections, []);
  heartbeat();
  hand.move(250);
  t.deepEqual(elections, []);
});

test('stopped, it wakes no more', (t) => {
  const { hand, ticker, elections } = follower(3);
  ticker.stop();
  hand.move(1000);
  t.deepEqual(elections, []);
});
