// `waymeet lab run`, `report` and `list`: files, flags and the terminal around src/lab.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { NETWORKS } from '../lab/networks.ts';
import { RADIOS } from '../lab/radios.ts';
import { csvOf } from '../lab/report/csv.ts';
import { htmlOf } from '../lab/report/html.ts';
import { type Run, runOf } from '../lab/report/read.ts';
import { tableOf } from '../lab/report/table.ts';
import type { RunLine } from '../lab/result.ts';
import { runIdOf, runLab } from '../lab/run.ts';
import { VARIANTS } from '../lab/variant.ts';
import { planOf, readWorkload, WorkloadError, type WorkloadInput } from '../lab/workload.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { Bar } from './lab-bar.ts';
import type { ReportFlags, RunFlags } from './lab-flags.ts';
import { FOLDER, type Keeper, keepRun, openRun, readText, runsIn } from './lab-runs.ts';

/** So many idle clients tell what one takes in memory, unless the workload says otherwise. */
const MEMORY_CLIENTS = 100;

export async function run(
  io: Io,
  version: string,
  file: string | undefined,
  flags: RunFlags,
): Promise<number> {
  return asUsage(async () => {
    const input = inputOf(io, file, flags);
    if (flags.real !== undefined) return (await import('./lab-real.ts')).real(io, input, flags);
    input.memoryClients ??= MEMORY_CLIENTS;
    const keeper = keeperOf(io, version, input, flags);
    const lines: RunLine[] = [];
    const bar = new Bar(io, flags.quiet !== true);
    const abort = new AbortController();
    void io.stopAsked().then(() => abort.abort());
    let end: Awaited<ReturnType<typeof runLab>>;
    try {
      end = await runLab(input, {
        version,
        ...(flags.threads === undefined ? {} : { threads: flags.threads }),
        signal: abort.signal,
        line: (line) => {
          lines.push(line);
          keeper?.write(line);
          if (flags.json === true) io.output.write(`${JSON.stringify(line)}\n`);
        },
        progress: (done, of) => bar.show(done, of),
      });
    } finally {
      bar.clear();
      keeper?.close();
    }
    const whole = runOf(lines, 'this run');
    if (flags.json !== true) io.output.write(tableOf(whole, io.output.isTTY === true));
    await writeReports(io, whole, flags);
    const seconds = (end.wallMs / 1_000).toFixed(1);
    const kept = keeper === undefined ? '' : `, kept in ${keeper.file}`;
    say(io, `${end.cells} of ${whole.head.cells} cells in ${seconds} s${kept}`);
    return end.interrupted ? EXIT.failed : EXIT.fine;
  });
}

export async function report(io: Io, name: string | undefined, flags: ReportFlags): Promise<number> {
  return asUsage(async () => {
    const found = openRun(io, name);
    if (flags.json === true)
      for (const line of [found.head, ...found.cells, ...found.sweeps])
        io.output.write(`${JSON.stringify(line)}\n`);
    else io.output.write(tableOf(found, io.output.isTTY === true));
    await writeReports(io, found, flags);
    return EXIT.fine;
  });
}

export async function list(io: Io, what: string | undefined, json: boolean): Promise<number> {
  const lists: Record<string, () => readonly object[]> = {
    variants: () =>
      VARIANTS.map(({ id, title, guarantee, security, transport }) => ({
        id,
        title,
        guarantee,
        security,
        transport,
      })),
    networks: () =>
      Object.values(NETWORKS).map((n) => ({
        name: n.name,
        title: n.title,
        delayMs: n.delayMs,
        loss: n.loss,
        source: n.source,
      })),
    radios: () => Object.values(RADIOS).map(({ name, source }) => ({ name, source })),
    runs: () => runsIn(io),
  };
  const chosen = what === undefined ? Object.keys(lists) : [what];
  for (const name of chosen) {
    const rows = lists[name];
    if (rows === undefined)
      throw new Failure(`there is no list '${name}'; there are ${Object.keys(lists).join(', ')}`, EXIT.usage);
    if (json) for (const row of rows()) io.output.write(`${JSON.stringify({ list: name, ...row })}\n`);
    else io.output.write(`${name}\n${columnsOf(rows())}\n`);
  }
  return EXIT.fine;
}

/** A mistake in a workload is a mistake in the command. */
async function asUsage(act: () => Promise<number>): Promise<number> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof WorkloadError) throw new Failure(error.message, EXIT.usage, error);
    throw error;
  }
}

