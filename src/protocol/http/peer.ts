// One HTTP user at the hub: many requests, each answered once what it asks for is kept.
//
//     login → welcomed → perform* → leave          a request: asked → waiting for the commit, a value or a reply → answered
//                 └ refused, evicted: every request gets the reason.

import type { Login } from '../../contract/auth.ts';
import type { Access, Guest, Hub, ProtocolCounters } from '../../contract/hub.ts';
import { PRIVATE } from '../../contract/mailbox.ts';
import { Message, NEVER, type Origin, type Qos } from '../../contract/message.ts';
import { type Outcome, ProtocolError } from '../../contract/outcome.ts';
import { isTopicName } from '../../contract/topic.ts';
import { encodeJson, encodeProblem, entityTag } from './encode.ts';
import { Keys } from './idempotency.ts';
import { headersOf, refusalOf } from './map.ts';
import {
  type Answer,
  type BatchOperation,
  type Content,
  type JsonWords,
  type Operation,
  type Pending,
  type PublishOperation,
  type ReadOperation,
  Refusal,
  type Reply,
  type RequestOperation,
} from './packet.ts';
import { EventStream } from './subscribe.ts';
import { Waiter } from './waiter.ts';

export const PROTOCOL = 'http';

/** Responses to `POST /request` come back under `$reply/http/{client}/`: `$` keeps them from those who subscribe to everything. */
const REPLY_ROOT = '$reply/http';

export class HttpPeer implements Guest {
  private readonly hub: Hub;
  private readonly json: JsonWords;
  private readonly counters: ProtocolCounters;
  private readonly began: (peer: HttpPeer, refused: Refusal | undefined) => void;
  private access: Access | undefined;
  private keys: Keys | undefined;
  private ended: Outcome | undefined;
  private opened = 0;
  private last: { readonly topic: string; readonly outcome: Outcome; readonly answer: Answer } | undefined;
  private readonly committing: { readonly ticket: number; readonly reply: Reply; readonly answer: Answer }[] =
    [];
  private readonly streams = new Set<EventStream>();

  /** `began` is called once, when the login is through or refused. */
  constructor(
    hub: Hub,
    login: Login,
    json: JsonWords,
    began: (peer: HttpPeer, refused: Refusal | undefined) => void,
  ) {
    this.hub = hub;
    this.json = json;
    this.began = began;
    this.counters = hub.counters.of(PROTOCOL);
    hub.login(login, this);
  }

  // --- the hub's side ---

  welcome(access: Access): void {
    this.access = access;
    this.began(this, undefined);
  }

  refuse(why: Outcome): void {
    this.counters.refused++;
    this.ended = why;
    this.began(this, refusalOf(why));
  }

  kept(ticket: number): void {
    const { committing } = this;
    while (committing.length > 0 && committing[0]!.ticket <= ticket) {
      const { reply, answer } = committing.shift()!;
      reply.answer(answer);
    }
  }

  evict(why: Outcome): void {
    this.ended = why;
    for (const { reply } of this.committing.splice(0)) reply.answer(encodeProblem(refusalOf(why)));
    for (const stream of this.streams) stream.evict(why);
  }

  // --- the client's side ---

  /** No request can be made any more: log in again. */
  get gone(): boolean {
    return this.ended !== undefined;
  }

  /** The client id that the hub gave it; undefined before the login. */
  get client(): string | undefined {
    return this.access?.client;
  }

  get identity(): Access['identity'] | undefined {
    return this.access?.identity;
  }

  leave(now: number): void {
    this.ended ??= 'ok';
    this.access?.leave(true, now);
  }

  /** Carries out one operation; what is returned is not answered yet. Throws Refusal. */
  perform(operation: Operation, body: Uint8Array, reply: Reply, now: number): Pending | undefined {
    const access = this.access;
    if (access === undefined || this.ended !== undefined)
      throw refusalOf(this.ended === undefined || this.ended === 'ok' ? 'unavailable' : this.ended);
    switch (operation.kind) {
      case 'publish':
        this.once(operation, body, reply, access, () => this.publish(operation, access, now));
        return undefined;
      case 'batch':
        this.once(operation, body, reply, access, () => this.batch(operation, access, now));
        return undefined;
      case 'read':
        return this.read(operation, reply, access, now);
      case 'request':
        return this.request(operation, reply, access, now);
      case 'subscribe':
        return this.subscribe(operation, reply, access);
    }
  }

  /** Publishes unless the Idempotency-Key was seen before; the answer leaves once both are kept. */
  private once(
    operation: PublishOperation | BatchOperation,
    body: Uint8Array,
    reply: Reply,
    access: Access,
    act: () => Answer,
  ): void {
    const { idempotencyKey: key } = operation;
    if (key === undefined) {
      this.answerKept(reply, act(), access);
      return;
    }
    this.keys ??= new Keys(access);
    const target = targetOf(operation);
    const earlier = this.keys.find(key, target, body);
    const answer = earlier ?? act();
    if (earlier === undefined) this.keys.add(key, target, body, answer);
    // A repetition waits as well: the first one may still wait for its commit.
    this.answerKept(reply, answer, access);
  }

  private answerKept(reply: Reply, answer: Answer, access: Access): void {
    const { due } = access;
    if (due === 0) reply.answer(answer);
    else this.committing.push({ ticket: due, reply, answer });
  }

  private publish({ content }: PublishOperation, access: Access, now: number): Answer {
    const outcome = access.publish(this.message(content, access, now));
    this.counters.received[content.qos]!++;
    if (outcome !== 'ok' && outcome !== 'unmatched') throw refusalOf(outcome);
    return this.published(content.topic, outcome);
  }

