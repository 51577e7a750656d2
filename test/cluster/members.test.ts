/** Who votes, in whole clusters in virtual time: what the cluster decides by itself, and what an operator tells it. */
import test from 'ava';
import { createPrng } from '#src/sim/prng.ts';
import { Stage } from './stage.ts';

test('1 → 3 → 5: nodes that join get votes when an odd number is ready, each change with its reason', async (t) => {
  const stage = new Stage({ seed: 1, nodes: 5, late: 4 });
  const { cluster } = stage;
  await cluster.up();
  t.is(stage.members, 'n1');
  t.regex(stage.leader?.survival ?? '', /^1 voter: its loss loses the cluster; add two nodes/);
  cluster.start('n2');
  await stage.until('two voters', () => stage.members === 'n1 n2');
  t.is(
    stage.leader?.survival,
    '2 voters: the loss of either stops writes until it is back, and loses nothing; add a third node',
  );
  cluster.start('n3');
  await stage.until('three voters', () => stage.members === 'n1 n2 n3');
  cluster.start('n4');
  await stage.until('a standby', () => stage.members === 'n1 n2 n3 + n4' && stage.status('n4')?.ready === true);
  await stage.pass(5000);
  t.is(stage.members, 'n1 n2 n3 + n4', 'four do not vote');
  cluster.start('n5');
  await stage.until('five voters', () => stage.members === 'n1 n2 n3 n4 n5');
  await stage.untilTold(/n2 caught up; 2 voters\nn3 caught up; 3 voters\n.* caught up; 5 voters$/);
  t.is(stage.leader?.replica.reason, stage.reasons.at(-1), 'the log says the same');
  t.deepEqual(cluster.violations, []);
});

test('voters are spread over zones', async (t) => {
  const stage = new Stage({ seed: 2, nodes: 4, late: 1, zones: ['a', 'a', 'b', 'c'] });
  await stage.cluster.up();
  await stage.until('zones known', () => Object.keys(stage.leader?.zones ?? {}).length === 3);
  stage.cluster.start('n4');
  await stage.until('a voter in each zone', () => stage.members.includes('n4') && stage.members.includes('+ n'));
  await stage.until('spread', () => {
    const zones = stage.leader?.replica.voters.map((id) => stage.leader?.zones[id]) ?? [];
    return new Set(zones).size === 3;
  });
  await stage.untilTold(/\nn4 votes instead of n[12]: its zone 'c' had no voter$/);
  t.deepEqual(stage.cluster.violations, []);
});

test('a lost voter is replaced by the standby after the stated time, and stands by when it is back', async (t) => {
  const stage = new Stage({ seed: 3, nodes: 4 });
  const { cluster } = stage;
  await cluster.up();
  const before = stage.members;
  const [standby = ''] = stage.leader?.replica.learners ?? [];
  const [lost = '', kept = ''] = stage.followers;
  cluster.crash(lost, 'power');
  await stage.pass(4000);
  t.is(stage.members, before, 'a restart is no loss');
  await stage.until('replaced', () => stage.leader?.replica.voters.includes(standby) === true);
  await stage.untilTold(new RegExp(`\n${lost} is lost since 5 s; ${standby} in place$`));
  cluster.start(lost);
  await stage.until('standing by', () => stage.status(lost)?.replica.role === 'learner');
  await stage.pass(5000);
  t.true(stage.leader?.replica.learners.includes(lost), 'it does not push anyone out');
  t.true(stage.leader?.replica.voters.includes(kept));
  t.deepEqual(cluster.violations, []);
});

