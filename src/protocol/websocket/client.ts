// The client's side of `waymeet.v1`, in JSON or in CBOR.

import type { Message, Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import {
  type Ability,
  type Answer,
  EVERY_META,
  MAX_TAG,
  type Refusal,
  type Speaker,
  type SpeakerEvents,
  type SpeakerOptions,
  type Speech,
  type SubscribeHow,
  type Tag,
  type Will,
} from '../../contract/speaker.ts';
import type { Wire } from '../../contract/wire.ts';
import { decodeHubFrame } from './decode.ts';
import { encodeFrame } from './encode.ts';
import { publishedContent, REASON_OF, receivedMessage } from './map.ts';
import type {
  ClientFrame,
  ConnectedFrame,
  ConnectFrame,
  ErrorFrame,
  Form,
  FrameWill,
  HubFrame,
  MessageFrame,
} from './packet.ts';

const JSON_ABILITY: Ability = {
  publishQos: [0, 1, 2],
  subscribeQos: [0, 1, 2],
  retain: true,
  wildcards: true,
  shared: true,
  queues: true,
  sessions: true,
  wills: true,
  expiry: true,
  noLocal: true,
  retainedChoice: true,
  returns: true,
  meta: EVERY_META,
};

const CBOR_ABILITY: Ability = { ...JSON_ABILITY, meta: ['text', ...JSON_ABILITY.meta] };

export const WAYMEET_JSON: Speech = speech('waymeet.v1', 'json');
export const WAYMEET_CBOR: Speech = speech('waymeet.v1+cbor', 'cbor');

function abilityOf(form: Form): Ability {
  return form === 'cbor' ? CBOR_ABILITY : JSON_ABILITY;
}

function speech(name: string, form: Form): Speech {
  return {
    name,
    carrier: 'message',
    text: form === 'json',
    subprotocols: ['waymeet.v1'],
    ability: abilityOf(form),
    open: (wire, options, events) => new WaymeetSpeaker(wire, form, options, events),
  };
}

/** A frame that waits for the hub's answer, by its id. */
type Asked =
  | { readonly kind: 'publish'; readonly answer: Answer; readonly tagged: boolean }
  | { readonly kind: 'subscribe'; readonly answer: (granted: Qos | Refusal) => void }
  | { readonly kind: 'unsubscribe'; readonly answer: Answer };

/** Longer than any session: what the hub allows is less. */
const FOREVER = Number.MAX_SAFE_INTEGER;

/** knocking —connected→ open —close, error, lost→ over. */
class WaymeetSpeaker implements Speaker {
  private readonly wire: Wire;
  private readonly form: Form;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private state: 'knocking' | 'open' | 'over' = 'knocking';
  private window = 0;
  /** Tags are below. */
  private nextId = MAX_TAG + 1;
  private readonly asked = new Map<number, Asked>();
  /** Publishes among them. */
  private publishing = 0;
  /** What waits for `connected`, or for a place in the window, in order. */
  private waiting: (() => void)[] = [];
  /** Deliveries of QoS 2 that are not settled here. */
  private readonly unsettled = new Set<number>();
  /** Settled and not released, of the deliveries whose numbers are this connection's: the others are the memory's. */
  private readonly settled = new Set<number>();
  private why: Refusal | undefined;
  private closing = false;
  private saidAt: number;
  /** When it last sent a ping. */
  private askedAt = 0;
  private heardAt: number;

  constructor(wire: Wire, form: Form, options: SpeakerOptions, events: SpeakerEvents) {
    this.wire = wire;
    this.form = form;
    this.options = options;
    this.events = events;
    this.saidAt = options.now();
    this.heardAt = this.saidAt;
    wire.text = form === 'json';
    this.say(this.greeting());
    this.schedule();
  }

  private greeting(): ConnectFrame {
    const { clientId, username, password, sessionExpiryMs, clean, keepAliveMs, receiveMaximum, will } =
      this.options;
    return {
      type: 'connect',
      ...(clientId !== '' && { client: clientId }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && {
        password: this.form === 'cbor' ? password : new TextDecoder().decode(password),
      }),
      ...(sessionExpiryMs > 0 && { keepMs: Math.min(sessionExpiryMs, FOREVER) }),
      ...(clean && { fresh: true }),
      ...(keepAliveMs > 0 && { keepAliveMs }),
      window: Math.max(1, receiveMaximum),
      ...(will !== undefined && { will: this.willFrame(will) }),
    };
  }

  private willFrame({ message, delayMs }: Will): FrameWill {
    return {
      ...publishedContent(message, this.form, this.options.now()),
      ...(delayMs > 0 && { delayMs: Math.min(delayMs, FOREVER) }),
    };
  }

  private say(frame: ClientFrame): void {
    this.saidAt = this.options.now();
    this.wire.write(encodeFrame(frame, this.form));
  }

  // --- what the application asks ---

  get room(): number {
    if (this.state !== 'open' || this.wire.full) return 0;
    return Math.max(0, this.window - this.publishing - this.waiting.length);
  }

  publish(m: Message, answer: Answer, tag?: Tag): void {
    this.whenOpen(answer, () => {
      const content = publishedContent(m, this.form, this.options.now());
      if (m.qos === 0) {
        this.say({ type: 'publish', ...content });
        answer(undefined);
        return;
      }
      const id = tag?.tag ?? this.nextId++;
      this.asked.set(id, { kind: 'publish', answer, tagged: tag !== undefined });
      this.publishing++;
      if (tag?.stage === 'released') this.say({ type: 'release', id });
      else this.say({ type: 'publish', ...content, id });
    });
  }

  subscribe(
    filter: string,
    qos: Qos,
    answer: (granted: Qos | Refusal) => void,
    { noLocal = false, retained = 'all' }: SubscribeHow = {},
  ): void {
    this.whenOpen(answer, () => {
      const id = this.nextId++;
      this.asked.set(id, { kind: 'subscribe', answer });
      const how = { ...(noLocal && { noLocal }), ...(retained !== 'all' && { retained }) };
      this.say({ type: 'subscribe', filter, qos, ...how, id });
    });
  }

  unsubscribe(filter: string, answer: Answer): void {
    this.whenOpen(answer, () => {
      const id = this.nextId++;
      this.asked.set(id, { kind: 'unsubscribe', answer });
      this.say({ type: 'unsubscribe', filter, id });
    });
  }

  /** In order: what comes later never overtakes what waits. */
  private whenOpen(answer: (why: Refusal) => void, act: () => void): void {
    if (this.state === 'over' || this.closing) answer(this.why ?? GONE);
    else if (this.state === 'open' && this.waiting.length === 0 && this.publishing < this.window) act();
    else
      this.waiting.push(() => {
        if (this.state === 'over') answer(this.why ?? GONE);
        else act();
      });
  }

  private proceed(): void {
    while (this.waiting.length > 0 && (this.state === 'over' || this.publishing < this.window))
      this.waiting.shift()!();
  }

  settle(id: number, outcome: Outcome): void {
    if (this.state !== 'open') return;
    const twice = this.unsettled.delete(id);
    if (outcome !== 'ok') this.say({ type: 'reject', id, ...(outcome === 'busy' && { requeue: true }) });
    else if (twice) this.stored(id);
    else this.say({ type: 'ack', id });
  }

  /** It is told once it is kept here: from then on the hub may forget the message. */
  private stored(id: number): void {
    const { memory } = this.options;
    const lasting = memory !== undefined && lasts(id);
    if (lasting) memory.inbound.add(id);
    else this.settled.add(id);
    this.afterwards(lasting, { type: 'received', id });
  }

  private released(id: number): void {
    const { memory } = this.options;
    const lasting = memory?.inbound.has(id) === true;
    if (lasting) memory.inbound.delete(id);
    this.settled.delete(id);
    this.afterwards(lasting, { type: 'ack', id });
  }

  /** Says something once what it promises is kept. */
  private afterwards(lasting: boolean, frame: ClientFrame): void {
    if (!lasting) this.say(frame);
    else
      this.options.memory!.kept(() => {
        if (this.state === 'open') this.say(frame);
      });
  }

  close(): void {
    if (this.state === 'over' || this.closing) return;
    this.closing = true;
    this.say({ type: 'disconnect' });
    this.wire.end();
  }

  // --- what the hub says ---

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heardAt = now;
    this.hear(decodeHubFrame(bytes, start, end), now);
    return end;
  }

  private hear(frame: HubFrame, now: number): void {
    switch (frame.type) {
      case 'connected':
        this.connected(frame);
        return;
      case 'message':
        this.message(frame, now);
        return;
      case 'published':
      case 'unsubscribed':
        if (frame.id !== undefined) this.answered(frame.id);
        return;
      case 'received':
        this.recorded(frame.id);
        return;
      case 'release':
        this.released(frame.id);
        return;
      case 'subscribed': {
        const asked = this.taken(frame.id);
        if (asked?.kind === 'subscribe') asked.answer(frame.qos);
        return;
      }
      case 'error':
        this.failed(frame);
        return;
      case 'response':
      case 'pong':
        return;
    }
  }

  private connected({ client, resumed, window }: ConnectedFrame): void {
    if (this.state !== 'knocking') throw new ProtocolError('WAYMEET1-connected', 'connected comes once');
    this.state = 'open';
    this.window = Math.max(1, window);
    this.events.opened({ clientId: client, resumed, ability: abilityOf(this.form), server: 'waymeet.v1' });
    this.proceed();
  }

  private message(frame: MessageFrame, now: number): void {
    const { ack = 0, qos, retain, again = false } = frame;
    if (qos === 2 && ack !== 0) {
      if (this.settled.has(ack) || (lasts(ack) && this.options.memory?.inbound.has(ack) === true)) {
        this.say({ type: 'received', id: ack }); // the hub did not hear it
        return;
      }
      this.unsettled.add(ack);
    }
    const message = receivedMessage(frame, this.form, now);
    this.events.delivered({ message, id: ack, retained: retain, duplicate: again });
  }

  /** The hub has an exactly-once publish. */
  private recorded(id: number): void {
    const asked = this.asked.get(id);
    const lasting = asked?.kind === 'publish' && asked.tagged && this.options.memory !== undefined;
    if (lasting) this.options.memory!.released(id);
    this.afterwards(lasting, { type: 'release', id });
  }

  private taken(id: number | undefined): Asked | undefined {
    if (id === undefined) return undefined;
    const asked = this.asked.get(id);
    if (asked === undefined) return undefined;
    this.asked.delete(id);
    if (asked.kind === 'publish') this.publishing--;
    return asked;
  }

  private answered(id: number): void {
    const asked = this.taken(id);
    if (asked !== undefined && asked.kind !== 'subscribe') asked.answer(undefined);
    this.proceed();
  }

  private failed({ code, reason, id }: ErrorFrame): void {
    const why: Refusal = { outcome: outcomeOf(code), reason, code: 0 };
    if (id === undefined) {
      this.why = why; // if the connection ends now, this is why
      return;
    }
    this.taken(id)?.answer(why);
    this.proceed();
  }

  // --- time and endings ---

  drained(): void {}

  /**
   * Speaks when it was silent for as long as it promised, and asks when the hub was: at level 0 a publisher hears nothing else. The hub is
   * lost when it says nothing for twice that.
   */
  wake(now: number): void {
    const { keepAliveMs } = this.options;
    if (this.state === 'over' || keepAliveMs === 0) return;
    if (now - this.heardAt >= 2 * keepAliveMs) {
      this.why = { outcome: 'idle', reason: 'the hub has said nothing for too long', code: 0 };
      this.wire.destroy();
      return;
    }
    if (now - this.quietSince >= keepAliveMs && this.state === 'open') {
      this.askedAt = now;
      this.say({ type: 'ping' });
    }
    this.schedule();
  }

  private get quietSince(): number {
    return Math.min(this.saidAt, Math.max(this.heardAt, this.askedAt));
  }

  private schedule(): void {
    const { keepAliveMs } = this.options;
    if (keepAliveMs > 0)
      this.wire.wake(
        Math.min(
          Math.max(this.quietSince, this.options.now() - keepAliveMs + 1) + keepAliveMs,
          Math.max(this.heardAt + 2 * keepAliveMs, this.options.now() + 1),
        ),
      );
  }

  broken(why: Error): void {
    this.why = { outcome: 'payload-invalid', reason: why.message, code: 0 };
  }

  lost(): void {
    if (this.state === 'over') return;
    this.state = 'over';
    if (!this.closing) this.why ??= GONE;
    const why = this.why ?? GONE;
    for (const { answer } of this.asked.values()) answer(why);
    this.asked.clear();
    this.proceed();
    this.events.ended(this.closing ? undefined : why);
  }
}

/** Numbers of the session's own mailbox are even and mean the same in every connection. */
function lasts(ack: number): boolean {
  return ack % 2 === 0;
}

const GONE: Refusal = { outcome: 'unavailable', reason: 'the connection ended', code: 0 };

/** The hub's codes are our outcomes; a few are of its protocol alone. */
function outcomeOf(code: string): Outcome {
  if (code === 'protocol-error') return 'payload-invalid';
  return Object.hasOwn(REASON_OF, code) ? (code as Outcome) : 'unavailable';
}
