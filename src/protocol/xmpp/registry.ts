// Who is here: the bound resources of one hub, by user and by the id that resumes them, and the nodes that were configured.

import type { Access, Hub } from '../../contract/hub.ts';
import { Nodes } from './nodes.ts';
import type { Session } from './session.ts';

export class Registry {
  private readonly users = new Map<string, Set<Session>>();
  /** By the id that a client resumes with. */
  readonly resumable = new Map<string, Session>();
  private known: Nodes | undefined = undefined;

  add(session: Session): void {
    const { local } = session.jid;
    const here = this.users.get(local);
    if (here === undefined) this.users.set(local, new Set([session]));
    else here.add(session);
  }

  remove(session: Session): void {
    const { local } = session.jid;
    const here = this.users.get(local);
    if (here?.delete(session) && here.size === 0) this.users.delete(local);
    if (session.resumeId !== '') this.resumable.delete(session.resumeId);
  }

  /** The resources of a user. */
  of(local: string): Iterable<Session> {
    return this.users.get(local) ?? [];
  }

  find(local: string, resource: string): Session | undefined {
    for (const session of this.of(local)) if (session.jid.resource === resource) return session;
    return undefined;
  }

  everybody(): Iterable<Session> {
    return [...this.users.values()].flatMap((sessions) => [...sessions]);
  }

  /** What was configured; the first client brings it from the store. */
  nodes(access: Access): Nodes {
    this.known ??= new Nodes(access.notes());
    return this.known;
  }
}

const registries = new WeakMap<Hub, Registry>();

/** One for all listeners of a hub: users of TCP and of WebSocket meet. */
export function registryOf(hub: Hub): Registry {
  let registry = registries.get(hub);
  if (registry === undefined) {
    registry = new Registry();
    registries.set(hub, registry);
  }
  return registry;
}