test('without a standby nothing is changed, and the leader says why; two of three lost change nothing either', async (t) => {
  const stage = new Stage({ seed: 4, nodes: 3 });
  const { cluster } = stage;
  await cluster.up();
  const [lost = '', other = ''] = stage.followers;
  const leader = stage.leader?.name ?? '';
  cluster.crash(lost, 'power');
  await stage.until('told', () => stage.leader?.waiting !== undefined);
  t.regex(stage.leader?.waiting ?? '', new RegExp(`^${lost} is lost since \\d+ s; no standby is fit to replace it$`));
  t.is(stage.members, 'n1 n2 n3');
  const refused = await stage.ask(leader, 'demote', other);
  t.is(refused.status, 400);
  t.regex(refused.message, /1 of the 2 voters that it takes do not answer/);
  cluster.crash(other, 'power');
  await stage.pass(10_000);
  t.is(stage.status(leader)?.replica.voters.length, 3);
  const silent = await stage.ask(leader, 'remove', lost);
  t.is(silent.status, 503);
  t.regex(silent.message, /no leader at the moment: 2 of its 3 voters \(.*\) have to reach each other/);
  cluster.start(lost);
  cluster.start(other);
  await stage.until('whole', () => stage.leader !== undefined && stage.leader.waiting === undefined);
  t.is(stage.members, 'n1 n2 n3');
  t.deepEqual(cluster.violations, []);
});

test('one that is cut off is replaced; it cannot lead or vote the others away, and stands by when it is healed', async (t) => {
  const stage = new Stage({ seed: 5, nodes: 4 });
  const { cluster } = stage;
  await cluster.up();
  const old = stage.leader?.name ?? '';
  stage.isolate(old);
  await stage.until('another leader', () => stage.leader?.name !== old && stage.leader !== undefined);
  await stage.until('replaced', () => stage.leader?.replica.learners.includes(old) === true);
  t.is(stage.leader?.replica.voters.length, 3);
  const term = stage.leader?.replica.term;
  cluster.network.healAll();
  await stage.until('standing by', () => stage.status(old)?.replica.role === 'learner');
  t.is(stage.leader?.replica.term, term, 'its return costs no election');
  t.deepEqual(cluster.violations, []);
});

test('as members leave, five voters become three; removed while down, a node is refused when it returns', async (t) => {
  const stage = new Stage({ seed: 6, nodes: 5 });
  const { cluster } = stage;
  await cluster.up();
  const [down = '', asked = '', live = ''] = stage.followers;
  cluster.crash(down, 'power');
  await stage.pass(500);
  t.is((await stage.ask(asked, 'remove', down)).status, 200);
  await stage.until('three of four', () => stage.leader?.replica.voters.length === 3);
  await stage.untilTold(new RegExp(`3 voters are enough for 4 members; n\\d stands by$`));
  t.true(stage.reasons.includes(`remove ${down}, by the operator`));
  t.is((await stage.ask(asked, 'remove', live)).status, 200);
  await stage.until('three', () => stage.members.split(' ').length === 3 && !stage.members.includes('+'));

  cluster.start(down);
  await stage.pass(5000);
  t.false(stage.members.includes(down));
  t.false(stage.leader?.peers.some(({ name, connected }) => name === down && connected));
  const lines = cluster.nodes.flatMap(({ process }) => process?.log.lines ?? []);
  t.true(lines.some((line) => JSON.stringify(line).includes(`${down} was removed from this cluster`)));
  // The process that was removed while it ran says so and does not serve.
  t.not(stage.status(live)?.ready, true);
  t.deepEqual(cluster.violations, []);
});

test('the leader can be removed; the last voter cannot', async (t) => {
  const stage = new Stage({ seed: 7, nodes: 2 });
  const { cluster } = stage;
  await cluster.up();
  const leader = stage.leader?.name ?? '';
  const [other = ''] = stage.followers;
  const removed = await stage.ask(other, 'remove', leader);
  t.is(removed.status, 200, removed.message);
  await stage.until('one left', () => stage.members === other);
  const refused = await stage.ask(other, 'remove', other);
  t.is(refused.status, 400);
  t.regex(refused.message, /is the last voter; without it the cluster could decide nothing/);
  const demoted = await stage.ask(other, 'demote', other);
  t.regex(demoted.message, /is the last voter/);
  t.is(stage.members, other);
  t.deepEqual(cluster.violations, []);
});

