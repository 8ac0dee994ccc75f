// The composition root: the only list of parts. Starts a hub as configured, reloads it, stops it.

import path from 'node:path';
import { DeliveryWatch } from '../admin/delivery.ts';
import type { Phase } from '../admin/health.ts';
import { renderMetrics } from '../admin/metrics.ts';
import { ProcessWatch } from '../admin/process.ts';
import { SysTree } from '../admin/sys.ts';
import { Tracer } from '../admin/trace.ts';
import type { OwnedHub } from '../contract/hub.ts';
import { type Message, NEVER } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import { now } from '../transport/clock.ts';
import type { Loop } from '../transport/loop.ts';
import { Timer } from '../transport/timers.ts';
import { adminPasswords } from './admin-password.ts';
import { makeApi } from './api.ts';
import { type Engines, openEngines } from './auth.ts';
import { changesOf } from './config/changes.ts';
import { type PlannedListener, plan } from './config/listeners.ts';
import type { Setting } from './config/resolve.ts';
import type { Config } from './config/schema.ts';
import { hubLimits, makeHub, openStore } from './hub.ts';
import { FolderShelf } from './lab/folder-shelf.ts';
import { Lab } from './lab/lab.ts';
import { MemoryShelf, type Shelf } from './lab/shelf.ts';
import { limitsOf, type OpenListener, openListener } from './listeners.ts';
import { LocalClient } from './local.ts';
import type { Log } from './log.ts';
import { OscoreFiles } from './oscore.ts';
import { TimedStore } from './timed-store.ts';
import { FileWatch, watchedFiles } from './watch.ts';

/** The engine's writer thread may still be unwinding from the failed commit: an exit under it would end in SIGABRT instead of code 1. */
const UNWIND_MS = 200;

export interface ServerOptions {
  readonly log: Log;
  readonly version: string;
  /** Every setting with who said so, for the admin API. */
  readonly settings?: readonly Setting[];
  /** The store failed, and with it every promise. Default: ends the process with exit code 1. */
  readonly failed?: (why: Error) => void;
  /** Shows a line to the person who started the hub, such as a new password. Default: standard output. */
  readonly announce?: (line: string) => void;
}

export interface Server {
  readonly hub: OwnedHub;
  /** `mqtt://127.0.0.1:1883`, in the order of the listeners. */
  readonly addresses: readonly string[];
  /** The address of the listener of that name; throws when there is none. */
  address(listener: string): string;
  /** Applies what can be applied of a new configuration, and logs what needs a restart. */
  reload(next: Config): Promise<void>;
  /** Closes the listeners, says goodbye to every client, commits and closes the store. */
  stop(): Promise<void>;
}

/** How long connections may take to end once they were told to. */
const DRAIN_MS = 5_000;

