// The hub in the real world: its clock, its turn of the event loop, its limits, its store.

import { randomBytes } from 'node:crypto';
import type { Auth } from '../contract/auth.ts';
import type { HubLimits, OwnedHub, Rates } from '../contract/hub.ts';
import type { Store } from '../contract/store.ts';
import { createHub } from '../hub/hub.ts';
import { openLmdb } from '../store/lmdb.ts';
import { now } from '../transport/clock.ts';
import { Loop } from '../transport/loop.ts';
import { Timer } from '../transport/timers.ts';
import type { Config } from './config/schema.ts';
import { type Log, portOf } from './log.ts';

export interface Running {
  readonly hub: OwnedHub;
  readonly loop: Loop;
  /** The hub's own; assigning to it changes what the hub allows from then on. */
  readonly limits: { -readonly [K in keyof HubLimits]: HubLimits[K] };
}

/** Makes a hub on an event loop of its own; call `hub.start` next. `failed`: nothing may be acknowledged any more. */
export function makeHub(
  limits: HubLimits,
  auth: Auth,
  store: Store | undefined,
  log: Log,
  failed: (why: Error) => void,
): Running {
  const loop = new Loop(portOf(log));
  const own = { ...limits };
  const hub = createHub(
    {
      auth,
      store,
      now,
      wake: (at) => loop.timers.schedule(alarm, at),
      turn: () => loop.requestTurn(),
      random: (length) => randomBytes(length),
      failed,
      log: portOf(log),
    },
    own,
  );
  const alarm = new Timer({ due: (at) => hub.wake(at) });
  loop.atTurn = () => hub.turn();
  return { hub, loop, limits: own };
}

/** Opens what the configuration says; undefined: nothing is kept. */
export async function openStore(config: Config['store']): Promise<Store | undefined> {
  if (config.durability === 'memory') return undefined;
  return openLmdb(config.path, { durability: config.durability });
}

export function hubLimits({ limits, bans, listeners }: Config): HubLimits {
  return {
    topicLevels: limits.topicLevels,
    topicBytes: limits.topicBytes,
    clientIdBytes: limits.clientIdBytes,
    connections: limits.connections,
    connectionsPerAddress: limits.connectionsPerAddress,
    subscriptionsPerClient: limits.subscriptionsPerClient,
    queueMessages: limits.queueMessages,
    queueBytes: limits.queueBytes,
    overflow: limits.overflow,
    inflight: limits.inflight,
    receiveMaximum: limits.receiveMaximum,
    retainedMessages: limits.retainedMessages,
    sessionExpiryMs: limits.sessionExpiry,
    messageExpiryMs: limits.messageExpiry,
    memoryBytes: limits.memory,
    rates: ratesOf(limits, limits),
    ratesAt: new Map((listeners ?? []).map((l) => [l.name, ratesOf(l.limits, limits)])),
    failuresPerAddress: bans.addressFailures,
    failuresPerUser: bans.userFailures,
    failuresWithinMs: bans.within,
    banMs: bans.lasts,
  };
}

interface WrittenRates {
  readonly messagesPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

/** What a listener says, and for the rest what all have. */
function ratesOf(here: WrittenRates, all: Config['limits']): Rates {
  return {
    messagesPerSecond: here.messagesPerSecond ?? all.messagesPerSecond,
    bytesPerSecond: here.bytesPerSecond ?? all.bytesPerSecond,
  };
}
