// A subscriber that asks again and again instead of observing: what CoAP is without RFC 7641.

import { Message, NEVER, type Qos } from '../contract/message.ts';
import type {
  Ability,
  Refusal,
  Speaker,
  SpeakerEvents,
  SpeakerOptions,
  Speech,
} from '../contract/speaker.ts';
import type { Wire } from '../contract/wire.ts';
import { CoapCaller } from '../protocol/coap/caller.ts';
import { CODE } from '../protocol/coap/packet.ts';

const ABILITY: Ability = {
  publishQos: [],
  subscribeQos: [0, 1],
  retain: true,
  wildcards: false,
  shared: false,
  queues: false,
  sessions: false,
  wills: false,
  expiry: false,
  meta: [],
};

const NOT_HERE: Refusal = { outcome: 'not-supported', reason: 'a poller only asks', code: 0 };
const ORIGIN = { protocol: 'coap', client: '', principal: '' };

/** GETs a topic's last value every `periodMs`, and delivers it when it is another one than before. */
export function pollingSpeech(periodMs: number): Speech {
  return {
    name: 'coap',
    carrier: 'datagram',
    ability: ABILITY,
    open: (wire, options, events) => new Poller(wire, options, events, periodMs),
  };
}

class Poller implements Speaker {
  readonly room = 0;
  private readonly caller: CoapCaller;
  private readonly options: SpeakerOptions;
  private readonly events: SpeakerEvents;
  private readonly periodMs: number;
  private filter: string | undefined;
  private last: Buffer | undefined;
  private over = false;

  constructor(wire: Wire, options: SpeakerOptions, events: SpeakerEvents, periodMs: number) {
    this.options = options;
    this.events = events;
    this.periodMs = periodMs;
    this.caller = new CoapCaller(wire, {
      framing: 'datagram',
      random: (length) => options.random(length),
      now: () => options.now(),
      lost: () => this.end(),
    });
    events.opened({ clientId: options.clientId, resumed: false, ability: ABILITY, server: 'CoAP' });
  }

  subscribe(filter: string, qos: Qos, answer: (granted: Qos | Refusal) => void): void {
    this.filter = filter;
    answer(qos);
    this.poll();
  }

  private poll(): void {
    if (this.over || this.filter === undefined) return;
    this.caller.remind(this.options.now() + this.periodMs, () => this.poll());
    const path = ['t', ...this.filter.split('/')];
    this.caller.call(
      { code: CODE.get, path },
      {
        answer: ({ code, payload }) => {
          if (code === CODE.content) this.took(Buffer.from(payload));
        },
        failed: () => {}, // the next one may come through
      },
    );
  }

  private took(payload: Buffer): void {
    if (this.last?.equals(payload) === true) return;
    this.last = payload;
    const message = new Message(this.filter!, payload, 0, true, ORIGIN, this.options.now(), NEVER, undefined);
    this.events.delivered({ message, id: 0, retained: true, duplicate: false });
  }

  publish(_m: Message, answer: (why: Refusal | undefined) => void): void {
    answer(NOT_HERE);
  }

  unsubscribe(_filter: string, answer: (why: Refusal | undefined) => void): void {
    this.filter = undefined;
    answer(undefined);
  }

  settle(): void {}

  close(): void {
    this.end();
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    this.events.ended(undefined);
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    return this.caller.receive(bytes, start, end);
  }

  drained(): void {}

  wake(now: number): void {
    this.caller.wake(now);
  }

  broken(why: Error): void {
    this.caller.broken(why);
  }

  lost(): void {
    this.caller.lost();
  }
}
