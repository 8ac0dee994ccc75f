// The client's side of STOMP 1.2: one connection from CONNECT to the receipt of its goodbye.

import { type Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type {
  Answer,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
} from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { ABILITY, outcomeOf, type Terms, termsOf, WAYMEET } from './client-terms.ts';
import { type Commands, FrameDecoder } from './decode.ts';
import { encodeFrame } from './encode.ts';
import { HeaderError, headersOf, messageOf } from './map.ts';
import { type Frame, type HubCommand, headerOf, NO_BODY } from './packet.ts';

export const stompSpeech: Speech = {
  name: 'stomp',
  carrier: 'stream',
  subprotocols: ['v12.stomp'],
  ability: ABILITY,
  open: (wire, options, events) => new StompSpeaker(wire, options, events),
};

const FROM_HUB: Commands<HubCommand> = {
  all: ['CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR'],
  bodied: ['MESSAGE', 'ERROR'],
};
const LIMITS = { headBytes: 32_768, headers: 512, lineLength: 16_384 };
const VERSION = '1.2';
/** Receipts that may be awaited. */
const WINDOW = 512;
/** The other side may be late: its clock is not ours. */
const TOLERANCE = 2;
const EARLY = 0.7;
const BEAT = new Uint8Array([0x0a]);
const LOST: Refusal = { outcome: 'unavailable', reason: 'the connection was lost', code: 0 };
const CLOSED: Refusal = { outcome: 'unavailable', reason: 'the connection was closed', code: 0 };
const decoder = new TextDecoder();

/** A subscription that was asked for; its id is its place. */
interface Subscribed {
  readonly filter: string;
  readonly qos: Qos;
}

/**
 *     opening  CONNECT is sent. CONNECTED: open; ERROR: ended
 *     open     frames pass. close(): closing; ERROR, silence: ended
 *     closing  DISCONNECT is sent. Its RECEIPT, or the end of the wire: ended
 */
class StompSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly frames: FrameDecoder<HubCommand>;
  private readonly origin: Origin = { protocol: 'stomp', client: '', principal: '' };
  private state: 'opening' | 'open' | 'closing' | 'ended' = 'opening';
  private early: (() => void)[] = [];
  private readonly receipts = new Map<string, (why: Refusal | undefined) => void>();
  private nextReceipt = 0;
  private readonly subscriptions = new Map<string, Subscribed>();
  private nextSubscription = 0;
  /** Deliveries that wait to be settled: the ack header of each. */
  private readonly unsettled = new Map<number, string>();
  private nextDelivery = 0;
  private sendMs = 0;
  private hearMs = 0;
  private heardAt = 0;
  private terms: Terms = WAYMEET;
  /** What calls are answered with once it is over. */
  private why: Refusal = CLOSED;

  constructor(wire: Wire, options: SpeakerOptions, events: SpeakerEvents) {
    this.wire = wire;
    this.options = options;
    this.events = events;
    const bodyBytes = wire.limits.maxPacketBytes;
    this.frames = new FrameDecoder({ ...LIMITS, bodyBytes }, { gathering: 0, limit: bodyBytes }, FROM_HUB);
    this.frames.version = VERSION;
    this.connect();
  }

  private connect(): void {
    const { clientId, username, password, keepAliveMs, settings } = this.options;
    const { host = this.options.host } = settings;
    const headers = ['accept-version', VERSION, 'host', host, 'heart-beat', `${keepAliveMs},${keepAliveMs}`];
    if (username !== undefined) headers.push('login', username);
    if (password !== undefined) headers.push('passcode', decoder.decode(password));
    if (clientId !== '') headers.push('client-id', clientId);
    this.send('CONNECT', headers);
  }

  private send(command: string, headers: readonly string[], body: Uint8Array = NO_BODY): void {
    this.wire.write(encodeFrame({ command, headers, body }, VERSION));
  }

  // --- what the caller asks ---

  get room(): number {
    return this.state !== 'open' || this.wire.full ? 0 : WINDOW - this.receipts.size;
  }

  publish(m: Message, answer: Answer): void {
    if (this.waits(() => this.publish(m, answer), answer)) return;
    const headers = [...headersOf(m, this.terms.destinationOf)];
    if (m.retain) headers.push('retain', 'true');
    if (m.qos > 0) headers.push('receipt', this.awaited(answer));
    this.send('SEND', headers, m.payload);
    if (m.qos === 0) answer(undefined);
  }

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    if (this.waits(() => this.subscribe(filter, qos, answer), answer)) return;
    const id = String(this.nextSubscription++);
    const granted: Qos = qos > 0 ? 1 : 0;
    this.subscriptions.set(id, { filter, qos: granted });
    const receipt = this.awaited((why) => {
      if (why !== undefined) this.subscriptions.delete(id);
      answer(why ?? granted);
    });
    const ack = granted === 0 ? 'auto' : 'client-individual';
    const window = ['prefetch-count', String(this.options.receiveMaximum)];
    const headers = [
      'id',
      id,
      'destination',
      this.terms.destinationOf(filter),
      'ack',
      ack,
      'receipt',
      receipt,
    ];
    this.send('SUBSCRIBE', granted === 0 ? headers : [...headers, ...window]);
  }

  unsubscribe(filter: string, answer: Answer): void {
    if (this.waits(() => this.unsubscribe(filter, answer), answer)) return;
    for (const [id, subscribed] of this.subscriptions) {
      if (subscribed.filter !== filter) continue;
      this.subscriptions.delete(id);
      this.send('UNSUBSCRIBE', ['id', id, 'receipt', this.awaited(answer)]);
      return;
    }
    answer({ outcome: 'no-subscription', reason: `there is no subscription to '${filter}'`, code: 0 });
  }

  settle(id: number, outcome: Outcome): void {
    const ack = this.unsettled.get(id);
    if (ack === undefined || this.state !== 'open') return;
    this.unsettled.delete(id);
    if (outcome === 'ok' || outcome === 'unmatched') this.send('ACK', ['id', ack]);
    else this.send('NACK', outcome === 'busy' ? ['id', ack] : ['id', ack, 'requeue', 'false']);
  }

  close(): void {
    if (this.state === 'closing' || this.state === 'ended') return;
    const open = this.state === 'open';
    this.state = 'closing';
    this.refuseAll(CLOSED);
    // Its receipt says that all before it was taken [STOMP12-disconnect].
    if (open) this.send('DISCONNECT', ['receipt', this.awaited(() => this.wire.end())]);
    else this.wire.end();
  }

  private waits(call: () => void, answer: (why: Refusal) => void): boolean {
    if (this.state === 'open') return false;
    if (this.state === 'opening') this.early.push(call);
    else answer(this.why);
    return true;
  }

  private awaited(answer: (why: Refusal | undefined) => void): string {
    const receipt = String(this.nextReceipt++);
    this.receipts.set(receipt, answer);
    return receipt;
  }

  // --- the wire ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    let at = start;
    while (this.state !== 'ended') {
      const frame = this.frames.next(bytes, at, end);
      at = this.frames.at;
      if (frame === undefined) return at;
      this.take(frame, now);
    }
    return end;
  }

  private take(frame: Frame<HubCommand>, now: number): void {
    switch (frame.command) {
      case 'CONNECTED':
        this.opened(frame, now);
        return;
      case 'MESSAGE':
        this.arrived(frame, now);
        return;
      case 'RECEIPT':
        this.answered(headerOf(frame, 'receipt-id') ?? '', undefined);
        return;
      case 'ERROR':
        this.failed(frame);
    }
  }

  private opened(frame: Frame<HubCommand>, now: number): void {
    if (this.state !== 'opening') throw new ProtocolError('STOMP12-connected-frame', 'a second CONNECTED');
    const version = headerOf(frame, 'version') ?? '1.0';
    if (version !== VERSION)
      throw new ProtocolError('STOMP12-protocol-negotiation', `it speaks STOMP ${version}`);
    this.state = 'open';
    this.beats(headerOf(frame, 'heart-beat') ?? '0,0', now);
    const { clientId } = this.options;
    const name = headerOf(frame, 'server') ?? '';
    this.terms = termsOf(name);
    const server = `STOMP ${version}${name === '' ? '' : `, ${name}`}`;
    this.events.opened({ clientId, resumed: false, ability: this.terms.ability, server });
    this.callEarly();
  }

  /** Each way the longer of what one can and the other wants; 0: none [STOMP12-heart-beating]. */
  private beats(theirs: string, now: number): void {
    const [can = 0, wants = 0] = theirs.split(',').map((ms) => Number(ms) || 0);
    const ours = this.options.keepAliveMs;
    this.hearMs = ours === 0 || can === 0 ? 0 : Math.max(ours, can);
    this.sendMs = ours === 0 || wants === 0 ? 0 : Math.max(ours, wants);
    this.heardAt = now;
    this.look(now);
  }

  private look(now: number): void {
    const beat = this.sendMs === 0 ? NEVER : now + this.sendMs * EARLY;
    const silence = this.hearMs === 0 ? NEVER : now + this.hearMs;
    const at = Math.min(beat, silence);
    if (at !== NEVER) this.wire.wake(at);
  }

  private arrived(frame: Frame<HubCommand>, now: number): void {
    const subscribed = this.subscriptions.get(headerOf(frame, 'subscription') ?? '');
    if (subscribed === undefined) return; // unsubscribed meanwhile
    const topic = this.terms.topicOf(headerOf(frame, 'destination') ?? '');
    const message = this.messageIn(frame, topic, now);
    const ack = headerOf(frame, 'ack');
    let id = 0;
    if (subscribed.qos > 0 && ack !== undefined) {
      id = ++this.nextDelivery;
      this.unsettled.set(id, ack);
    }
    this.events.delivered({
      message,
      id,
      retained: headerOf(frame, 'retain') === 'true',
      duplicate: headerOf(frame, 'redelivered') === 'true',
      filters: [subscribed.filter],
    });
  }

  private messageIn(frame: Frame<HubCommand>, topic: string, now: number): Message {
    try {
      const sent = { command: 'SEND', headers: this.ours(frame.headers), body: frame.body } as const;
      return messageOf(sent, topic, this.origin, now, (name) => `$queue/${name}`);
    } catch (why) {
      if (why instanceof HeaderError) throw new ProtocolError('STOMP12-message', why.message);
      throw why;
    }
  }

  /** The place for an answer, as Waymeet writes it. */
  private ours(headers: readonly string[]): readonly string[] {
    const at =
      this.terms === WAYMEET ? -1 : headers.findIndex((name, i) => i % 2 === 0 && name === 'reply-to');
    if (at < 0) return headers;
    const place = WAYMEET.destinationOf(this.terms.topicOf(headers[at + 1]!));
    return headers.with(at + 1, place);
  }

  private answered(receipt: string, why: Refusal | undefined): void {
    const answer = this.receipts.get(receipt);
    this.receipts.delete(receipt);
    answer?.(why);
  }

  /** After an ERROR the connection is over [STOMP12-error]; it may say which frame it is about. */
  private failed(frame: Frame<HubCommand>): void {
    const word = headerOf(frame, 'message') ?? '';
    const body = decoder.decode(frame.body).trim();
    const reason = body === '' ? word : body;
    const why: Refusal = { outcome: outcomeOf(word, reason, this.state === 'opening'), reason, code: 0 };
    const receipt = headerOf(frame, 'receipt-id');
    if (receipt !== undefined) this.answered(receipt, why);
    this.end(why);
    this.wire.end();
  }

  // --- time and the end ---

  drained(): void {}

  wake(now: number): void {
    if (this.state !== 'open') return;
    if (this.hearMs > 0 && now >= this.heardAt + this.hearMs * TOLERANCE) {
      this.end({ outcome: 'idle', reason: 'nothing was heard, not even a heart-beat', code: 0 });
      this.wire.destroy();
      return;
    }
    if (this.sendMs > 0) this.wire.write(BEAT);
    this.look(now);
  }

  broken(why: Error): void {
    this.end({
      outcome: 'payload-invalid',
      reason: `the server broke the protocol: ${why.message}`,
      code: 0,
    });
  }

  lost(): void {
    this.end(this.state === 'closing' ? undefined : LOST);
  }

  private end(why: Refusal | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.frames.close();
    this.why = why ?? CLOSED;
    this.refuseAll(this.why);
    this.events.ended(why);
  }

  private refuseAll(why: Refusal): void {
    const answers = [...this.receipts.values()];
    this.receipts.clear();
    for (const answer of answers) answer(why);
    this.callEarly();
  }

  private callEarly(): void {
    const { early } = this;
    this.early = [];
    for (const call of early) call();
  }
}
