// A bound resource: what it sends is done, what it is owed is written, and with stream management it outlives its connection.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import type { Origin } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { Acks } from './acks.ts';
import { Answers } from './answers.ts';
import { encodeElement, type Place } from './encode.ts';
import { faultOf, SAID, StanzaFault, type StreamCondition, StreamFault } from './fault.ts';
import { Feeds } from './feeds.ts';
import { takeIq } from './iq.ts';
import { formatJid, type Jid } from './jid.ts';
import { takeMessage } from './messages.ts';
import type { XmppOptions } from './options.ts';
import { element, NS, type XmlElement, type XmlNode } from './packet.ts';
import { type Presence, takePresence, withdrawPresence } from './presence.ts';
import type { Registry } from './registry.ts';

/** The connection that a session has now. */
export interface Link {
  readonly full: boolean;
  readonly place: Place;
  write(bytes: Uint8Array): void;
  /** Something that was owed was given: reading may go on. */
  regulate(): void;
  fail(condition: StreamCondition, text: string): void;
  /** Another connection has taken the session. */
  replaced(): void;
}

/** Stanzas and octets that may wait to be acknowledged before deliveries stop. */
const WINDOW = 1_000;
const WINDOW_BYTES = 1_048_576;
/** What a session that does not acknowledge anything may pile up otherwise. */
const MAX_PILED = 5_000;
const MAX_PILED_BYTES = 4_194_304;

const encoder = new TextEncoder();

/**
 * linked —the wire is lost, resumable→ alone —resume→ linked; alone —resumeMs pass→ ended; linked —goodbye, eviction, lost→ ended.
 */
export class Session implements Guest {
  readonly hub: Hub;
  readonly registry: Registry;
  readonly jid: Jid;
  /** `jid` as it is written. */
  readonly address: string;
  readonly bare: string;
  readonly options: XmppOptions;
  readonly anonymous: boolean;
  access!: Access;
  feeds!: Feeds;
  origin!: Origin;
  /** Why the hub did not let it in. */
  refused: StanzaFault | undefined = undefined;
  presence: Presence | undefined = undefined;
  /** The id that resumes it; empty: it cannot be. */
  resumeId = '';
  /** The address of the pubsub service as this client calls it. */
  service: string;
  place: Place;
  /** The capabilities that the client was asked about, and the user's own nodes that it wants (caps.ts). */
  caps = '';
  watched: ReadonlySet<string> = new Set();
  private link: Link | undefined;
  private acks: Acks | undefined = undefined;
  private readonly answers = new Answers();
  private ended = false;
  private cancelEnd: (() => void) | undefined = undefined;
  private nextId = 1;
  private readonly asked = new Map<string, (answer: XmlElement) => void>();

  constructor(link: Link, hub: Hub, registry: Registry, jid: Jid, options: XmppOptions, anonymous: boolean) {
    this.link = link;
    this.hub = hub;
    this.registry = registry;
    this.jid = jid;
    this.address = formatJid(jid);
    this.bare = formatJid({ ...jid, resource: '' });
    this.options = options;
    this.anonymous = anonymous;
    this.service = `pubsub.${jid.domain}`;
    this.place = link.place;
  }

  // --- the hub's guest ---

  welcome(access: Access): void {
    this.access = access;
    this.origin = { protocol: 'xmpp', client: this.address, principal: access.identity.principal };
    this.feeds = new Feeds(this);
  }

  refuse(why: Outcome): void {
    this.refused = faultOf(why);
  }

  /** The client knows its address now. */
  start(): void {
    this.registry.add(this);
  }

  kept(ticket: number): void {
    this.answers.kept(ticket);
    this.link?.regulate();
  }

  evict(why: Outcome): void {
    const { link } = this;
    this.access.blame(why);
    this.end(false);
    link?.fail(SAID[why].stream, SAID[why].text);
  }

  // --- what the client says ---

