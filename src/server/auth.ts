// Who may come in: an engine for each `auth` block of the configuration, behind one Auth that asks the listener's.

import { ChainAuth, type ChainOptions } from '../auth/chain.ts';
import { openAuth } from '../auth/open.ts';
import type { Auth, Exchange, Identity, Login } from '../contract/auth.ts';
import type { Outcome } from '../contract/outcome.ts';
import { aclOf } from './config/acl.ts';
import type { PlannedListener } from './config/listeners.ts';
import type { Log } from './log.ts';
import { Provers } from './provers.ts';

interface Engine {
  readonly auth: Auth;
  readonly chain: ChainAuth | undefined;
  readonly provers: Provers;
  readonly listeners: readonly string[];
}

/** Opens the engines. Rejects with what is wrong in their files. */
export async function openEngines(listeners: readonly PlannedListener[], log: Log): Promise<Engines> {
  const blocks = new Map<string, PlannedListener[]>();
  for (const l of listeners) {
    const key = blockOf(l);
    blocks.set(key, [...(blocks.get(key) ?? []), l]);
  }
  const engines = await Promise.all([...blocks.values()].map((sharing) => openEngine(sharing, log)));
  return new Engines(engines);
}

/** Listeners with the same files share an engine, and so its cache of proven passwords. */
function blockOf(l: PlannedListener): string {
  return JSON.stringify([l.engine, l.auth, l.tls.psk]);
}

async function openEngine(listeners: readonly PlannedListener[], log: Log): Promise<Engine> {
  const { engine, tls } = listeners[0]!;
  const names = listeners.map((l) => l.name);
  const provers = new Provers(log);
  // Pre-shared keys are kept by the other engine; whoever showed one comes in as that device.
  if (engine === 'open' && tls.psk === undefined)
    return { auth: openAuth(), chain: undefined, provers, listeners: names };
  const chain = await ChainAuth.open(await optionsOf(listeners, provers));
  return { auth: engine === 'open' ? openAuth() : chain, chain, provers, listeners: names };
}

async function optionsOf(listeners: readonly PlannedListener[], provers: Provers): Promise<ChainOptions> {
  const { engine, auth, tls } = listeners[0]!;
  const anonymous = new Set(listeners.flatMap((l) => (l.anonymous ? [l.name] : [])));
  const certified = new Set(listeners.flatMap((l) => (l.tls.certificateIsUser ? [l.name] : [])));
  const acl = aclOf(auth);
  return {
    ...(auth.users === undefined ? {} : { usersFile: auth.users }),
    ...(auth.acl === undefined ? {} : { aclFile: auth.acl }),
    ...(acl === undefined ? {} : { acl }),
    ...(tls.psk === undefined ? {} : { pskFile: tls.psk }),
    chain: await provers.chain(auth),
    anonymous: (listener) => engine === 'open' || anonymous.has(listener),
    certificateIsUser: (listener) => certified.has(listener),
  };
}

/** All engines as one. Identities remember who proved them. */
export class Engines implements Auth {
  private readonly engines: readonly Engine[];
  private readonly byListener = new Map<string, Engine>();
  private readonly provedBy = new WeakMap<Identity, Auth>();

  constructor(engines: readonly Engine[]) {
    this.engines = engines;
    for (const engine of engines) for (const name of engine.listeners) this.byListener.set(name, engine);
  }

  async identify(login: Login): Promise<Identity | Outcome> {
    const engine = this.byListener.get(login.listener);
    if (engine === undefined) return 'not-authorized';
    return this.remember(await engine.auth.identify(login), engine.auth);
  }

  exchange(mechanism: string, login: Login): Exchange | undefined {
    const engine = this.byListener.get(login.listener);
    const exchange = engine?.auth.exchange(mechanism, login);
    if (engine === undefined || exchange === undefined) return undefined;
    return {
      step: async (fromClient) => {
        const step = await exchange.step(fromClient);
        if (step.kind === 'done') this.remember(step.identity, engine.auth);
        return step;
      },
    };
  }

  allows(who: Identity, client: string, action: 'publish' | 'subscribe', topicOrFilter: string): boolean {
    return this.provedBy.get(who)?.allows(who, client, action, topicOrFilter) ?? false;
  }

  stands(who: Identity): boolean {
    return this.provedBy.get(who)?.stands?.(who) ?? true;
  }

  /** Which engine knew somebody who is away is known only where there is one. */
  absent(principal: string): Identity | undefined {
    const [engine, second] = this.engines;
    const identity = second === undefined ? engine?.auth.absent?.(principal) : undefined;
    return identity === undefined ? undefined : this.remember(identity, engine!.auth);
  }

  get epoch(): number {
    return this.engines.reduce((sum, engine) => sum + engine.auth.epoch, 0);
  }

  /** The pre-shared key of a device at a listener. */
  preSharedKey(listener: string, identity: string): Uint8Array | undefined {
    return this.byListener.get(listener)?.chain?.pskKey(identity);
  }

  /** Reads users, rules, keys and services again, as `next` names them. What rejects still holds as it was read before. */
  async reload(next: readonly PlannedListener[]): Promise<void> {
    for (const { chain, provers, listeners } of this.engines) {
      if (chain === undefined) continue;
      const planned = next.filter((l) => listeners.includes(l.name));
      if (planned.some((l) => blockOf(l) !== blockOf(planned[0]!))) {
        throw new Error(
          `the listeners ${listeners.join(' and ')} shared them and now differ: that needs a restart`,
        );
      }
      await chain.reload(await optionsOf(planned, provers));
    }
  }

  close(): void {
    for (const { provers } of this.engines) provers.close();
  }

  private remember<T extends Identity | Outcome>(result: T, auth: Auth): T {
    if (typeof result !== 'string') this.provedBy.set(result, auth);
    return result;
  }
}