test('what the operator demoted stays a standby until it is promoted by hand', async (t) => {
  const stage = new Stage({ seed: 8, nodes: 3 });
  const { cluster } = stage;
  await cluster.up();
  const [held = '', other = ''] = stage.followers;
  t.is((await stage.ask(other, 'demote', held)).status, 200);
  await stage.pass(10_000);
  t.deepEqual(stage.leader?.replica.learners, [held]);
  t.deepEqual(stage.leader?.held, [held]);
  t.is((await stage.ask(other, 'promote', held)).status, 200);
  await stage.until('three voters', () => stage.members === 'n1 n2 n3');
  t.deepEqual(stage.leader?.held, []);
  t.deepEqual(cluster.violations, []);
});

// Which of them leads, and who has lost whom when it moves, is another with each seed.
for (const seed of [9, 11, 15]) {
  test(`a member that moved says so itself, and the log carries its new address (seed ${seed})`, async (t) => {
    const stage = new Stage({ seed, nodes: 3 });
    const { cluster } = stage;
    await cluster.up();
    for (const name of [...stage.followers, stage.leader?.name ?? '']) {
      const node = cluster.node(name);
      const advertise = `${node.host}:7555`;
      await stage.restart(node, (config) => (config.peer = { host: node.host, port: 7555, advertise }));
      await stage.until(`${name} known at ${advertise}`, () => stage.leader?.replica.addresses[name] === advertise);
      await stage.until('ready', () => cluster.nodes.every((one) => stage.status(one.name)?.ready === true));
    }
    t.deepEqual(cluster.violations, []);
  });
}

test('all members move at once: told where the others are, they find each other and the log follows', async (t) => {
  const stage = new Stage({ seed: 10, nodes: 3 });
  const { cluster } = stage;
  await cluster.up();
  const peers = Object.fromEntries(cluster.nodes.map(({ name, host }) => [name, `${host}:7555`]));
  for (const { name } of cluster.nodes) cluster.crash(name, 'process');
  for (const { config, host } of cluster.nodes) {
    config.peer = { host, port: 7555, advertise: `${host}:7555` };
    config.peers = peers;
  }
  for (const { name } of cluster.nodes) cluster.start(name);
  await stage.until('the new addresses in the log', () =>
    cluster.nodes.every(({ name }) => JSON.stringify(stage.status(name)?.replica.addresses) === JSON.stringify(peers)),
  );
  await stage.until('ready', () => cluster.nodes.every(({ name }) => stage.status(name)?.ready === true));
  t.deepEqual(cluster.violations, []);
});

test('an older copy of a disk, and a lost disk under the old name, are refused', async (t) => {
  const stage = new Stage({ seed: 11, nodes: 3 });
  const { cluster } = stage;
  await cluster.up();
  await stage.pass(2000);
  const [victim = ''] = stage.followers;
  const node = cluster.node(victim);
  cluster.crash(victim, 'process');
  // What a power cut leaves is a copy of what was synced.
  const copy = node.medium && { names: node.medium.names.afterPowerCut(createPrng(1)) };
  cluster.start(victim);
  await stage.until('back', () => stage.status(victim)?.ready === true);
  cluster.crash(victim, 'process');
  await stage.pass(500);
  node.medium = copy;
  cluster.start(victim);
  await stage.until('refused', () => node.fatals.length > 0);
  t.regex(node.fatals[0] ?? '', /older copy/);

  cluster.crash(victim, 'process');
  node.medium = undefined;
  node.fatals.length = 0;
  await stage.pass(1000);
  cluster.start(victim);
  await stage.until('refused', () => node.fatals.length > 0, 40_000);
  t.regex(node.fatals[0] ?? '', /belongs to another data directory/);
  t.deepEqual(cluster.violations, []);
});
