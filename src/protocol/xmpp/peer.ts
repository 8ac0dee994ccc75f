// One connection: its streams one after the other, TLS, SASL, and the resource that it binds or resumes.

import type { Hub } from '../../contract/hub.ts';
import { NEVER } from '../../contract/message.ts';
import { type Departure, ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { encodeElement, type Place } from './encode.ts';
import { StanzaFault, type StreamCondition, StreamFault } from './fault.ts';
import type { Framing, Incoming } from './framing.ts';
import { isDomain, isResource, type Jid, localOf } from './jid.ts';
import type { XmppOptions } from './options.ts';
import { element, NS, type XmlElement, type XmlLimits } from './packet.ts';
import { type Registry, registryOf } from './registry.ts';
import { type Knock, mechanismsFor, type Proof, Sasl, type SaslAnswer } from './sasl.ts';
import { type Link, Session } from './session.ts';

/** Before the login a client has little to say. [RFC6120-13.12] wants to take 10,000 octets. */
export const EARLY: XmlLimits = {
  stanzaBytes: 10_240,
  tagBytes: 4_096,
  attributes: 32,
  elements: 64,
  depth: 16,
};
const MAX_FAILURES = 5; // [RFC6120-6.4.5]
/** Stanzas and octets that are owed to the client: so many stop the reading, half of it starts it again. */
const MAX_WAITING = 1_024;
const MAX_UNREAD = 1_048_576;
/** WebSocket messages that were on their way when reading stopped. */
const MAX_HELD = 64;

const encoder = new TextEncoder();

/**
 * fresh —header→ choosing —starttls→ fresh; choosing —auth→ proving —success→ fresh —header→ proved —bind, resume→ bound.
 * bound —goodbye→ leaving —all is answered→ ended. Every state —error, goodbye→ ended —the wire closes→ lost. All before bound ends
 * after loginMs.
 */
type State = 'fresh' | 'choosing' | 'proving' | 'proved' | 'bound' | 'leaving' | 'ended' | 'lost';

export class XmppPeer implements Peer, Link {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly options: XmppOptions;
  private readonly framing: Framing;
  private readonly registry: Registry;
  private readonly openedAt: number;
  private state: State = 'fresh';
  private domain = '';
  private headed = false;
  private sasl: Sasl | undefined = undefined;
  private proof: Proof | undefined = undefined;
  private session: Session | undefined = undefined;
  private choked = false;
  private held: Uint8Array[] = [];
  private heardAt: number;
  private pinged = false;

  constructor(wire: Wire, hub: Hub, options: XmppOptions, framing: Framing, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.framing = framing;
    this.registry = registryOf(hub);
    this.openedAt = now;
    this.heardAt = now;
    this.schedule();
  }

  // --- what comes ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    this.pinged = false;
    let at = start;
    while (at < end && this.reading) {
      const incoming = this.framing.next(bytes, at, end);
      at = this.framing.at;
      if (incoming === undefined) return at;
      if (this.state === 'choosing') at = pastBlanks(bytes, at, end);
      this.take(incoming, at === end, now);
      this.regulate();
    }
    if (this.over || this.state === 'leaving') return end;
    if (at < end && this.framing.place.ns === undefined) {
      this.hold(bytes.slice(at, end));
      return end;
    }
    return at;
  }

  private get over(): boolean {
    return this.state === 'ended' || this.state === 'lost';
  }

  private get reading(): boolean {
    return this.state !== 'proving' && this.state !== 'leaving' && !this.over && !this.choked;
  }

  /** A message that cannot be read yet, and that the carrier does not keep for us. */
  private hold(message: Uint8Array): void {
    if (this.held.length >= MAX_HELD || message.length > this.framing.limits.stanzaBytes)
      throw new StreamFault('policy-violation', 'RFC6120-4.9.3.14', 'too much at once');
    this.held.push(message);
  }

  private readOn(now: number): void {
    while (this.held.length > 0 && this.reading) {
      const message = this.held.shift()!;
      this.receive(message, 0, message.length, now);
    }
    if (this.reading) this.wire.resume();
  }

  /** `last`: nothing came behind it. */
  private take(incoming: Incoming, last: boolean, now: number): void {
    if (incoming.kind === 'end') {
      this.goodbye();
      return;
    }
    if (incoming.kind === 'header') {
      if (this.state !== 'fresh')
        throw new StreamFault('bad-format', 'RFC6120-4.2', 'a stream begins inside of a stream');
      this.begin(incoming.header);
      return;
    }
    const e = incoming.element;
    switch (this.state) {
      case 'choosing':
        if (e.is('starttls', NS.tls)) this.secure(last);
        else this.authenticate(e);
        return;
      case 'proved':
        this.enter(e, now);
        return;
      case 'bound':
        this.session!.take(e);
        return;
      default:
        throw new StreamFault('not-authorized', 'RFC6120-4.9.3.12', 'a stanza in front of the stream');
    }
  }

  // --- streams ---

  private begin(header: XmlElement): void {
    const to = header.attribute('to')?.toLowerCase();
    const version = /^(\d+)\.\d+$/.exec(header.attribute('version') ?? '');
    const wanted = to ?? this.options.domain ?? 'localhost';
    this.domain = isDomain(wanted) ? wanted : (this.options.domain ?? 'localhost');
    this.greet();
    if (version === null || Number(version[1]) < 1)
      throw new StreamFault('unsupported-version', 'RFC6120-4.7.5', 'XMPP 1.0 is spoken here');
    const { domain } = this.options;
    if (!isDomain(wanted) || (domain !== undefined && to !== undefined && to !== domain))
      throw new StreamFault('host-unknown', 'RFC6120-4.9.3.6', `${wanted.slice(0, 100)} is not served here`);
    if (this.proof === undefined) void this.offer();
    else {
      this.state = 'proved';
      this.features([
        element('bind', NS.bind),
        element('session', NS.session, {}, [element('optional', NS.session)]),
        element('sm', NS.sm),
      ]);
    }
  }

  /** The next thing that comes is the header of another stream. */
  private restart(): void {
    this.framing.restart();
    this.headed = false;
    this.state = 'fresh';
  }

  private greet(): void {
    const id = hexOf(this.hub.random(16));
    const attributes = { from: this.domain, id, version: '1.0', 'xml:lang': 'en' };
    this.headed = true;
    this.say(this.framing.header(attributes));
  }

  private features(inside: readonly XmlElement[]): void {
    this.write(this.render(element('features', NS.streams, {}, inside)));
  }

  private get canSecure(): boolean {
    return this.wire.secureUp !== undefined && !this.wire.secure;
  }

  /** Whether nothing but TLS is offered. */
  private get mustSecure(): boolean {
    const { startTls } = this.options;
    if (!this.canSecure || startTls === 'offered') return false;
    return startTls === 'required' || !isLocal(this.wire.remote);
  }

  private async offer(): Promise<void> {
    const starttls = element('starttls', NS.tls, {}, this.mustSecure ? [element('required', NS.tls)] : []);
    const inside = this.canSecure ? [starttls] : [];
    if (this.mustSecure) {
      this.state = 'choosing';
      this.features(inside);
      return;
    }
    this.pause();
    const names = await mechanismsFor(this.hub, this.knock());
    if (this.over) return;
    const mechanisms = names.map((name) => element('mechanism', NS.sasl, {}, [name]));
    this.state = 'choosing';
    this.features([...inside, element('mechanisms', NS.sasl, {}, mechanisms)]);
    this.goOn();
  }

  private pause(): void {
    this.state = 'proving';
    this.wire.pause();
  }

  /** After something that took its time: what arrived meanwhile is read. */
  private goOn(): void {
    const now = this.hub.now();
    this.heardAt = now;
    this.guarded(() => this.readOn(now));
  }

  /** What is not called by the transport has nobody else to catch it. */
  private guarded(call: () => void): void {
    const counters = this.hub.counters.of('xmpp');
    try {
      call();
    } catch (why) {
      if (why instanceof ProtocolError) counters.broken++;
      else counters.faults++;
      this.broken(why as Error);
      this.wire.end();
    }
  }

  private secure(last: boolean): void {
    if (!this.canSecure) {
      this.write(this.render(element('failure', NS.tls))); // [RFC6120-5.4.2.2]
      this.goodbye();
      return;
    }
    // Who sends in the clear behind <starttls/> wants it taken for secret. [RFC6120-5.3.1] The line feed of some libraries says nothing.
    if (!last)
      throw new StreamFault('policy-violation', 'RFC6120-5.4.3.1', 'octets in front of the handshake');
    this.write(this.render(element('proceed', NS.tls)));
    this.wire.secureUp!();
    this.sasl = undefined;
    this.restart();
  }

  // --- the login ---

  private knock(): Knock {
    const { remote, listener, identity } = this.wire;
    return { protocol: 'xmpp', client: '', remote, listener, wire: identity };
  }

  private authenticate(e: XmlElement): void {
    if (e.ns !== NS.sasl) throw new StreamFault('not-authorized', 'RFC6120-6.3.1', 'log in first');
    this.sasl ??= new Sasl(this.hub, this.knock());
    const { sasl } = this;
    if (this.mustSecure) {
      this.answered(sasl.failure('encryption-required'), sasl);
      return;
    }
    this.pause();
    void sasl.take(e).then((answer) => {
      if (!this.over) this.answered(answer, sasl);
    });
  }

  private answered(answer: SaslAnswer, sasl: Sasl): void {
    this.state = 'choosing';
    this.write(this.render(answer.element));
    if (answer.kind === 'failure' && sasl.failures >= MAX_FAILURES) {
      this.fail('policy-violation', 'Too many attempts to log in.');
      return;
    }
    if (answer.kind === 'success') {
      this.proof = answer.proof;
      this.restart();
    }
    this.goOn();
  }

  /** Binds a resource, or resumes a session. */
  private enter(e: XmlElement, now: number): void {
    if (e.is('resume', NS.sm)) {
      this.resume(e, now);
      return;
    }
    if (e.is('enable', NS.sm)) {
      const children = [element('unexpected-request', NS.stanzaErrors)];
      this.write(this.render(element('failed', NS.sm, {}, children))); // first a resource [XEP-0198-3]
      return;
    }
    const bind =
      e.is('iq', NS.client) && e.attribute('type') === 'set' ? e.child('bind', NS.bind) : undefined;
    const id = e.attribute('id');
    if (bind === undefined || id === undefined)
      throw new StreamFault('not-authorized', 'RFC6120-7.3.1', 'bind a resource first');
    try {
      this.bind(bind, id, now);
    } catch (why) {
      if (!(why instanceof StanzaFault)) throw why;
      this.write(this.render(element('iq', NS.client, { type: 'error', id }, [why.element])));
    }
  }

  private bind(bind: XmlElement, id: string, now: number): void {
    const { identity, user, anonymous } = this.proof!;
    const said = bind.child('resource')?.text ?? '';
    const resource = said === '' ? hexOf(this.hub.random(8)) : said;
    const local = anonymous ? hexOf(this.hub.random(8)) : localOf(user);
    if (!isResource(resource)) throw new StanzaFault('bad-request', 'the resource cannot be one');
    const jid: Jid = { local, domain: this.domain, resource };
    this.framing.limits = this.limits;
    this.state = 'bound';
    const session = new Session(this, this.hub, this.registry, jid, this.options, anonymous);
    this.session = session;
    this.hub.admit(
      { ...this.knock(), client: session.address, username: user, password: undefined },
      identity,
      session,
    );
    if (session.refused !== undefined) {
      this.session = undefined;
      this.state = 'proved';
      throw session.refused;
    }
    const bound = element('bind', NS.bind, {}, [element('jid', NS.bind, {}, [session.address])]);
    this.write(this.render(element('iq', NS.client, { type: 'result', id }, [bound])));
    session.start();
    this.heardAt = now;
    this.schedule();
  }

  private get limits(): XmlLimits {
    const stanzaBytes = Math.min(this.options.stanzaBytes, this.wire.limits.maxPacketBytes);
    return { stanzaBytes, tagBytes: 32_768, attributes: 256, elements: 10_000, depth: 100 };
  }

  private resume(e: XmlElement, now: number): void {
    const session = this.registry.resumable.get(e.attribute('previd') ?? '');
    const { identity, user, anonymous } = this.proof!;
    const own =
      session !== undefined &&
      !anonymous &&
      session.access.identity.principal === identity.principal &&
      session.jid.local === localOf(user) &&
      session.place.ns === this.place.ns; // what waits there is written as its kind of connection has it
    if (!own || session.access.renewed(identity) !== 'ok') {
      const children = [element('item-not-found', NS.stanzaErrors)];
      this.write(this.render(element('failed', NS.sm, {}, children)));
      return;
    }
    this.framing.limits = this.limits;
    this.state = 'bound';
    this.session = session;
    session.resume(this, e.attribute('h'));
    this.heardAt = now;
    this.schedule();
  }

  // --- the link that a session writes to ---

  get full(): boolean {
    return this.wire.full;
  }

  private render(e: XmlElement): Uint8Array {
    return encoder.encode(encodeElement(e, this.framing.place));
  }

  get place(): Place {
    return this.framing.place;
  }

  write(bytes: Uint8Array): void {
    if (!this.over) this.wire.write(bytes);
  }

  private say(text: string): void {
    this.write(encoder.encode(text));
  }

  regulate(): void {
    if (this.over || this.session === undefined) return;
    const { waiting } = this.session;
    const { unsent } = this.wire;
    if (!this.choked) {
      if (waiting < MAX_WAITING && unsent < MAX_UNREAD) return;
      this.choked = true;
      this.wire.pause();
    } else if (waiting <= MAX_WAITING / 2 && unsent <= MAX_UNREAD / 2) {
      this.choked = false;
      this.goOn();
    }
  }

  // --- time ---

  wake(now: number): void {
    if (this.over || this.state === 'leaving') return;
    if (this.state !== 'bound') {
      if (now >= this.openedAt + this.wire.limits.loginMs)
        this.fail('connection-timeout', 'The login took too long.');
    } else if (now >= this.heardAt + 2 * this.options.pingMs && !this.choked) {
      this.session!.access.blame('idle');
      this.fail('connection-timeout', 'Nothing was heard for too long.');
    } else if (now >= this.heardAt + this.options.pingMs && !this.pinged) {
      this.pinged = true;
      this.session!.ask();
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.over) return;
    if (this.state !== 'bound') {
      this.wire.wake(this.openedAt + this.wire.limits.loginMs);
      return;
    }
    const { pingMs } = this.options;
    const now = this.hub.now();
    const next = this.heardAt + (this.pinged ? 2 : 1) * pingMs;
    this.wire.wake(pingMs === 0 ? NEVER : Math.max(next, now + 1_000));
  }

  drained(): void {
    this.session?.pull();
    this.regulate();
  }

  // --- endings ---

  /** The other side has said goodbye: what it did is answered first. */
  private goodbye(): void {
    if (this.session === undefined) {
      this.part();
      return;
    }
    this.state = 'leaving';
    this.session.whenAnswered(() => {
      if (this.state === 'leaving') this.part();
    });
  }

  private part(): void {
    const { session } = this;
    this.session = undefined;
    session?.end(true);
    this.say(this.framing.footer);
    this.state = 'ended';
    this.wire.end();
  }

  broken(why: Error): void {
    if (this.over) return;
    const fault = why instanceof StreamFault ? why : undefined;
    const ours = !(why instanceof ProtocolError);
    if (!ours) this.session?.access.blame('protocol-error');
    const condition = fault?.condition ?? (ours ? 'internal-server-error' : 'undefined-condition');
    this.lastWords(condition, ours ? 'A defect of the hub.' : why.message, fault?.detail);
  }

  /** Ends the stream for a reason. */
  fail(condition: StreamCondition, text: string): void {
    if (this.over) return;
    this.lastWords(condition, text);
    this.wire.end();
  }

  /** `<stream:error/>` comes behind a header, even if the other side's was none. [RFC6120-4.9.1.2] */
  private lastWords(condition: StreamCondition, text: string, detail?: XmlElement): void {
    if (!this.headed) {
      this.domain = this.options.domain ?? 'localhost';
      this.greet();
    }
    const inside = [
      element(condition, NS.streamErrors),
      element('text', NS.streamErrors, { 'xml:lang': 'en' }, [text]),
      ...(detail === undefined ? [] : [detail]),
    ];
    this.write(this.render(element('error', NS.streams, {}, inside)));
    this.say(this.framing.footer);
    const { session } = this;
    this.session = undefined;
    this.state = 'ended';
    session?.end(false);
  }

  /** The session goes on over another connection. */
  replaced(): void {
    this.session = undefined;
    this.fail('conflict', 'The session was resumed by another connection.');
  }

  blamed(why: Departure): void {
    this.session?.access.blame(why);
  }

  lost(): void {
    const { session } = this;
    const leaving = this.state === 'leaving';
    this.session = undefined;
    this.state = 'lost';
    this.held = [];
    this.framing.close();
    if (leaving) session?.end(true);
    else session?.unlink();
  }
}

function isLocal(remote: string): boolean {
  return /^(?:127\.|\[?::1\]?|unix)/.test(remote);
}

/** Behind the white space that stands there. */
function pastBlanks(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === 0x20 || (bytes[at]! >= 0x09 && bytes[at]! <= 0x0d))) at++;
  return at;
}

function hexOf(octets: Uint8Array): string {
  let hex = '';
  for (const octet of octets) hex += octet.toString(16).padStart(2, '0');
  return hex;
}
