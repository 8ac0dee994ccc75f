// The client's side of XMPP: a stream, a login, a resource, and topics as nodes of the pubsub service.

import type { Message, Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type {
  Ability,
  Answer,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
  Tag,
} from '../../contract/speaker.ts';
import { EVERY_META } from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { Acks } from './acks.ts';
import { Carried, carriedOf, termsOf } from './client-carried.ts';
import { ClientLogin } from './client-login.ts';
import { inboxTopicOf, messageOfEvent, messageStanza, publication } from './client-messages.ts';
import { Settled } from './client-settled.ts';
import { encodeElement } from './encode.ts';
import { StanzaFault } from './fault.ts';
import { type Framing, type Incoming, MessageFraming, StreamFraming } from './framing.ts';
import { element, NS, type XmlElement, type XmlLimits } from './packet.ts';

const ABILITY: Ability = {
  publishQos: [0, 1],
  subscribeQos: [0, 1],
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: false,
  resumes: true,
  wills: false,
  expiry: true,
  meta: EVERY_META,
};

/** What a hub may send. */
const LIMITS: XmlLimits = {
  stanzaBytes: 67_108_864,
  tagBytes: 1_048_576,
  attributes: 1_000,
  elements: 100_000,
  depth: 200,
};

export const xmppSpeech: Speech = {
  name: 'xmpp',
  carrier: 'stream',
  alpn: ['xmpp-client'],
  ability: ABILITY,
  open: (wire, options, events) => {
    const framing = new StreamFraming(LIMITS, { gathering: 0, limit: LIMITS.stanzaBytes });
    return new XmppSpeaker(wire, framing, options, events);
  },
};

export const xmppMessageSpeech: Speech = {
  name: 'xmpp+ws',
  carrier: 'message',
  text: true,
  subprotocols: ['xmpp'],
  ability: ABILITY,
  open: (wire, options, events) => new XmppSpeaker(wire, new MessageFraming(LIMITS), options, events),
};

/** Requests that may wait for their answers. */
const WINDOW = 1_000;
const GONE: Refusal = { outcome: 'unavailable', reason: 'the connection ended', code: 0 };

const encoder = new TextEncoder();

/** entering —the resource is bound→ open —close, error, lost→ over. */
class XmppSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly framing: Framing;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly domain: string;
  private readonly service: string;
  private readonly login: ClientLogin;
  private state: 'entering' | 'open' | 'over' = 'entering';
  private jid = '';
  private nextId = 1;
  private readonly asked = new Map<string, (answer: XmlElement | Refusal) => void>();
  private waiting: (() => void)[] = [];
  /** Undefined: the hub has no stream management, and nothing is settled. */
  private settled: Settled | undefined = undefined;
  /** What we sent and the hub has not said that it has. */
  private acks: Acks | undefined = undefined;
  private attending = false;
  /** What the next connection goes on with; undefined: the hub would not have it. */
  private carried: Carried | undefined = undefined;
  private why: Refusal | undefined;
  private closing = false;
  private heardAt: number;
  private saidAt: number;

  constructor(wire: Wire, framing: Framing, options: SpeakerOptions, events: SpeakerEvents) {
    this.wire = wire;
    this.framing = framing;
    this.options = options;
    this.events = events;
    this.domain = options.settings.domain ?? options.host;
    this.service = options.settings.service ?? `pubsub.${this.domain}`;
    this.heardAt = options.now();
    this.saidAt = this.heardAt;
    this.login = new ClientLogin(options, {
      say: (e) => this.say(e),
      restart: () => this.header(true),
      securable: wire.secureUp !== undefined,
      get secure() {
        return wire.secure;
      },
      secureUp: () => {
        wire.secureUp!();
        this.header(true);
      },
      resumes: () => this.resumes(),
      entered: (jid, managed) => this.entered(jid, managed),
      refused: (why) => this.fail(why),
    });
    this.header(false);
    this.schedule();
  }

  private header(again: boolean): void {
    if (again) this.framing.restart();
    const text = this.framing.header({ to: this.domain, version: '1.0', 'xml:lang': 'en' });
    this.write(encoder.encode(text));
  }

  private write(bytes: Uint8Array): void {
    this.saidAt = this.options.now();
    this.wire.write(bytes);
  }

  private say(e: XmlElement): void {
    this.write(encoder.encode(encodeElement(e, this.framing.place)));
  }

  private entered(jid: string, managed: boolean): void {
    this.jid = jid;
    if (managed) this.say(element('enable', NS.sm, termsOf(this.options)));
    else this.begin(false);
  }

  /** [XEP-0198-5] */
  private resumes(): boolean {
    const earlier = this.options.clean ? undefined : carriedOf(this.options.memory);
    if (earlier === undefined) return false;
    this.carried = earlier;
    this.say(element('resume', NS.sm, { previd: earlier.id, h: String(earlier.settled.handled) }));
    return true;
  }

  private resumed(h: number, earlier: Carried): void {
    this.jid = earlier.jid;
    this.attending = earlier.attending;
    this.nextId = earlier.nextId;
    this.settled = earlier.settled;
    this.acks = earlier.acks;
    earlier.resumed(h);
    this.begin(true);
  }

  private begin(resumed: boolean): void {
    this.state = 'open';
    const clientId = this.jid.slice(this.jid.indexOf('/') + 1);
    this.events.opened({ clientId, resumed, ability: ABILITY, server: 'XMPP' });
    for (const act of this.waiting.splice(0)) act();
  }

  // --- what the application asks ---

  get room(): number {
    if (this.state !== 'open' || this.wire.full) return 0;
    return Math.max(0, WINDOW - this.asked.size - this.waiting.length);
  }

  private whenOpen(answer: (why: Refusal) => void, act: () => void): void {
    if (this.state === 'over' || this.closing) answer(this.why ?? GONE);
    else if (this.state === 'open') act();
    else this.waiting.push(() => (this.state === 'over' ? answer(this.why ?? GONE) : act()));
  }

  publish(m: Message, answer: Answer, tag?: Tag): void {
    this.whenOpen(answer, () => {
      const earlier = tag?.stage === 'again' ? this.carried?.takenOf(tag.tag) : undefined;
      if (earlier !== undefined) {
        // The hub has it: its answer comes again, or there is none but that.
        if (earlier.answered) this.asked.set(earlier.id, (result) => answer(refusalIn(result)));
        else answer(undefined);
        return;
      }
      const direct = messageStanza(m, this.domain, `c${this.nextId}`);
      this.carried?.sends(tag, direct?.attribute('id') ?? `c${this.nextId}`, direct === undefined);
      if (direct !== undefined) {
        this.sendDirect(direct, m.qos, answer);
        return;
      }
      const told = m.qos === 0 ? (): void => undefined : answer;
      this.request('set', publication(m, this.options.now()), this.service, (result) => {
        told(refusalIn(result));
      });
      if (m.qos === 0) answer(undefined);
    });
  }

  /** An error tells that there is no such user; else the hub has it once it says so, where it does. */
  private sendDirect(stanza: XmlElement, qos: Qos, answer: Answer): void {
    this.nextId++;
    const id = stanza.attribute('id')!;
    if (qos === 0 || this.acks === undefined) {
      this.send(stanza);
      answer(undefined);
      return;
    }
    this.asked.set(id, (result) =>
      answer('attributes' in result ? refusalOf(result.child('error')) : result),
    );
    this.send(stanza, () => {
      if (this.asked.delete(id)) answer(undefined);
    });
  }

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    this.whenOpen(answer, () => {
      const granted = qos === 0 ? 0 : 1;
      if (filter === inboxTopicOf(this.jid)) {
        this.attend(true);
        answer(granted);
        return;
      }
      const subscribe = element('subscribe', NS.pubsub, { node: filter, jid: this.jid });
      this.request('set', element('pubsub', NS.pubsub, {}, [subscribe]), this.service, (result) => {
        answer(refusalIn(result) ?? granted);
      });
    });
  }

  unsubscribe(filter: string, answer: Answer): void {
    this.whenOpen(answer, () => {
      if (filter === inboxTopicOf(this.jid)) {
        this.attend(false);
        answer(undefined);
        return;
      }
      const unsubscribe = element('unsubscribe', NS.pubsub, { node: filter, jid: this.jid });
      this.request('set', element('pubsub', NS.pubsub, {}, [unsubscribe]), this.service, (result) => {
        answer(refusalIn(result));
      });
    });
  }

  /** Messages for the user come to who is available. */
  private attend(on: boolean): void {
    if (this.attending === on) return;
    this.attending = on;
    this.send(element('presence', NS.client, { type: on ? undefined : 'unavailable' }));
  }

  private request(
    type: 'get' | 'set',
    child: XmlElement,
    to: string,
    answer: (result: XmlElement | Refusal) => void,
  ): void {
    const id = `c${this.nextId++}`;
    this.asked.set(id, answer);
    this.send(element('iq', NS.client, { type, id, to }, [child]));
  }

  /** Sends a stanza; `taken` is called once the hub has it, where it tells. */
  private send(stanza: XmlElement, taken?: () => void): void {
    const bytes = encoder.encode(encodeElement(stanza, this.framing.place));
    this.write(bytes);
    if (this.acks === undefined) return;
    this.carried?.sent();
    this.acks.add(NOTHING, taken);
    if (taken === undefined || this.acks.asked) return;
    this.acks.asked = true;
    this.say(element('r', NS.sm));
  }

  settle(id: number, outcome: Outcome): void {
    // XMPP cannot refuse a message for good: who does not want it has taken it.
    if (outcome === 'busy' || this.settled === undefined || this.state !== 'open') return;
    if (this.settled.settle(id)) this.acknowledge();
  }

  private acknowledge(): void {
    this.say(element('a', NS.sm, { h: String(this.settled!.handled) }));
  }

  close(): void {
    if (this.state === 'over' || this.closing) return;
    this.closing = true;
    this.carried = undefined;
    if (this.settled !== undefined) this.acknowledge();
    this.write(encoder.encode(this.framing.footer));
    this.wire.end();
  }

  // --- what the hub says ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    for (let at = start; at < end && this.state !== 'over'; at = this.framing.at) {
      const incoming = this.framing.next(bytes, at, end);
      if (incoming === undefined) break;
      const { secure } = this.wire;
      this.hear(incoming);
      // Behind <proceed/> the server's next octets are TLS: these are somebody else's. [RFC6120-5.4.3.1]
      if (this.wire.secure !== secure && this.framing.at < end)
        throw new ProtocolError('RFC6120-5.4.3.1', 'octets in front of the handshake');
    }
    return end;
  }

  private hear(incoming: Incoming): void {
    if (incoming.kind === 'header') return;
    if (incoming.kind === 'end') {
      this.wire.end();
      return;
    }
    const e = incoming.element;
    if (e.is('error', NS.streams)) this.why = refusalOf(e);
    else if (e.ns === NS.sm) this.manage(e);
    else if (this.jid === '') this.login.hear(e);
    else if (e.ns === NS.client) this.stanza(e);
  }

  private manage(e: XmlElement): void {
    if (e.name === 'enabled' || e.name === 'failed' || e.name === 'resumed') {
      if (this.state === 'entering') this.managed(e);
    } else if (e.name === 'r' && this.settled !== undefined) this.acknowledge();
    else if (e.name === 'a' && this.acks !== undefined) {
      this.acks.asked = false;
      const h = Acks.count(e.attribute('h'));
      if (h === undefined || !this.acks.acknowledge(h))
        throw new ProtocolError('XEP-0198-4', 'the hub acknowledges what was never sent');
    }
  }

  /** The answer to what was asked: to resume, or to enable. */
  private managed(e: XmlElement): void {
    const earlier = this.jid === '' ? this.carried : undefined;
    if (e.name === 'resumed') {
      const h = Acks.count(e.attribute('h'));
      if (earlier === undefined || h === undefined)
        throw new ProtocolError('XEP-0198-5', 'it resumes what nobody asked for');
      this.resumed(h, earlier);
      return;
    }
    this.carried = undefined;
    this.leave(undefined);
    if (earlier !== undefined) this.login.bindAnew();
    if (this.jid === '') return;
    if (e.name === 'enabled') {
      this.settled = new Settled();
      this.acks = new Acks();
      const id = e.attribute('id');
      if (id !== undefined && /^(?:true|1)$/.test(e.attribute('resume') ?? ''))
        this.carried = new Carried(id, this.jid, this.settled, this.acks);
    }
    this.begin(false);
  }

  private stanza(e: XmlElement): void {
    const id = this.settled?.arrived() ?? 0;
    if (e.name !== 'message' || !this.delivered(e, id)) this.settled?.settle(id);
    if (e.name === 'iq' || e.attribute('type') === 'error') this.answered(e);
  }

  /** False: it is nothing that the application waits for. */
  private delivered(e: XmlElement, id: number): boolean {
    try {
      const found = messageOfEvent(e, this.jid, this.options.now());
      if (found !== undefined) this.events.delivered({ ...found, id, duplicate: false });
      return found !== undefined;
    } catch (why) {
      if (!(why instanceof StanzaFault)) throw why;
      return false; // an item that is not what it says
    }
  }

  private answered(e: XmlElement): void {
    const type = e.attribute('type');
    const id = e.attribute('id');
    if (type === 'get' || type === 'set') {
      const ping = e.elements()[0]?.is('ping', NS.ping) === true;
      const unknown = element('error', NS.client, { type: 'cancel' }, [
        element('service-unavailable', NS.stanzaErrors),
      ]);
      const attributes = { type: ping ? 'result' : 'error', id, to: e.attribute('from') };
      this.send(element('iq', NS.client, attributes, ping ? [] : [unknown]));
      return;
    }
    const answer = id === undefined ? undefined : this.asked.get(id);
    if (id !== undefined) this.asked.delete(id);
    answer?.(e);
  }

  // --- time and endings ---

  drained(): void {}

  wake(now: number): void {
    const { keepAliveMs } = this.options;
    if (this.state === 'over' || keepAliveMs === 0) return;
    if (now - this.heardAt >= 2 * keepAliveMs) {
      this.fail({ outcome: 'idle', reason: 'the hub has said nothing for too long', code: 0 });
      return;
    }
    const quiet = Math.min(now - this.saidAt, now - this.heardAt);
    if (this.state === 'open' && quiet >= keepAliveMs)
      this.request('get', element('ping', NS.ping), this.domain, () => undefined);
    this.schedule();
  }

  private schedule(): void {
    const { keepAliveMs } = this.options;
    if (keepAliveMs > 0) this.wire.wake(this.options.now() + keepAliveMs);
  }

  private leave(carried: Carried | undefined): void {
    const { memory } = this.options;
    if (memory !== undefined) memory.carried = carried;
  }

  private fail(why: Refusal): void {
    this.why ??= why;
    this.wire.destroy();
  }

  broken(why: Error): void {
    this.why ??= { outcome: 'payload-invalid', reason: why.message, code: 0 };
  }

  lost(): void {
    if (this.state === 'over') return;
    // Who was not let in yet leaves what an earlier connection left.
    if (this.state === 'open') this.leave(this.carried?.left(this.attending, this.nextId));
    this.state = 'over';
    this.framing.close();
    const why = this.why ?? GONE;
    for (const answer of [...this.asked.values()]) answer(why);
    this.asked.clear();
    for (const act of this.waiting.splice(0)) act();
    this.events.ended(this.closing ? undefined : why);
  }
}

