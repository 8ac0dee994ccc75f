// The topic ids of one client: those that were registered, in either direction, and those that are known beforehand.

import { shortTopic } from './map.ts';
import type { TopicId, TopicRef } from './packet.ts';

/** 0x0000 and 0xFFFF are reserved [MQTTSN12-5.3.11]. */
const LARGEST_ID = 0xfffe;
/** What the names of one client may take, in characters. */
const MAX_NAMES = 262_144;

type TopicsById = ReadonlyMap<number, string>;

/** Topics known beforehand, by id: those of all clients, and those that a client has of its own. */
export class Predefined {
  /** Those that the client is known to know, because they are its own. */
  readonly own: TopicsById;
  private readonly names: TopicsById;
  private readonly clients = new Map<string, Predefined>();

  constructor(
    names: TopicsById,
    ofClients: ReadonlyMap<string, TopicsById> = new Map(),
    own: TopicsById = new Map(),
  ) {
    this.own = own;
    this.names = new Map([...names, ...own]);
    for (const [client, itsOwn] of ofClients)
      this.clients.set(client, new Predefined(names, undefined, itsOwn));
  }

  /** What this client may use. */
  of(client: string): Predefined {
    return this.clients.get(client) ?? this;
  }

  nameOf(id: number): string | undefined {
    return this.names.get(id);
  }
}

export class Topics {
  private readonly predefined: Predefined;
  private readonly limit: number;
  /** The oldest first. */
  private readonly ids = new Map<string, number>();
  private readonly names = new Map<number, string>();
  /**
   * Predefined ids that the client knows, by name: its own, and those that it has used itself. That the hub knows an id beforehand does not
   * mean that every client does, and a PUBLISH under an id that it does not know would be lost [MQTTSN12-6.7].
   */
  private readonly agreed = new Map<string, number>();
  private size = 0;
  private next = 1;
  /** The client has refused an id that needs no registration. */
  private registeredOnly = false;

  constructor(predefined: Predefined, limit: number) {
    this.predefined = predefined;
    this.limit = limit;
    for (const [id, name] of predefined.own) this.agree(name, id);
  }

  private agree(name: string, id: number): void {
    if (!this.agreed.has(name)) this.agreed.set(name, id);
  }

  /** The topic that a client means, or undefined for an id that stands for none. */
  nameOf(topic: TopicRef): string | undefined {
    switch (topic.kind) {
      case 'normal':
        return this.names.get(topic.id);
      case 'predefined': {
        const name = this.predefined.nameOf(topic.id);
        if (name !== undefined) this.agree(name, topic.id);
        return name;
      }
      default:
        return topic.name;
    }
  }

  /** How a PUBLISH to the client may call a topic; undefined: it must be registered first. */
  refOf(name: string): TopicId | undefined {
    const id = this.ids.get(name);
    if (id !== undefined) return { kind: 'normal', id };
    if (this.registeredOnly) return undefined;
    const known = this.agreed.get(name);
    return known === undefined ? shortTopic(name) : { kind: 'predefined', id: known };
  }

  /** The id of a name, a new one if need be; undefined: the client has too many. */
  register(name: string): number | undefined {
    const known = this.ids.get(name);
    if (known !== undefined) return known;
    return this.hasRoom(name) ? this.add(name) : undefined;
  }

  /** As `register`, and the oldest names make room. */
  introduce(name: string): number {
    const known = this.ids.get(name);
    if (known !== undefined) return known;
    for (const [oldest, id] of this.ids) {
      if (this.hasRoom(name)) break;
      this.drop(oldest, id);
    }
    return this.add(name);
  }

  /** The client does not know this id: it, or one that needs no registration, is not used again before it was registered. */
  forget(id: number): void {
    const name = this.names.get(id);
    if (name === undefined) this.registeredOnly = true;
    else this.drop(name, id);
  }

  clear(): void {
    this.ids.clear();
    this.names.clear();
    this.size = 0;
  }

  private hasRoom(name: string): boolean {
    return this.ids.size < this.limit && this.size + name.length <= MAX_NAMES;
  }

  /** Ids come around late: one that was dropped is not soon taken for another topic. */
  private add(name: string): number {
    while (this.names.has(this.next)) this.next = this.next === LARGEST_ID ? 1 : this.next + 1;
    const id = this.next;
    this.next = id === LARGEST_ID ? 1 : id + 1;
    this.ids.set(name, id);
    this.names.set(id, name);
    this.size += name.length;
    return id;
  }

  private drop(name: string, id: number): void {
    this.ids.delete(name);
    this.names.delete(id);
    this.size -= name.length;
  }
}