  /** Throws StreamFault. */
  take(e: XmlElement): void {
    if (e.ns === NS.sm) {
      this.manage(e);
      return;
    }
    const known = e.ns === NS.client && (e.name === 'iq' || e.name === 'message' || e.name === 'presence');
    if (!known)
      throw new StreamFault('unsupported-stanza-type', 'RFC6120-4.9.3.24', `<${e.name.slice(0, 100)}/>`);
    try {
      if (e.name === 'iq') takeIq(this, e);
      else if (e.name === 'message') takeMessage(this, e);
      else takePresence(this, e);
    } catch (why) {
      if (!(why instanceof StanzaFault)) throw why;
      this.refuseStanza(e, why);
    }
    this.acks?.take();
  }

  /** Says that a stanza could not be done; errors are not answered. [RFC6120-8.3.1] */
  refuseStanza(e: XmlElement, why: StanzaFault): void {
    const type = e.attribute('type');
    if (type === 'error' || (e.name === 'iq' && type === 'result')) return;
    this.answer(e, 'error', [why.element]);
  }

  /** Answers a stanza once what it did is kept; `then` follows the answer. */
  answer(e: XmlElement, type: 'result' | 'error', children: readonly XmlNode[], then?: () => void): void {
    const attributes = { type, id: e.attribute('id'), from: e.attribute('to'), to: this.address };
    const answer = element(e.name, NS.client, attributes, children);
    this.answers.answer(this.access.due, () => {
      this.send(this.encode(answer));
      then?.();
    });
  }

  /** Calls `then` once everything is answered. */
  whenAnswered(then: () => void): void {
    this.answers.answer(this.access.due, then);
  }

  /** What is owed to the client. */
  get waiting(): number {
    return this.answers.size;
  }

  // --- what the client is told ---

  encode(e: XmlElement): Uint8Array {
    return encoder.encode(encodeElement(e, this.place));
  }

  push(e: XmlElement): void {
    this.send(this.encode(e));
  }

  /** Writes a stanza, or keeps it for the connection that resumes. `settle` is called once the client has it. */
  send(stanza: Uint8Array, settle?: () => void): void {
    const { acks, link } = this;
    link?.write(stanza);
    if (acks === undefined) {
      settle?.();
      return;
    }
    acks.add(stanza, settle);
    if (acks.size > MAX_PILED || acks.bytes > MAX_PILED_BYTES) {
      this.evict('slow-consumer');
      return;
    }
    this.ask();
  }

  /** Whether it can be written to, now or when it resumes. */
  get present(): boolean {
    return !this.ended;
  }

  get linked(): boolean {
    return this.link !== undefined;
  }

  /** Whether deliveries may be sent. */
  get ready(): boolean {
    const { link, acks } = this;
    if (link === undefined || link.full) return false;
    return acks === undefined || (acks.size < WINDOW && acks.bytes < WINDOW_BYTES);
  }

  /** Asks whether the client is there: what it has taken, or for a ping. */
  ask(): void {
    const { acks, link } = this;
    if (link === undefined) return;
    if (acks === undefined) {
      this.request(element('ping', NS.ping), () => undefined);
      return;
    }
    if (acks.asked) return;
    acks.asked = true;
    link.write(this.encode(element('r', NS.sm)));
  }

  /** Asks the client something; `answer` gets the stanza that it answers with. */
  request(child: XmlElement, answer: (stanza: XmlElement) => void): void {
    const id = `wm${this.nextId++}`;
    if (this.asked.size >= MAX_ASKED) this.asked.clear(); // it never answers
    this.asked.set(id, answer);
    this.push(
      element('iq', NS.client, { type: 'get', id, from: this.jid.domain, to: this.address }, [child]),
    );
  }

  /** Whether a result or error is the answer to a question of ours. */
  answered(e: XmlElement): boolean {
    const id = e.attribute('id') ?? '';
    const answer = this.asked.get(id);
    this.asked.delete(id);
    answer?.(e);
    return answer !== undefined;
  }

