// What the standard says a broker does with sessions, subscriptions and retained messages, as simple as it can be said.

import type { Qos } from '../../src/contract/message.ts';

export interface ModelSubscription {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** Its subscription identifier; 0: none. */
  readonly identifier: number;
}

export interface ModelMessage {
  readonly from: string;
  readonly topic: string;
  readonly payload: string;
  readonly qos: Qos;
  readonly retain: boolean;
}

interface ModelSession {
  /** It outlives its connection. */
  readonly durable: boolean;
  online: boolean;
  readonly subscriptions: Map<string, ModelSubscription>;
  queue: string[];
}

/** Deliveries by client, in order, each as `delivery` writes them. */
export type Expected = Map<string, string[]>;

/** One delivery as text: topic, payload, QoS, RETAIN and subscription identifiers. */
export function delivery(
  topic: string,
  payload: string,
  qos: number,
  retain: boolean,
  ids: readonly number[],
): string {
  const sorted = ids.filter((id) => id > 0).sort((a, b) => a - b);
  return `${topic} '${payload}' QoS ${qos}${retain ? ' retained' : ''} [${sorted}]`;
}

export class Model {
  readonly sessions = new Map<string, ModelSession>();
  private readonly retained = new Map<string, ModelMessage>();

  /** The client is there; what waited for it comes. */
  connect(name: string, durable: boolean): { present: boolean; expected: Expected } {
    const known = this.sessions.get(name);
    if (known === undefined) {
      this.sessions.set(name, { durable, online: true, subscriptions: new Map(), queue: [] });
      return { present: false, expected: new Map() };
    }
    known.online = true;
    const expected = new Map([[name, known.queue]]);
    known.queue = [];
    return { present: true, expected };
  }

  /** The client is gone. */
  lose(name: string): void {
    const session = this.sessions.get(name);
    if (session === undefined) return;
    if (session.durable) session.online = false;
    else this.sessions.delete(name);
  }

  /** The time of its session is over. */
  expire(name: string): void {
    this.sessions.delete(name);
  }

  crash(): void {
    for (const name of [...this.sessions.keys()]) this.lose(name);
  }

  subscribe(name: string, s: ModelSubscription): Expected {
    const { subscriptions } = this.sessions.get(name)!;
    const isNew = !subscriptions.has(s.filter);
    subscriptions.set(s.filter, s);
    if (s.retainHandling === 2 || (s.retainHandling === 1 && !isNew)) return new Map(); // [MQTT5-3.3.1-10,11]
    const replayed: string[] = [];
    for (const m of this.retained.values()) {
      if (!matches(s.filter, m.topic) || (s.noLocal && m.from === name)) continue;
      replayed.push(delivery(m.topic, m.payload, Math.min(m.qos, s.qos), true, [s.identifier]));
    }
    return new Map([[name, replayed]]);
  }

  unsubscribe(name: string, filter: string): boolean {
    return this.sessions.get(name)!.subscriptions.delete(filter);
  }

  publish(m: ModelMessage): Expected {
    if (m.retain) {
      if (m.payload === '')
        this.retained.delete(m.topic); // [MQTT5-3.3.1-6]
      else this.retained.set(m.topic, m);
    }
    const expected: Expected = new Map();
    for (const [name, session] of this.sessions) {
      const matching = [...session.subscriptions.values()].filter(
        (s) => matches(s.filter, m.topic) && !(s.noLocal && m.from === name), // [MQTT5-3.8.3-3]
      );
      if (matching.length === 0) continue;
      const qos = Math.min(m.qos, Math.max(...matching.map((s) => s.qos))); // [MQTT5-3.3.4-2]
      const retain = m.retain && matching.some((s) => s.retainAsPublished); // [MQTT5-3.3.1-12,13]
      const text = delivery(
        m.topic,
        m.payload,
        qos,
        retain,
        matching.map((s) => s.identifier), // [MQTT5-3.3.4-4]
      );
      if (session.online) expected.set(name, [text]);
      else if (qos > 0) session.queue.push(text);
    }
    return expected;
  }
}

/** 4.7, level by level. */
export function matches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[+#]/.test(filter)) return false; // [MQTT5-4.7.2-1]
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}