// ---- the workload

function inputOf(io: Io, file: string | undefined, flags: RunFlags): WorkloadInput {
  const from = file === undefined ? {} : readWorkload(readText(path.resolve(io.folder, file)), file);
  const given: Record<string, unknown> = { ...from };
  const take = (name: string, value: unknown): void => {
    if (value !== undefined) given[name] = value;
  };
  const { variants } = flags;
  take('variants', variants?.length === 1 && variants[0] === 'all' ? 'all' : variants);
  take('networks', flags.networks);
  for (const name of ['messages', 'devices', 'rate', 'topic', 'direction', 'fanOut', 'security'] as const)
    take(name, flags[name]);
  for (const name of ['retained', 'reconnectEvery', 'outage', 'seed'] as const) take(name, flags[name]);
  take('keepAliveSeconds', flags.keepAlive);
  take('sweeps', flags.sweep);
  if (flags.qos !== undefined) given['qos'] = flags.qos === 'any' ? 'any' : Number(flags.qos);
  if (!flags.resume) given['resume'] = false;
  const payload = { ...(from.payload ?? {}), ...(flags.size === undefined ? {} : { bytes: flags.size }) };
  if (flags.shape !== undefined) Object.assign(payload, { shape: flags.shape });
  if (Object.keys(payload).length > 0) given['payload'] = payload;
  for (const one of flags.set) set(given, one);
  if (flags.loss !== undefined || flags.delay !== undefined) given['networks'] = changed(given, flags);
  return given as WorkloadInput;
}

/** `tls.version=1.2`: the value is read as YAML, and as text where a number would lose something. */
function set(into: Record<string, unknown>, text: string): void {
  const at = text.indexOf('=');
  if (at < 1) throw new Failure(`--set ${text} has no value: give it as --set tls.version=1.2`, EXIT.usage);
  const steps = text.slice(0, at).split('.');
  const raw = text.slice(at + 1);
  let where = into;
  for (const step of steps.slice(0, -1)) {
    where[step] = { ...((where[step] as object | undefined) ?? {}) };
    where = where[step] as Record<string, unknown>;
  }
  where[steps.at(-1)!] = steps.at(-1) === 'version' ? raw : (parse(raw) as unknown);
}

/** The chosen networks with another loss or delay, and a name that says so. */
function changed(given: Record<string, unknown>, flags: RunFlags): unknown[] {
  const { networks } = planOf({ networks: given['networks'] as WorkloadInput['networks'] });
  const { loss, delay } = flags;
  return networks.map((n) => {
    const from = NETWORKS[n.name] === undefined ? undefined : n.name;
    if (from === undefined)
      throw new Failure(
        `--loss and --delay change networks of 'waymeet lab list'; '${n.name}' is the file's own: change it there`,
        EXIT.usage,
      );
    const parts = [
      ...(loss === undefined ? [] : [`${Math.round(loss * 1_000) / 10} % loss`]),
      ...(delay === undefined ? [] : [`${delay} ms`]),
    ];
    return {
      from,
      name: `${from}, ${parts.join(', ')}`,
      title: `${n.title}, with ${parts.join(' and ')}`,
      ...(loss === undefined ? {} : { loss, ...(n.burst > 1 ? {} : { burst: 1 }) }),
      ...(delay === undefined ? {} : { delayMs: delay, jitterMs: 0 }),
    };
  });
}

// ---- files

function keeperOf(io: Io, version: string, input: WorkloadInput, flags: RunFlags): Keeper | undefined {
  if (!flags.save) return undefined;
  return keepRun(io, flags.out ?? path.join(FOLDER, `${runIdOf(planOf(input), version)}.ndjson`));
}

async function writeReports(io: Io, run: Run, flags: ReportFlags): Promise<void> {
  if (flags.csv !== undefined) writeFileSync(path.resolve(io.folder, flags.csv), csvOf(run));
  if (flags.html !== undefined) writeFileSync(path.resolve(io.folder, flags.html), await htmlOf(run));
}

// ---- the terminal

function columnsOf(rows: readonly object[]): string {
  const texts = rows.map((row) => Object.values(row).map(String));
  const widths = (texts[0] ?? []).map((_, i) => Math.max(...texts.map((t) => t[i]!.length)));
  return texts
    .map((t) => `  ${t.map((cell, i) => (i === t.length - 1 ? cell : cell.padEnd(widths[i]!))).join('  ')}\n`)
    .join('');
}
