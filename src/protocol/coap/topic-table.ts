// The topics that were created under `/ps` (draft-ietf-core-coap-pubsub): kept as retained messages, so that they outlive the process.

import { type Cbor, CborError, decodeCbor, encodeCbor } from '../../bytes/cbor.ts';
import type { Hub } from '../../contract/hub.ts';
import type { Message } from '../../contract/message.ts';
import { NEVER } from '../../contract/message.ts';
import { Desk } from './desk.ts';
import type { Endpoint } from './endpoint.ts';
import type { Observer } from './observe.ts';
import { CODE } from './packet.ts';

/** `$ps/{id}`: who may publish there may create, change and delete topics; who may subscribe there sees them. */
export const CONFIGURATIONS = '$ps';
export const DATA_TYPE = 'core.ps.data';
const DEFAULT_OBSERVER_CHECK_S = 86_400;

/** Abbreviations of the properties. */
export const KEY = {
  name: 0,
  data: 1,
  resourceType: 2,
  contentFormat: 3,
  topicType: 4,
  expiration: 5,
  maxSubscribers: 6,
  observerCheck: 7,
  initialize: 8,
} as const;
/** The properties by their full names, which clients may write too. */
const NAMES = new Map<string, number>([
  ['topic-name', KEY.name],
  ['topic-data', KEY.data],
  ['resource-type', KEY.resourceType],
  ['topic-content-format', KEY.contentFormat],
  ['topic-type', KEY.topicType],
  ['expiration-date', KEY.expiration],
  ['max-subscribers', KEY.maxSubscribers],
  ['observer-check', KEY.observerCheck],
  ['initialize', KEY.initialize],
]);

export type Properties = ReadonlyMap<number, Cbor>;

/** One topic: half created until its hub topic has a retained value, or `initialize` gave it an empty one. */
export interface PsTopic {
  readonly id: string;
  /** The topic of the hub. */
  readonly name: string;
  readonly properties: Properties;
  readonly expiresAt: number;
  readonly subscribers: Set<Subscriber>;
}

export interface Subscriber {
  readonly endpoint: Endpoint;
  readonly observer: Observer;
}

/** The properties in a client's or our own CBOR map, by number; text says what is wrong. */
export function propertiesOf(octets: Uint8Array): Map<number, Cbor> | string {
  const map = decoded(octets);
  if (typeof map === 'string') return map;
  if (!(map instanceof Map)) return 'a map of properties is expected';
  const found = new Map<number, Cbor>();
  for (const [key, value] of map) {
    const number = typeof key === 'number' ? key : NAMES.get(key);
    if (number === undefined || !fits(number, value)) return `property ${key} is not known, or not so`;
    found.set(number, value);
  }
  return found;
}

/** Any CBOR; text, which no caller expects, says what is wrong. */
export function decoded(octets: Uint8Array): Cbor {
  try {
    return decodeCbor(octets);
  } catch (error) {
    if (error instanceof CborError) return `no CBOR: ${error.message}`;
    throw error;
  }
}

export function keyNumber(key: Cbor): number | undefined {
  return typeof key === 'number' ? key : typeof key === 'string' ? NAMES.get(key) : undefined;
}

function fits(key: number, value: Cbor): boolean {
  switch (key) {
    case KEY.name:
    case KEY.data:
    case KEY.resourceType:
    case KEY.topicType:
      return typeof value === 'string';
    case KEY.expiration:
      return typeof value === 'string' && !Number.isNaN(Date.parse(value));
    case KEY.contentFormat:
      return whole(value) && value <= 0xffff;
    case KEY.maxSubscribers:
      return whole(value);
    case KEY.observerCheck:
      return whole(value) && value > 0;
    case KEY.initialize:
      return typeof value === 'boolean';
    default:
      return false;
  }
}

function whole(value: Cbor): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

export class TopicTable extends Desk {
  private readonly topics = new Map<string, PsTopic>();

  /** False: the hub takes no clients any more. */
  get works(): boolean {
    return this.open('coap-ps', `${CONFIGURATIONS}/+`);
  }

  protected hear(m: Message): void {
    const id = m.topic.slice(CONFIGURATIONS.length + 1);
    const properties = m.payload.length === 0 ? undefined : propertiesOf(m.payload);
    const name = typeof properties === 'object' ? properties.get(KEY.name) : undefined;
    // Whoever may publish under $ps may write nonsense there: it is no topic then.
    if (typeof properties !== 'object' || typeof name !== 'string') {
      this.remove(id);
      return;
    }
    const expiration = properties.get(KEY.expiration);
    const known = this.topics.get(id);
    const topic: PsTopic = {
      id,
      name,
      properties,
      expiresAt: typeof expiration === 'string' ? Date.parse(expiration) : NEVER,
      subscribers: known?.subscribers ?? new Set(),
    };
    this.topics.set(id, topic);
    this.enforceLimit(topic);
  }

  /** Those above `max-subscribers` lose their observation, the newest first. */
  private enforceLimit({ properties, subscribers }: PsTopic): void {
    const most = properties.get(KEY.maxSubscribers);
    if (typeof most !== 'number') return;
    for (const one of [...subscribers].slice(most)) dismiss(one);
  }

  private remove(id: string): void {
    const topic = this.topics.get(id);
    this.topics.delete(id);
    if (topic !== undefined) dismissAll(topic);
  }

  find(id: string): PsTopic | undefined {
    const topic = this.topics.get(id);
    if (topic === undefined || topic.expiresAt > this.hub.now()) return topic;
    this.remove(id);
    return undefined;
  }

  named(name: string): boolean {
    return this.all().some((topic) => topic.name === name);
  }

  all(): PsTopic[] {
    const { hub } = this;
    const now = hub.now();
    return [...this.topics.values()].filter((topic) => topic.expiresAt > now);
  }

  protected closed(): void {
    this.topics.clear();
  }
}

function dismiss({ endpoint, observer }: Subscriber): void {
  endpoint.observers.dismiss(observer, CODE.notFound);
}

/** The data is gone: every subscriber gets a last 4.04 [RFC7641-3.2]. */
export function dismissAll(topic: PsTopic): void {
  for (const one of [...topic.subscribers]) dismiss(one);
}

/** All properties as a client reads them. */
export function described(topic: PsTopic): Map<number, Cbor> {
  const said = new Map<number, Cbor>([
    [KEY.name, topic.name],
    [KEY.data, `ps/data/${topic.id}`],
    [KEY.resourceType, DATA_TYPE],
  ]);
  for (const [key, value] of topic.properties) if (key !== KEY.initialize) said.set(key, value);
  if (!said.has(KEY.observerCheck)) said.set(KEY.observerCheck, DEFAULT_OBSERVER_CHECK_S);
  return said;
}

export function encodeProperties(properties: Properties): Uint8Array {
  return encodeCbor(new Map([...properties].toSorted(([a], [b]) => a - b)));
}

const tables = new WeakMap<Hub, TopicTable>();

/** The one table of a hub; undefined when the hub is stopping. */
export function topicTable(hub: Hub): TopicTable | undefined {
  let table = tables.get(hub);
  if (table === undefined) {
    table = new TopicTable(hub);
    tables.set(hub, table);
  }
  return table.works ? table : undefined;
}
