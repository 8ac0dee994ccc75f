// How links begin: what their termini mean, what this side makes of it, and the attach that says so. [AMQP1-2.6.3]

import type { WorkQueue } from '../../contract/queue.ts';
import { isTopicName } from '../../contract/topic.ts';
import { type Address, parseAddress, QUEUE_SCHEME, topicOf } from './address.ts';
import { CoordinatorLink } from './coordinator.ts';
import { LinkFault } from './fault.ts';
import { IncomingLink } from './incoming.ts';
import type { AmqpLink, SessionHost } from './link.ts';
import { REPLAY_PROPERTY, RESUMED_PROPERTY } from './map.ts';
import { OutgoingLink } from './outgoing.ts';
import { ATTACH, type Attach, COORDINATOR, RECEIVER, SENDER, type Terminus } from './packet.ts';
import { fault, filtersOf, openDynamic, openSource, passingTopic } from './source.ts';
import { keepMsOf, terminusKey } from './termini.ts';
import { type AmqpMap, lookUp, symbol, truth } from './types.ts';

/** A link with its answer. `start` follows the answer. */
export interface Attached {
  readonly link: AmqpLink;
  readonly reply: Attach;
  start(): void;
}

/** A link that sends to the client. Throws LinkFault. */
export function attachOutgoing(session: SessionHost, p: Attach): Attached {
  const { host } = session;
  const key = terminusKey('out', host.origin.principal, host.container, p.name);
  // Without a source, the client asks for what it had under this name. [AMQP1-2.6.3]
  const wanted = p.source ?? host.termini.source(key);
  if (wanted === undefined)
    throw new LinkFault('amqp:not-found', `there is no terminus of link ${p.name.slice(0, 200)}`);
  const kept = keepMsOf(wanted, host.hub) > 0;
  if (kept) host.termini.takeAway(key);
  const source = openSource(host, wanted, {
    sndSettleMode: p.sndSettleMode ?? 2,
    rcvSettleMode: p.rcvSettleMode ?? 0,
    key,
    name: `${session.channel}/${p.handle}/${p.name}`,
    replay: lookUp(p.properties, REPLAY_PROPERTY)?.value !== 'none',
  });
  const { accepts } = filtersOf(wanted.filter);
  const made = new OutgoingLink(session, p, source, accepts, kept ? key : undefined);
  if (kept) host.termini.hold(key, made);
  return {
    link: made,
    reply: {
      kind: ATTACH,
      name: p.name,
      handle: p.handle,
      role: SENDER,
      sndSettleMode: p.sndSettleMode,
      rcvSettleMode: p.rcvSettleMode,
      source: {
        ...source.terminus,
        defaultOutcome: wanted.defaultOutcome ?? { kind: 0x26 },
        outcomes: OUTCOMES,
      },
      target: p.target,
      unsettled: made.unsettledMap,
      initialDeliveryCount: 0,
      maxMessageSize: BigInt(host.maxMessageBytes),
    },
    start: () => made.start(),
  };
}

const OUTCOMES = ['amqp:accepted:list', 'amqp:rejected:list', 'amqp:released:list', 'amqp:modified:list'];

/** A link that takes from the client. Throws LinkFault. */
export function attachIncoming(session: SessionHost, p: Attach): Attached {
  const { host } = session;
  const wanted = p.target;
  if (wanted?.kind === COORDINATOR) return attachCoordinator(session, p);
  const key = terminusKey('in', host.origin.principal, host.container, p.name);
  const node = nodeOf(session, wanted);
  const keepMs = keepMsOf(wanted, host.hub);
  const resumed = keepMs > 0 && host.termini.target(key) !== undefined;
  const kept = keepMs > 0 ? host.termini.keepTarget(key, keepMs, host.access) : undefined;
  if (keepMs > 0 && kept === undefined) throw fault('quota-exceeded', 'durable termini');
  const link = new IncomingLink(
    session,
    p,
    node.address,
    node.queue,
    kept,
    kept === undefined ? undefined : key,
  );
  if (kept !== undefined) host.termini.hold(key, link);
  const dynamic = node.made === undefined ? {} : { address: node.made };
  return {
    link,
    reply: {
      kind: ATTACH,
      name: p.name,
      handle: p.handle,
      role: RECEIVER,
      sndSettleMode: p.sndSettleMode,
      // What is in use: where nothing of the link is kept, waiting for the client to settle would gain nothing. [AMQP1-2.7.3]
      rcvSettleMode: link.rcvSettleMode,
      source: p.source,
      target: { kind: 0x29, ...wanted, ...dynamic },
      unsettled: link.unsettledMap,
      maxMessageSize: BigInt(host.maxMessageBytes),
      properties: resumed ? RESUMED : undefined,
    },
    start: () => link.start(),
  };
}

function attachCoordinator(session: SessionHost, p: Attach): Attached {
  const { name, handle, sndSettleMode, source } = p;
  const link = new CoordinatorLink(session, handle, name, p.initialDeliveryCount ?? 0);
  const target = { kind: COORDINATOR, capabilities: ['amqp:local-transactions', 'amqp:multi-txns-per-ssn'] };
  const reply: Attach = {
    kind: ATTACH,
    name,
    handle,
    role: RECEIVER,
    sndSettleMode,
    rcvSettleMode: 0,
    source,
    target,
  };
  return { link, reply, start: () => link.start() };
}

/** Link property: what an earlier link of this terminus left is remembered. */
const RESUMED: AmqpMap = [[symbol(RESUMED_PROPERTY), truth(true)]];

interface Node {
  /** Undefined: the anonymous terminus. */
  readonly address: Address | undefined;
  readonly queue: WorkQueue | undefined;
  /** The address of what was made because the client asked for it. */
  readonly made?: string;
}

function nodeOf({ host }: SessionHost, wanted: Terminus | undefined): Node {
  if (wanted?.dynamic === true && wanted.capabilities?.includes('temporary-topic') === true) {
    const made = passingTopic(host);
    return { address: parseAddress(made), queue: undefined, made };
  }
  if (wanted?.dynamic === true) {
    const queue = openDynamic(host);
    return { address: { kind: 'queue', name: queue.name }, queue, made: QUEUE_SCHEME + queue.name };
  }
  const text = wanted?.address;
  if (text === undefined || text === '') return { address: undefined, queue: undefined };
  const queues =
    wanted?.capabilities?.some((word) => word === 'queue' || word === 'temporary-queue') === true;
  const address = parseAddress(text, queues);
  if (address === undefined) throw new LinkFault('amqp:invalid-field', `no address: ${text.slice(0, 200)}`);
  if (address.kind === 'exchange' && address.key === undefined) return { address, queue: undefined };
  const topic = topicOf(address, undefined);
  if (!isTopicName(topic, host.hub.limits)) throw fault('topic-invalid', text);
  if (!host.access.may('publish', topic)) throw fault('not-authorized', text);
  return { address, queue: undefined };
}
