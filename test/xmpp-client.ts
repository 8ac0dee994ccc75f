// An XMPP client for tests over the broker in memory: it says XML as it stands, and reads what comes as elements.

import { StreamFraming } from '../src/protocol/xmpp/framing.ts';
import type { XmlElement, XmlLimits } from '../src/protocol/xmpp/packet.ts';
import type { Broker, ConnectOptions, RawClient } from './network.ts';

const LIMITS: XmlLimits = {
  stanzaBytes: 1e9,
  tagBytes: 1e6,
  attributes: 1_000,
  elements: 1e6,
  depth: 1_000,
};

export interface XmppLogin extends ConnectOptions {
  readonly user?: string;
  readonly password?: string;
  readonly resource?: string;
  readonly domain?: string;
  /** Default: true. */
  readonly presence?: boolean;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

export class XmppClient {
  readonly raw: RawClient;
  readonly domain: string;
  /** The full address, once bound. */
  jid = '';
  /** The other side has said goodbye. */
  over = false;
  private readonly broker: Broker;
  private readonly framing = new StreamFraming(LIMITS, { gathering: 0, limit: 1e9 });
  private nextId = 1;

  constructor(broker: Broker, options: XmppLogin = {}) {
    this.broker = broker;
    this.domain = options.domain ?? 'h';
    this.raw = broker.connect({ protocol: 'xmpp', ...options });
  }

  static async connect(broker: Broker, user: string, options: XmppLogin = {}): Promise<XmppClient> {
    const client = new XmppClient(broker, options);
    await client.open();
    await client.login(user, options.password ?? 'p');
    await client.bind(options.resource ?? 'r');
    if (options.presence !== false) client.say('<presence/>');
    await client.heard();
    return client;
  }

  say(xml: string): void {
    this.raw.send(Buffer.from(xml));
  }

  header(): void {
    this.framing.restart();
    this.say(
      `<?xml version='1.0'?><stream:stream to='${this.domain}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`,
    );
  }

  /** Opens a stream; returns its features. */
  async open(): Promise<XmlElement> {
    this.header();
    const [header, features] = await this.heard();
    if (header?.name !== 'stream' || features?.name !== 'features') throw new Error('no stream');
    return features;
  }

  async login(user: string, password: string): Promise<void> {
    const octets = base64(`\0${user}\0${password}`);
    this.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${octets}</auth>`);
    const [answer] = await this.heard();
    if (answer?.name !== 'success') throw new Error(`no success but ${answer?.name}`);
    await this.open();
  }

  async bind(resource: string): Promise<void> {
    const answer = await this.ask(
      'set',
      `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`,
    );
    this.jid = answer.elements()[0]?.child('jid')?.text ?? '';
    if (this.jid === '') throw new Error('nothing was bound');
  }

  /** Sends a request and returns its answer; what else came is for `heard`. */
  async ask(type: 'get' | 'set', child: string, to?: string): Promise<XmlElement> {
    const id = `q${this.nextId++}`;
    const address = to === undefined ? '' : ` to='${to}'`;
    this.say(`<iq type='${type}' id='${id}'${address}>${child}</iq>`);
    await this.broker.clock.advance(0);
    this.read();
    const at = this.arrived.findIndex((e) => e.name === 'iq' && e.attribute('id') === id);
    if (at < 0) throw new Error(`no answer to ${child}`);
    return this.arrived.splice(at, 1)[0]!;
  }

  async pubsub(type: 'get' | 'set', inside: string, to = `pubsub.${this.domain}`): Promise<XmlElement> {
    return this.ask(type, `<pubsub xmlns='http://jabber.org/protocol/pubsub'>${inside}</pubsub>`, to);
  }

  private arrived: XmlElement[] = [];

  private read(): void {
    const octets = this.raw.take();
    for (let at = 0; at < octets.length; ) {
      const incoming = this.framing.next(octets, at, octets.length);
      at = this.framing.at;
      if (incoming === undefined) return;
      if (incoming.kind === 'end') this.over = true;
      else this.arrived.push(incoming.kind === 'header' ? incoming.header : incoming.element);
    }
  }

  /** What arrived since the last call, when nothing more comes. */
  async heard(): Promise<XmlElement[]> {
    await this.broker.clock.advance(0);
    this.read();
    return this.arrived.splice(0);
  }
}

/** The condition of an error, of a stanza or of a stream. */
export function conditionOf(e: XmlElement | undefined): string | undefined {
  const error = e?.name === 'error' ? e : e?.elements('error')[0];
  return error?.elements()[0]?.name;
}