const NOTHING = new Uint8Array(0);

/** What our outcomes are called in errors. */
const OUTCOMES: Readonly<Record<string, Outcome>> = {
  forbidden: 'not-authorized',
  'not-authorized': 'not-authorized',
  'not-allowed': 'not-authorized',
  'not-acceptable': 'topic-invalid',
  'jid-malformed': 'topic-invalid',
  'item-not-found': 'unmatched',
  'recipient-unavailable': 'unmatched',
  'service-unavailable': 'not-supported',
  'feature-not-implemented': 'not-supported',
  'resource-constraint': 'quota-exceeded',
  'policy-violation': 'rate-exceeded',
  'unexpected-request': 'no-subscription',
  conflict: 'taken-over',
  'connection-timeout': 'idle',
  'system-shutdown': 'shutting-down',
  'bad-request': 'payload-invalid',
};

function refusalIn(result: XmlElement | Refusal): Refusal | undefined {
  if (!('attributes' in result)) return result;
  return result.attribute('type') === 'error' ? refusalOf(result.child('error')) : undefined;
}

/** Of `<error/>` in a stanza, or of the stream's. */
function refusalOf(error: XmlElement | undefined): Refusal {
  const inside = error?.elements() ?? [];
  const condition = inside.find((e) => e.name !== 'text')?.name ?? 'undefined-condition';
  const outcome = Object.hasOwn(OUTCOMES, condition) ? OUTCOMES[condition]! : 'unavailable';
  const text = inside.find((e) => e.name === 'text')?.text ?? '';
  return { outcome, reason: text === '' ? condition : `${condition}: ${text}`, code: 0 };
}