  /** A device publishes to one topic most of the time. */
  private published(topic: string, outcome: Outcome): Answer {
    if (this.last === undefined || this.last.topic !== topic || this.last.outcome !== outcome) {
      // No answer to a POST is stored by anybody, so nothing is said of it. [RFC9110-9.3.3]
      const answer = { status: 200, headers: PLAIN_JSON, body: `${JSON.stringify({ topic, outcome })}\n` };
      this.last = { topic, outcome, answer };
    }
    return this.last.answer;
  }

  private batch({ items }: BatchOperation, access: Access, now: number): Answer {
    const origin = this.origin(access);
    // All are read before any is published: a batch with a mistake publishes nothing.
    const messages = items.map((item, index) => {
      try {
        const m = this.json.read(item, origin, now);
        if (!isTopicName(m.topic, this.hub.limits)) throw refusalOf('topic-invalid');
        return m;
      } catch (error) {
        if (!(error instanceof ProtocolError || error instanceof Refusal)) throw error;
        throw new Refusal(400, 'payload-invalid', `message ${index}: ${error.message}`);
      }
    });
    const results = messages.map((m) => {
      this.counters.received[m.qos]!++;
      return { topic: m.topic, outcome: access.publish(m) };
    });
    return encodeJson({ results });
  }

  private message(
    { topic, payload, qos, retain, expiryMs, meta }: Content,
    access: Access,
    now: number,
  ): Message {
    const expiresAt = expiryMs === NEVER ? NEVER : now + expiryMs;
    return new Message(topic, payload, qos, retain, this.origin(access), now, expiresAt, meta);
  }

  private origin(access: Access): Origin {
    return { protocol: PROTOCOL, client: access.client, principal: access.identity.principal };
  }

  private read(operation: ReadOperation, reply: Reply, access: Access, now: number): Pending | undefined {
    const { topic, known, waitMs } = operation;
    const m = access.retained(topic);
    const unchanged = m !== undefined && (known.includes(entityTag(m)) || known.includes('*'));
    if (waitMs === 0 || (m !== undefined && !unchanged)) {
      reply.answer(this.value(m, unchanged, now));
      return undefined;
    }
    return new Waiter(access, PRIVATE + this.boxName(access), topic, waitMs, {
      took: (next) => {
        if (!next.retain) return false;
        reply.answer(next.payload.length === 0 ? NOTHING : this.value(next, false, this.hub.now()));
        return true;
      },
      expired: () => reply.answer(this.value(access.retained(topic), unchanged, this.hub.now())),
    });
  }

  private value(m: Message | undefined, unchanged: boolean, now: number): Answer {
    if (m === undefined) return NOTHING;
    const headers = { ...headersOf(m, now), ETag: entityTag(m), 'Cache-Control': 'no-cache' };
    if (unchanged) return { status: 304, headers, body: '' };
    this.counters.delivered[m.qos]!++;
    return { status: 200, headers, body: m.payload };
  }

  private request(
    { content, timeoutMs }: RequestOperation,
    reply: Reply,
    access: Access,
    now: number,
  ): Pending {
    const responseTopic = `${REPLY_ROOT}/${access.client}/${++this.opened}`;
    const waiter = new Waiter(access, PRIVATE + this.boxName(access), responseTopic, timeoutMs, {
      took: (m) => {
        const at = this.hub.now();
        this.counters.delivered[m.qos]!++;
        reply.answer({
          status: 200,
          headers: { ...headersOf(m, at), 'Cache-Control': 'no-store' },
          body: m.payload,
        });
        return true;
      },
      expired: () =>
        reply.answer(
          encodeProblem(new Refusal(504, 'timeout', `nobody answered within ${timeoutMs / 1_000} s`)),
        ),
    });
    const correlation = content.meta?.correlation ?? String(this.opened);
    const meta = { ...content.meta, responseTopic, correlation };
    const outcome = access.publish(this.message({ ...content, meta }, access, now));
    this.counters.received[content.qos]!++;
    if (outcome === 'ok') return waiter;
    waiter.close();
    if (outcome === 'unmatched')
      throw new Refusal(404, 'unmatched', 'nobody is subscribed to this topic, so nobody will answer');
    throw refusalOf(outcome);
  }

  private subscribe(
    operation: Extract<Operation, { kind: 'subscribe' }>,
    reply: Reply,
    access: Access,
  ): Pending {
    const { queueMessages, overflow } = this.hub.limits;
    // A client may be back before its old connection is known to be lost.
    for (const stream of this.streams) if (stream.name === operation.after?.mailbox) stream.close();
    const stream = new EventStream(
      operation,
      {
        access,
        json: this.json,
        capacity: queueMessages,
        overflow,
        mailboxName: () => this.boxName(access),
        delivered: (qos: Qos) => {
          this.counters.delivered[qos]!++;
        },
        closed: (one) => this.streams.delete(one),
      },
      reply,
    );
    this.streams.add(stream);
    return stream;
  }

  private boxName(access: Access): string {
    return `${access.client}.${++this.opened}`;
  }
}

/** What the body of a request is for. */
function targetOf(operation: PublishOperation | BatchOperation): string {
  if (operation.kind === 'batch') return operation.kind;
  const { topic, qos, retain, expiryMs } = operation.content;
  return `${operation.kind} ${qos} ${retain} ${expiryMs} ${topic}`;
}

const PLAIN_JSON = { 'Content-Type': 'application/json' };

const NOTHING = encodeProblem(new Refusal(404, 'no-retained-message', 'this topic has no retained message'));
