// The list of scenarios, in the order of the table.

import type { CoapPlan } from '../generator/coap.ts';
import type { Qos } from '../generator/frames.ts';
import type { QueuePlan } from '../generator/queues.ts';
import { diverse, fanIn, fanOut, large, oneInFlight, type Plan, paced, pairs, wildcard } from './plan.ts';

/** What the generator does, and which figures come of it. */
export type Work =
  | {
      readonly kind: 'flow';
      readonly plan: Plan;
      readonly figures: 'messages' | 'paced' | 'one in flight' | 'octets';
    }
  /** Opens `clients` connections, then leaves them idle. */
  | { readonly kind: 'connects'; readonly clients: number }
  /** Publishes `messages` to a durable session that is away, which then comes back for them. */
  | { readonly kind: 'offline'; readonly messages: number; readonly qos: Qos }
  /** Publishers and consumers of work queues, in another protocol than MQTT. */
  | { readonly kind: 'queues'; readonly plan: QueuePlan }
  | { readonly kind: 'coap'; readonly plan: CoapPlan };

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** The broker must keep sessions across a restart, as far as it can. */
  readonly durable: boolean;
  readonly work: Work;
}

const flow = (
  name: string,
  title: string,
  plan: Plan,
  figures: 'messages' | 'paced' | 'one in flight' | 'octets' = 'messages',
): Scenario => ({ name, title, durable: plan.durable, work: { kind: 'flow', plan, figures } });

const queues = (
  name: string,
  title: string,
  dialect: QueuePlan['dialect'],
  promises: Partial<QueuePlan['promises']> = {},
): Scenario => {
  const all = { acknowledged: false, confirmed: false, durable: false, ...promises };
  const plan = { dialect, queues: 10, promises: all, payloadBytes: 64, window: 128, batch: 16 };
  return { name, title, durable: all.durable, work: { kind: 'queues', plan } };
};

const coap = (name: string, title: string, plan: Partial<CoapPlan> & Pick<CoapPlan, 'does'>): Scenario => ({
  name,
  title,
  durable: false,
  work: { kind: 'coap', plan: { clients: 100, changes: 0, ...plan } },
});

const ACKNOWLEDGED = { acknowledged: true };
const KEPT = { acknowledged: true, confirmed: true, durable: true };

export const SCENARIOS: readonly Scenario[] = [
  flow('p2p-q0', '50 pairs, QoS 0', pairs(50, 0)),
  flow('p2p-q1', '50 pairs, QoS 1', pairs(50, 1)),
  flow('p2p-q2', '50 pairs, QoS 2', pairs(50, 2)),
  flow('fan-out-q0', '1 to 100, QoS 0', fanOut(100, 0)),
  flow('fan-out-q1', '1 to 100, QoS 1', fanOut(100, 1)),
  flow('fan-in-q0', '50 to 1, QoS 0', fanIn(50, 0)),
  flow('fan-in-q1', '50 to 1, QoS 1', fanIn(50, 1)),
  flow('wildcard', '50 pairs by wildcard, 400 other filters, QoS 0', wildcard(50, 400)),
  flow('diverse-wildcard', '50 pairs, 12,800 topics, wildcard filters, QoS 0', diverse(50, 256, false)),
  flow('diverse-exact', '50 pairs, 12,800 topics, a filter each, QoS 0', diverse(50, 256, true)),
  flow('retained', '50 pairs, every 8th message retained, QoS 0', pairs(50, 0, { retainEvery: 8 })),
  flow('durable-q1', '50 pairs to durable sessions, QoS 1', pairs(50, 1, { durable: true })),
  flow('one-in-flight-q0', '500 pairs, one in flight each, QoS 0', oneInFlight(500, 0), 'one in flight'),
  flow('one-in-flight-q1', '500 pairs, one in flight each, QoS 1', oneInFlight(500, 1), 'one in flight'),
  flow('paced', '5,000 messages/s over 50 pairs, QoS 0', paced(50, 5000), 'paced'),
  flow('large-64k', '1 pair, 64 kB payloads', large(64_000, 1e6), 'octets'),
  flow('large-1m', '1 pair, 1 MB payloads', large(1e6, 4e6), 'octets'),
  flow('large-16m', '1 pair, 16 MB payloads', large(16e6, 32e6), 'octets'),
  {
    name: 'connects',
    title: '10,000 connections, then idle',
    durable: false,
    work: { kind: 'connects', clients: 10_000 },
  },
  {
    name: 'offline',
    title: '20,000 messages QoS 1 for a session that is away',
    durable: true,
    work: { kind: 'offline', messages: 20_480, qos: 1 },
  },
  queues('amqp091', 'AMQP 0-9-1, 10 queues, no acknowledgements', 'amqp091'),
  queues('amqp091-acks', 'AMQP 0-9-1, 10 queues, each message acknowledged', 'amqp091', ACKNOWLEDGED),
  queues('amqp091-durable', 'AMQP 0-9-1, 10 durable queues, confirms, acknowledged', 'amqp091', KEPT),
  queues('amqp1', 'AMQP 1.0, 10 queues, unsettled both ways', 'amqp1', {
    acknowledged: true,
    confirmed: true,
  }),
  queues('amqp1-settled', 'AMQP 1.0, 10 queues, settled both ways', 'amqp1'),
  queues('stomp', 'STOMP 1.2, 10 queues, ack auto', 'stomp'),
  queues('stomp-acks', 'STOMP 1.2, 10 queues, client-individual', 'stomp', ACKNOWLEDGED),
  coap('coap-get', 'CoAP, 100 clients, CON GET', { does: 'get' }),
  coap('coap-put', 'CoAP, 100 clients, CON PUT', { does: 'put' }),
  coap('coap-put-retained', 'CoAP, 100 clients, CON PUT that is kept', { does: 'put-retained' }),
  coap('coap-observe', 'CoAP, 1,000 observers of a value, 10 changes/s', {
    does: 'observe',
    clients: 1_001,
    changes: 10,
  }),
  coap('coap-endpoints', 'CoAP, 10,000 endpoints', { does: 'endpoints', clients: 10_000 }),
];

/** What `--smoke` runs: a minute's look at whether all of it works. */
export const SMOKE: readonly Scenario[] = [
  ...SCENARIOS.filter(({ name }) => ['p2p-q0', 'p2p-q1', 'fan-out-q1'].includes(name)),
  {
    name: 'connects',
    title: '500 connections, then idle',
    durable: false,
    work: { kind: 'connects', clients: 500 },
  },
  {
    name: 'offline',
    title: '4,096 messages QoS 1 for a session that is away',
    durable: true,
    work: { kind: 'offline', messages: 4096, qos: 1 },
  },
];
