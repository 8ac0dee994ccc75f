// The admin API as this server offers it: figures, settings and listeners in its words, and who may come in.

import { Guard } from '../admin/api/guard.ts';
import type { ApiHost } from '../admin/api/operations.ts';
import { Api } from '../admin/api/router.ts';
import { History } from '../admin/history.ts';
import type { ProcessWatch } from '../admin/process.ts';
import type { Tracer } from '../admin/trace.ts';
import type { OwnedHub } from '../contract/hub.ts';
import type { Message } from '../contract/message.ts';
import type { Outcome } from '../contract/outcome.ts';
import type { AdminPasswords } from './admin-password.ts';
import { shownValue } from './config/print.ts';
import type { Setting } from './config/resolve.ts';
import type { Config } from './config/schema.ts';
import type { Lab } from './lab/lab.ts';
import type { OpenListener } from './listeners.ts';

export interface ApiParts {
  readonly version: string;
  readonly settings: readonly Setting[];
  readonly open: readonly OpenListener[];
  readonly watch: ProcessWatch;
  readonly passwords: AdminPasswords;
  publish(m: Message): Promise<Outcome>;
  readonly tracer: Tracer;
  readonly lab: Lab;
}

export function makeApi(config: Config, hub: OwnedHub, parts: ApiParts): Api {
  const guard = new Guard({ ...parts.passwords, now: () => hub.now() });
  const host: ApiHost = {
    hub,
    version: parts.version,
    paths: {
      mqtt: config.web.mqtt,
      json: config.web.json,
      coap: config.web.coap,
      stomp: config.web.stomp,
    },
    loginNeeded: guard.loginNeeded,
    listeners: () => parts.open.map(viewOf),
    settings: () => parts.settings.map(settingOf),
    figures: () => figuresOf(hub, parts.watch),
    publish: (m) => parts.publish(m),
    tracer: parts.tracer,
    lab: parts.lab,
    history: new History(hub.inspection),
  };
  return new Api(host, guard);
}

function viewOf({ plan, listener }: OpenListener) {
  return {
    name: plan.name,
    address: listener.address,
    type: plan.type,
    protocols: [...plan.protocols],
    connections: listener.connections,
  };
}

function settingOf(setting: Setting) {
  const { field, where } = setting;
  const { about, live } = field.notes;
  return { path: field.path, value: shownValue(setting), where, about, live };
}

function figuresOf(hub: OwnedHub, watch: ProcessWatch) {
  const { residentBytes, heapBytes, cpuSeconds, lag } = watch.look();
  const { groups: _, retainedBytes: __, ...stats } = hub.stats;
  const protocols = [...hub.counters.protocols].filter(([name]) => name !== 'hub');
  return {
    at: hub.now(),
    protocols: Object.fromEntries(
      protocols.map(([name, { faults: _faults, clientsTotal: _all, ...c }]) => [name, c]),
    ),
    dropped: Object.fromEntries(hub.counters.dropped),
    ...stats,
    memoryBytes: residentBytes,
    heapBytes,
    cpuSeconds,
    lagSeconds: lag.sum,
    lagSamples: lag.count,
  };
}
