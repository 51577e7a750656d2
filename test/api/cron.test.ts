/** Schedules and ranges of addresses, as their parsers in Kubernetes take and refuse them. */
import test from 'ava';
import { isWithin, parseCidr } from '#src/api/cidr.ts';
import { parseCron } from '#src/api/cron.ts';

test('schedules are read as cron reads them', (t) => {
  t.like(parseCron('*/20 1-3,5 * JAN mon'), {
    minutes: new Set([0, 20, 40]),
    hours: new Set([1, 2, 3, 5]),
    months: new Set([1]),
    weekdays: new Set([1]),
    anyDay: false,
  });
  t.like(parseCron('0 0 1 * 5'), { anyDay: true });
  t.deepEqual((parseCron('5/20 * * * *') as unknown as { minutes: Set<number> }).minutes, new Set([5, 25, 45]));
  t.deepEqual(parseCron('@every 1h30m'), { type: 'every', seconds: 5400 });
  t.deepEqual(parseCron('@hourly'), parseCron('0 * * * *'));
});
const wrongSchedules: [string, string][] = [
  ['60 * * * *', 'end of range (60) above maximum (59): 60'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['* * * * 7', 'end of range (7) above maximum (6): 7'],
  ['9-3 * * * *', 'beginning of range (9) beyond end of range (3): 9-3'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['@sometimes', 'unrecognized descriptor: @sometimes'],
  ['@every now', 'failed to parse duration @every now: time: invalid duration'],
];
for (const [schedule, message] of wrongSchedules) {
  test(`the schedule ${schedule} is refused`, (t) => {
    t.throws(() => parseCron(schedule), { message });
  });
}

const ranges: [string, string, boolean][] = [
  ['10.1.0.0/16', '10.0.0.0/8', true],
  ['10.0.0.0/8', '10.1.0.0/16', false],
  ['2001:db8:1::/48', '2001:db8::/32', true],
  ['::ffff:10.0.0.0/120', '::/0', true],
  ['10.0.0.0/8', '::/0', false],
];
for (const [inner, outer, want] of ranges) {
  test(`${inner} is ${want ? '' : 'not '}within ${outer}`, (t) =>
    t.is(isWithin(parseCidr(inner)!, parseCidr(outer)!), want));
}
