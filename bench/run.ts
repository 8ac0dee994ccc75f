// Runs one scenario against one broker: a fresh broker on its core, a fresh generator on the other.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Broker, freePort, type Placement, pinned } from './brokers/broker.ts';
import type { Answer, Job } from './generator/job.ts';
import type { Options } from './options.ts';
import type { Scenario, Work } from './scenarios/list.ts';
import { narrowed } from './scenarios/plan.ts';

const generator = fileURLToPath(new URL('./generator/main.js', import.meta.url));
/** Besides warm-up and measured time: connecting, draining, connection storms of slow brokers. */
const PATIENCE_MS = 120_000;

export async function runScenario(scenario: Scenario, broker: Broker, options: Options): Promise<Answer> {
  const dir = mkdtempSync(join(tmpdir(), 'waymeet-bench-'));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const port = await freePort();
    const profile =
      options.profileDir && join(resolvePath(options.profileDir), `${scenario.name}.cpuprofile`);
    const running = await broker.start({
      port,
      dialect: dialectOf(scenario.work),
      dir,
      durable: scenario.durable,
      core: options.brokerCore,
      profile,
    });
    try {
      const { level, warmMs, measureMs } = options;
      const work = withWindow(scenario.work, options.window ?? broker.bestWindow);
      return await generate({ work, level, port, pid: running.pid, warmMs, measureMs }, options);
    } finally {
      await running.stop();
    }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function dialectOf(work: Work): Placement['dialect'] {
  if (work.kind === 'queues') return work.plan.dialect;
  return work.kind === 'coap' ? 'coap' : 'mqtt';
}

function withWindow(work: Work, window: number | undefined): Work {
  return work.kind === 'flow' && window !== undefined ? { ...work, plan: narrowed(work.plan, window) } : work;
}

function generate(job: Job, options: Options): Promise<Answer> {
  return new Promise((resolve) => {
    const [command, ...args] = pinned(options.generatorCore, [process.execPath, generator]);
    const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const killer = setTimeout(() => child.kill('SIGKILL'), job.warmMs + job.measureMs + PATIENCE_MS);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    child.once('error', (error) => resolve({ error: `the generator: ${error.message}` }));
    child.once('close', (code, signal) => {
      clearTimeout(killer);
      const ended = `the generator ended with ${signal ?? code} and no answer`;
      resolve(said.endsWith('\n') ? (JSON.parse(said) as Answer) : { error: ended });
    });
    child.stdin.end(JSON.stringify(job));
  });
}
