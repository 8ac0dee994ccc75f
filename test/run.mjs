// `npm test`: every check of the project in one go, ending with `N passed, N failed`.
//
//   npm test                 everything
//   npm test -- types unit   only the named steps
//   CI=true npm test         also installs the Debian packages that the interop tests judge with, if it may

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(path.join(tmpdir(), 'waymeet-test-'));
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

/** Debian packages with the clients that judge us. Without them those tests are skipped by name, and counted. */
const JUDGES = [
  'mosquitto',
  'mosquitto-clients',
  'python3-paho-mqtt',
  'python3-stomp',
  'python3-pika',
  'python3-slixmpp',
  'python3-aioxmpp',
  'python3-kombu',
  'go-sendxmpp',
  'libnet-stomp-perl',
  'python3-qpid-proton',
  'python3-uamqp',
  'python3-requests',
  'libcoap3-bin',
  'openssl',
  'iproute2',
  'nftables',
  'ethtool',
  'curl',
  'chromium',
  'netcat-openbsd',
  'amqp-tools',
  'g++',
  'rabbitmq-server',
];

/** Where vitest leaves its counts. */
const report = path.join(scratch, 'vitest.json');
const UNIT = [
  ...[bin('vitest'), 'run', '--exclude', 'test/conformance/**', '--exclude', 'src/protocol/mqtt/**'],
  ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
];

/** Name, title, command, and whether it is vitest: then each of its tests counts. */
const STEPS = [
  ['types', 'TypeScript', ['npm', 'run', '--silent', 'types']],
  ['lint', 'lint and format', [bin('biome'), 'check', '.']],
  ['build', 'build', ['npm', 'run', '--silent', 'build']],
  ['unit', 'tests', UNIT, true],
  ['conformance', 'MQTT conformance ledger', ['npm', 'run', '--silent', 'conformance'], true],
  ['bench', 'bench smoke', ['npm', 'run', '--silent', 'bench', '--', '--smoke']],
];

let passed = 0;
let failed = 0;
let skipped = 0;

function installJudges() {
  const missing = JUDGES.filter((name) => spawnSync('dpkg', ['-s', name], { stdio: 'ignore' }).status !== 0);
  if (missing.length === 0) return;
  const root = process.getuid?.() === 0;
  if (!root || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) {
    console.log(`not installed, so some tests are skipped: ${missing.join(' ')} (apt-get install them)`);
    return;
  }
  console.log(`installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore', env });
  const done = spawnSync('apt-get', ['install', '-yq', '--no-install-recommends', ...missing], {
    stdio: 'ignore',
    env,
  });
  if (done.status !== 0) console.log('apt-get could not install them: some tests are skipped');
}

function run(command) {
  return new Promise((resolve) => {
    const [program, ...rest] = command;
    const env = { ...process.env, VITEST_JSON: report };
    const child = spawn(program, rest, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('close', (code) => resolve(code ?? 1));
    child.on('error', () => resolve(1));
  });
}

/** A step of many tests, each of which counts. */
async function count(command) {
  rmSync(report, { force: true });
  const code = await run(command);
  if (!existsSync(report)) {
    failed++;
    return;
  }
  const result = JSON.parse(readFileSync(report, 'utf8'));
  passed += result.numPassedTests;
  failed += result.numFailedTests;
  skipped += result.numPendingTests;
  if (code !== 0 && result.numFailedTests === 0) failed++;
  for (const file of result.testResults) {
    for (const test of file.assertionResults)
      if (test.status === 'pending') console.log(`skipped: ${test.fullName}`);
  }
}

installJudges();
const chosen = process.argv.slice(2);
for (const [name, title, command, counts] of STEPS) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const began = Date.now();
  console.log(`\n── ${title}`);
  if (counts) await count(command);
  else if ((await run(command)) === 0) passed++;
  else {
    failed++;
    console.log(`FAILED: ${title}`);
  }
  console.log(`── ${title}: ${((Date.now() - began) / 1000).toFixed(1)} s`);
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