  pull(): void {
    if (!this.ended) this.feeds.pull();
  }

  // --- stream management ---

  private manage(e: XmlElement): void {
    const { acks } = this;
    if (e.name === 'enable') this.enable(e);
    else if (acks === undefined || (e.name !== 'r' && e.name !== 'a'))
      throw new StreamFault('unsupported-stanza-type', 'XEP-0198-3', `<${e.name.slice(0, 100)}/>`);
    else if (e.name === 'r') {
      const h = String(acks.handled);
      this.answers.answer(this.access.due, () => this.link?.write(this.encode(element('a', NS.sm, { h }))));
    } else {
      acks.asked = false;
      const before = acks.size;
      this.acknowledged(acks, e.attribute('h'));
      // Who took nothing new will say so when it has: asking on and on would only make noise.
      if (acks.size > 0 && acks.size < before) this.ask();
      this.pull();
    }
  }

  private acknowledged(acks: Acks, text: string | undefined): void {
    const h = Acks.count(text);
    if (h !== undefined && acks.acknowledge(h)) return;
    const said = { h: text?.slice(0, 20), 'send-count': undefined };
    const detail = element('handled-count-too-high', NS.sm, said);
    throw new StreamFault('undefined-condition', 'XEP-0198-4', 'more is acknowledged than was sent', detail);
  }

  private enable(e: XmlElement): void {
    if (this.acks !== undefined) {
      const children = [element('unexpected-request', NS.stanzaErrors)];
      this.link?.write(this.encode(element('failed', NS.sm, {}, children)));
      return;
    }
    const { resumeMs } = this.options;
    const resume = (e.attribute('resume') === 'true' || e.attribute('resume') === '1') && resumeMs > 0;
    if (resume && !this.anonymous) {
      this.resumeId = '';
      for (const octet of this.hub.random(16)) this.resumeId += octet.toString(16).padStart(2, '0');
      this.registry.resumable.set(this.resumeId, this);
    }
    const resumable = this.resumeId !== '';
    const attributes = {
      id: resumable ? this.resumeId : undefined,
      resume: resumable ? 'true' : undefined,
      max: resumable ? String(Math.floor(resumeMs / 1_000)) : undefined,
    };
    this.acks = new Acks();
    this.answers.answer(this.access.due, () =>
      this.link?.write(this.encode(element('enabled', NS.sm, attributes))),
    );
  }

  /** Another connection takes over; the client says how much it has taken. Throws StreamFault. */
  resume(link: Link, h: string | undefined): void {
    this.access.blame(undefined);
    const acks = this.acks!;
    const before = this.link;
    this.link = undefined;
    before?.replaced();
    this.cancelEnd?.();
    this.cancelEnd = undefined;
    this.acknowledged(acks, h);
    this.link = link;
    acks.asked = false;
    const attributes = { h: String(acks.handled), previd: this.resumeId };
    link.write(this.encode(element('resumed', NS.sm, attributes)));
    for (const stanza of acks.unacknowledged()) link.write(stanza);
    if (acks.size > 0) this.ask();
    this.pull();
  }

  // --- endings ---

  /** The connection is lost. */
  unlink(): void {
    if (this.ended) return;
    this.link = undefined;
    if (this.resumeId === '') {
      this.end(false);
      return;
    }
    this.cancelEnd = this.hub.later(this.hub.now() + this.options.resumeMs, () => this.end(false));
    this.feeds.moved();
  }

  /** The resource is no more. `graceful`: it said goodbye. */
  end(graceful: boolean): void {
    if (this.ended) return;
    this.ended = true;
    this.link = undefined;
    this.cancelEnd?.();
    this.registry.remove(this);
    withdrawPresence(this);
    this.feeds.close();
    this.answers.clear();
    this.access.leave(graceful, this.hub.now());
  }
}

/** Questions to one client that wait for an answer. */
const MAX_ASKED = 64;