/** Resolves when every listener is open. Rejects with an Error that says what is wrong and the fix; then nothing is left open. */
export async function startServer(config: Config, options: ServerOptions): Promise<Server> {
  const { log } = options;
  const listeners = plan(config);
  const engines = await openEngines(listeners, log);
  const opened = await openStore(config.store);
  const passwords = await adminPasswords(config, listeners).catch(async (error) => {
    await opened?.close();
    throw error;
  });
  const store = opened === undefined ? undefined : new TimedStore(opened);
  const state = { phase: 'starting' as Phase };
  const failed = (why: Error) => {
    if (state.phase === 'failed') return;
    state.phase = 'failed';
    log.fatal({ err: why }, `the store failed, so nothing more is acknowledged: ${why.message}`);
    if (options.failed !== undefined) options.failed(why);
    else setTimeout(() => process.exit(1), UNWIND_MS);
  };
  const { hub, loop, limits } = makeHub(hubLimits(config), engines, store, log, failed);
  const watch = new ProcessWatch();
  const deliveries = new DeliveryWatch(hub.counters);
  loop.stopwatch = deliveries;
  const startedAt = now();
  const open: OpenListener[] = [];
  // It logs in once the hub has started.
  let own: LocalClient | undefined;
  const lab = new Lab({ version: options.version, ...shelvesOf(config.store) });
  const admin = {
    lab,
    version: options.version,
    settings: options.settings ?? [],
    open,
    watch,
    passwords,
    publish: async (m: Message): Promise<Outcome> => own?.publish(m) ?? 'unavailable',
    tracer: new Tracer(hub, (tap) => {
      loop.tap = tap;
    }),
  };
  const oscore = new OscoreFiles();
  const web = {
    config: config.web,
    oscore,
    api: config.web.api ? makeApi(config, hub, admin) : undefined,
    failed: (error: Error) => log.error({ err: error }, `a web request failed: ${error.message}`),
    metrics: () =>
      renderMetrics({
        version: options.version,
        counters: hub.counters,
        stats: hub.stats,
        process: watch.look(),
        deliveries: deliveries.times,
        commits: store?.commits,
      }),
    health: () => ({
      phase: state.phase,
      version: options.version,
      uptimeSeconds: Math.floor((now() - startedAt) / 1_000),
      listeners: open.map((l) => l.listener.address),
    }),
  };
  try {
    await hub.start();
    // Rules may have changed while it was stopped.
    hub.reauthorize();
    own = new LocalClient(hub, 'admin');
    for (const one of listeners) open.push(...(await openListener(one, { hub, loop, engines, web, oscore })));
    await passwords.show?.(options.announce ?? announce);
  } catch (error) {
    await Promise.all(open.map((l) => l.listener.close()));
    await hub.stop();
    engines.close();
    watch.stop();
    await lab.stop();
    await store?.close();
    throw error;
  }
  let current = config;
  let rereading = Promise.resolve();
  /** Reads every file again, as the plan names it now; one after the other. */
  const again = (values: readonly string[]): Promise<void> => {
    rereading = rereading.then(async () => {
      const { epoch } = engines;
      await reread(plan(current), { open, engines, oscore, log }, values);
      if (engines.epoch !== epoch) hub.reauthorize();
    });
    return rereading;
  };
  const files = new FileWatch(
    () => watchedFiles(plan(current)),
    config.watch,
    () => void again([]),
  );
  const sys = publishSys(hub, loop, config, options.version, startedAt, store);
  state.phase = 'ready';
  log.info(`waymeet ${options.version} is ready: ${open.map((l) => l.listener.address).join('  ')}`);
  if (store === undefined) log.info('store.durability is memory: nothing is kept over a restart');

  let stopping: Promise<void> | undefined;
  const stop = async () => {
    state.phase = 'stopping';
    sys.stop();
    files.stop();
    await Promise.all(open.map((l) => l.listener.close()));
    await hub.stop();
    await Promise.all(open.map((l) => l.listener.ended(DRAIN_MS)));
    engines.close();
    watch.stop();
    await lab.stop();
    await store?.close();
  };
  return {
    hub,
    addresses: open.map((l) => l.listener.address),
    address(listener) {
      const found = open.find((l) => l.plan.name === listener);
      if (found === undefined) throw new Error(`there is no listener '${listener}'`);
      return found.listener.address;
    },
    async reload(next) {
      const changes = changesOf(current, next);
      current = changes.applied;
      await again(changes.live);
      retune(open, plan(current));
      Object.assign(limits, hubLimits(current));
      hub.retune();
      log.level = current.log.level;
      sys.every(current.sys.interval);
      if (changes.restart.length > 0) log.warn(`these changes need a restart: ${changes.restart.join(', ')}`);
    },
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Runs of the lab are kept where messages are. */
function shelvesOf({ durability, path: folder }: Config['store']): { shelf: Shelf; evidence: Shelf } {
  return durability === 'memory'
    ? { shelf: new MemoryShelf(), evidence: new MemoryShelf() }
    : {
        shelf: new FolderShelf(path.join(folder, 'lab')),
        evidence: new FolderShelf(path.join(folder, 'lab', 'choose')),
      };
}

function announce(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Gives the open listeners the limits of the new plan. */
function retune(open: readonly OpenListener[], next: readonly PlannedListener[]): void {
  for (const { plan: old, listener } of open) {
    const same = next.find((l) => l.name === old.name);
    if (same !== undefined) listener.tune(limitsOf(same));
  }
}

interface Reloaded {
  readonly open: readonly OpenListener[];
  readonly engines: Engines;
  readonly oscore: OscoreFiles;
  readonly log: Log;
}

/** Reads every file again, also those that kept their names. */
async function reread(
  next: readonly PlannedListener[],
  { open, engines, oscore, log }: Reloaded,
  values: readonly string[],
): Promise<void> {
  const done: string[] = [];
  const attempt = async (what: string, act: () => unknown) => {
    try {
      await act();
      done.push(what);
    } catch (error) {
      log.error(`reload: ${what} stay as they were: ${(error as Error).message}`);
    }
  };
  await attempt('users and rules', () => engines.reload(next));
  const certified = open.filter((l) => l.reload !== undefined);
  const readCertificates = () => {
    for (const l of certified) l.reload!(next.find((same) => same.name === l.plan.name)!.tls);
  };
  if (certified.length > 0) await attempt('certificates', readCertificates);
  if (oscore.some) await attempt('OSCORE contexts', () => oscore.reload());
  if (values.length > 0) done.push(values.join(', '));
  log.info(`reloaded ${done.join('; ')}`);
}

/** Publishes the `$SYS` tree as often as configured. */
function publishSys(
  hub: OwnedHub,
  loop: Loop,
  config: Config,
  version: string,
  startedAt: number,
  store: TimedStore | undefined,
) {
  const client = new LocalClient(hub, '$SYS');
  const sources = {
    version,
    startedAt,
    counters: hub.counters,
    stats: () => hub.stats,
    heapBytes: () => process.memoryUsage().heapUsed,
    commits: store?.commits,
  };
  const tree = new SysTree(sources, (m) => client.tell(m));
  let intervalMs = config.sys.interval;
  const timer = new Timer({
    due(at) {
      tree.update(at);
      loop.timers.schedule(timer, at + intervalMs);
    },
  });
  if (intervalMs !== NEVER) timer.owner.due(now());
  return {
    every(ms: number) {
      intervalMs = ms;
      loop.timers.cancel(timer);
      loop.timers.schedule(timer, ms === NEVER ? NEVER : now() + ms);
    },
    stop() {
      loop.timers.cancel(timer);
    },
  };
}
