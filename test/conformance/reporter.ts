// Counts the clauses that passing tests are named by: `npm run conformance` runs vitest with it.

import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, TestModule } from 'vitest/node';
import { type Counts, coverageOf, describeCoverage, losses, unknownIds } from './coverage.ts';
import { LEDGER_5 } from './ledger-5.ts';
import { LEDGER_311 } from './ledger-311.ts';

const STANDARDS = [
  ['MQTT 3.1.1', LEDGER_311],
  ['MQTT 5.0', LEDGER_5],
] as const;

const COUNTS = new URL('count.json', import.meta.url);

/** Prints the counts and the gaps, fails when a test failed or a count fell, and writes down a count that rose. */
export class ConformanceReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message: string }[]): void {
    const passed: string[] = [];
    const failed: string[] = [];
    const problems = errors.map((e) => e.message);
    for (const module of modules) {
      for (const error of module.errors()) problems.push(`${fileOf(module)}: ${error.message}`);
      for (const test of module.children.allTests()) {
        const { state, errors: why } = test.result();
        if (state === 'passed') passed.push(test.fullName);
        if (state !== 'failed') continue;
        failed.push(test.fullName);
        problems.push(`${fileOf(module)}: ${test.fullName}\n    ${why[0]?.message ?? ''}`);
      }
    }
    for (const id of unknownIds([LEDGER_311, LEDGER_5], [...passed, ...failed]))
      problems.push(`${id} is in no ledger`);

    const now: Record<string, number> = {};
    for (const [standard, ledger] of STANDARDS) {
      const coverage = coverageOf(ledger, passed, failed);
      now[standard] = coverage.covered;
      console.log(describeCoverage(standard, ledger.length, coverage));
    }
    const before = JSON.parse(readFileSync(COUNTS, 'utf8')) as Counts;
    problems.push(...losses(before, now));
    console.log(`${passed.length} passed, ${failed.length} failed`);
    if (problems.length > 0) {
      console.error(problems.join('\n'));
      process.exitCode = 1;
      return;
    }
    const risen = Object.keys(now).some((standard) => now[standard]! > (before[standard] ?? 0));
    if (risen) writeFileSync(COUNTS, `${JSON.stringify(now, undefined, 2)}\n`);
  }
}

function fileOf(module: TestModule): string {
  return relative(process.cwd(), module.moduleId);
}
