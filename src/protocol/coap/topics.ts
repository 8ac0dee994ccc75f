// The plain surface: `/t/{topic…}` is the topic. PUT and POST publish, GET reads and observes, PATCH changes, DELETE clears, FETCH reads many.

import { Message, type Meta, NEVER, type Qos } from '../../contract/message.ts';
import { isTopicFilter, isTopicName } from '../../contract/topic.ts';
import { eTagOf } from './block.ts';
import { decodeUint } from './decode.ts';
import { encodeUint } from './encode.ts';
import { type Endpoint, hasTag, keyOf, operationOf, qosOf, type Request } from './endpoint.ts';
import { decodeEnvelope } from './envelope.ts';
import { metaOf } from './map.ts';
import type { Observation, Observer } from './observe.ts';
import type { Refusal, RequestOptions } from './options.ts';
import { CODE, type CoapOption, type CoapType, ENVELOPE_FORMAT, NOTHING, OPTION } from './packet.ts';
import { patchTopic } from './patch.ts';
import { messageTag, render, type Shape, TOPICS } from './rendering.ts';
import { fetchTopics } from './selection.ts';

/** [RFC7641-4.5] asks for 24 hours at most. */
const PROBE_MS = 3_600_000;
/** Messages of a filter with wildcards that wait for their observer; of one topic, only the newest. */
const WILD_CAPACITY = 1_024;

/** What the query says. */
interface Wish {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expiresAt: number;
  readonly shape: Shape;
}

/** What of a request its wish depends on. */
interface Asked {
  readonly options: RequestOptions;
  readonly exchange: { readonly type: CoapType };
}

export function serveTopic(request: Request, endpoint: Endpoint): void {
  if (request.message.code === CODE.fetch) {
    fetchTopics(request, endpoint);
    return;
  }
  const wish = wishOf(request, endpoint.now);
  if ('code' in wish) {
    endpoint.refuseRequest(request, wish);
    return;
  }
  switch (request.message.code) {
    case CODE.get:
      if (request.options.observe === 0) observe(request, endpoint, wish);
      else read(request, endpoint, wish);
      return;
    case CODE.put:
    case CODE.post:
      publish(request, endpoint, wish, request.body, CODE.changed);
      return;
    case CODE.delete:
      // An empty retained message clears the topic.
      publish(request, endpoint, { ...wish, retain: true }, NOTHING, CODE.deleted);
      return;
    default:
      patch(request, endpoint, wish); // a method that is none was refused before
  }
}

function wishOf({ options, exchange }: Asked, now: number): Wish | Refusal {
  const { path, query } = options;
  const bad = (why: string): Refusal => ({ code: CODE.badRequest, why });
  if (path.length < 2) return { code: CODE.notFound, why: `topics are under /${TOPICS}/` };
  // A slash inside a segment would become two levels, and name another topic than the path does.
  if (path.some((level) => level.includes('/'))) return bad('slash inside a path segment');
  const qos = query.get('qos');
  if (qos !== undefined && !/^[012]$/.test(qos)) return bad('qos is 0, 1 or 2');
  const retain = query.get('retain') ?? 'false';
  if (!/^(?:true|false|0|1|)$/.test(retain)) return bad('retain is true or false');
  const expiry = query.get('expiry');
  if (expiry !== undefined && !/^\d{1,9}$/.test(expiry)) return bad('expiry is in whole seconds');
  const envelope = query.get('envelope');
  if (envelope !== undefined && !/^(?:json|cbor|auto)$/.test(envelope))
    return bad('envelope is json, cbor or auto');
  const conflate = query.get('conflate') ?? 'true';
  if (!/^(?:true|false|0|1)$/.test(conflate)) return bad('conflate is true or false');
  const topic = path.slice(1).join('/');
  return {
    topic,
    qos: qos === undefined ? qosOf(exchange) : (Number(qos) as Qos),
    retain: retain === 'true' || retain === '1' || retain === '',
    expiresAt: expiry === undefined ? NEVER : now + Number(expiry) * 1_000,
    shape: {
      located: isWild(topic),
      envelope: envelope as Shape['envelope'],
      every: isWild(topic) || conflate === 'false' || conflate === '0',
    },
  };
}

/**
 * What a request without conditions says of one topic, when that is the same for every endpoint and at any time; undefined: it has more to
 * say, or something wrong.
 */
export function plainWish(
  options: RequestOptions,
  type: CoapType,
): { readonly topic: string; readonly qos: Qos } | undefined {
  const { query, path } = options;
  if (path[0] !== TOPICS || ![...query.keys()].every((name) => name === 'qos')) return undefined;
  if (options.contentFormat === ENVELOPE_FORMAT) return undefined;
  const wish = wishOf({ options, exchange: { type } }, 0);
  return 'code' in wish || wish.shape.located ? undefined : { topic: wish.topic, qos: wish.qos };
}

function isWild(filter: string): boolean {
  return filter.includes('+') || filter.includes('#') || /^\$(?:share|queue)\//.test(filter);
}

function patch(request: Request, endpoint: Endpoint, wish: Wish): void {
  if (!isTopicName(wish.topic, endpoint.hub.limits)) {
    endpoint.refuseOutcome(request, 'topic-invalid');
    return;
  }
  const failed = unmet(request, wish.topic, endpoint);
  if (failed === undefined) patchTopic(request, endpoint, wish);
  else endpoint.refuseRequest(request, failed);
}

function publish(
  request: Request,
  endpoint: Endpoint,
  wish: Wish,
  payload: Uint8Array,
  success: number,
): void {
  if (!isTopicName(wish.topic, endpoint.hub.limits)) {
    endpoint.refuseOutcome(request, 'topic-invalid');
    return;
  }
  const failed = unmet(request, wish.topic, endpoint);
  if (failed !== undefined) {
    endpoint.refuseRequest(request, failed);
    return;
  }
  const { origin } = endpoint;
  const said = contentOf(request, wish, payload);
  if (said === undefined) {
    endpoint.refuseOutcome(request, 'payload-invalid');
    return;
  }
  const { topic, qos, retain, expiresAt } = wish;
  const outcome = endpoint.publish(
    new Message(topic, said.payload, qos, retain, origin, endpoint.now, expiresAt, said.meta),
  );
  if (outcome === 'ok' || outcome === 'unmatched') endpoint.respondKept(request, success);
  else endpoint.refuseOutcome(request, outcome);
}

/** Payload and properties: of the options, or of the envelope that the body is. Undefined: it is none. */
function contentOf(
  { options: { contentFormat } }: Request,
  { shape: { envelope } }: Wish,
  payload: Uint8Array,
): { readonly payload: Uint8Array; readonly meta: Meta | undefined } | undefined {
  const as = contentFormat === ENVELOPE_FORMAT ? 'cbor' : envelope === 'auto' ? undefined : envelope;
  if (as === undefined || payload.length === 0) return { payload, meta: metaOf(contentFormat, payload) };
  return decodeEnvelope(payload, as);
}

/** What the request asks of the retained value first, and is not so [RFC7252-5.10.8]. */
function unmet({ options }: Request, topic: string, endpoint: Endpoint): Refusal | undefined {
  const { ifMatch, ifNoneMatch } = options;
  if (ifMatch === undefined && !ifNoneMatch) return undefined;
  const m = endpoint.access.retained(topic);
  const failed: Refusal = {
    code: CODE.preconditionFailed,
    why: m === undefined ? 'no value' : 'another value',
  };
  if (ifNoneMatch && m !== undefined) return failed;
  if (ifMatch === undefined) return undefined;
  if (m === undefined) return failed;
  return ifMatch.length === 0 || hasTag(ifMatch, messageTag(m)) ? undefined : failed;
}

function read(request: Request, endpoint: Endpoint, wish: Wish): void {
  if (request.options.observe === 1) endpoint.observers.forget(keyOf(request.exchange.token)); // [RFC7641-3.6]
  const m = endpoint.access.retained(wish.topic);
  if (m === undefined) endpoint.refuseRequest(request, { code: CODE.notFound, why: 'no retained message' });
  else respondWith(request, endpoint, m, wish.shape, []);
}

/** Answers with the message; false: the client accepts another format only. */
export function respondWith(
  request: Request,
  endpoint: Endpoint,
  m: Message,
  shape: Shape,
  observe: readonly CoapOption[],
): boolean {
  const { accept, eTags } = request.options;
  const { options, payload } = render(m, shape, endpoint.now);
  const format = options.find((o) => o.number === OPTION.contentFormat);
  if (accept !== undefined && (format === undefined || decodeUint(format.value) !== accept)) {
    endpoint.refuseRequest(request, { code: CODE.notAcceptable, why: 'another Content-Format' }); // [RFC7252-5.10.4]
    return false;
  }
  // An envelope tells more than the payload, so that equal payloads may have different ones.
  const tag = payload === m.payload ? messageTag(m) : eTagOf(payload, 0);
  const eTag = { number: OPTION.eTag, value: tag };
  if (hasTag(eTags, tag)) {
    const age = options.filter((o) => o.number === OPTION.maxAge);
    endpoint.respond(request, CODE.valid, [eTag, ...observe, ...age]); // [RFC7252-5.10.6.2]
  } else endpoint.respond(request, CODE.content, [eTag, ...observe, ...options], payload);
  return true;
}

function observe(request: Request, endpoint: Endpoint, wish: Wish): void {
  if (!isTopicFilter(wish.topic, endpoint.hub.limits)) {
    endpoint.refuseOutcome(request, 'filter-invalid');
    return;
  }
  const { observers, hub } = endpoint;
  const key = keyOf(request.exchange.token);
  const known = observers.find(key);
  const { protection } = request.exchange;
  // Renewed: what waits for it goes on waiting, and nothing is told twice [RFC7641-3.3.1, 4.1]. What is sealed is bound to it from now on.
  if (
    known !== undefined &&
    known.what.protection?.context === protection?.context &&
    known.what.accept === request.options.accept &&
    isSame(known.what, wish)
  ) {
    known.what.protection = protection;
    answerFirst(request, endpoint, wish, observers.nextSequence());
    return;
  }
  observers.forget(key); // the same token again replaces the observation [RFC7641-4.1]
  if (observers.size >= hub.limits.subscriptionsPerClient) {
    read(request, endpoint, wish); // an answer without Observe: not observed [RFC7641-4.1]
    return;
  }
  register(request, endpoint, wish.topic, wish.qos, wish.shape, PROBE_MS, ({ sequence }) =>
    answerFirst(request, endpoint, wish, sequence),
  );
}

function isSame({ filter, qos, shape }: Observation, wish: Wish): boolean {
  return (
    filter === wish.topic &&
    qos === wish.qos &&
    shape.envelope === wish.shape.envelope &&
    shape.every === wish.shape.every
  );
}

/** The retained value; a topic without one yet can be observed too: then 2.05 without payload starts the observation. */
function answerFirst(request: Request, endpoint: Endpoint, wish: Wish, sequence: number): boolean {
  const first = [{ number: OPTION.observe, value: encodeUint(sequence) }];
  const m = endpoint.access.retained(wish.topic);
  if (m !== undefined) return respondWith(request, endpoint, m, wish.shape, first);
  endpoint.respond(request, CODE.content, first);
  return true;
}

/** Starts an observation: subscribes, lets `answer` respond, and undoes it when that returns false. */
export function register(
  request: Request,
  endpoint: Endpoint,
  filter: string,
  qos: Qos,
  shape: Shape,
  probeMs: number,
  answer: (started: { sequence: number }) => boolean,
): Observer | undefined {
  const { observers, access, layer } = endpoint;
  const { token } = request.exchange;
  const key = keyOf(token);
  const box = access.mailbox(`${key}@${access.client}`, {
    fresh: true,
    keepMs: 0,
    capacity: shape.every ? WILD_CAPACITY : 1,
    overflow: shape.every ? 'drop-oldest' : 'conflate',
  });
  const operation = operationOf(request.exchange, request.message);
  const szx = request.options.block2?.szx ?? layer.maxSzx;
  const { protection } = request.exchange;
  const { accept } = request.options;
  const what = { key, token, filter, qos, shape, operation, szx, accept, probeMs, protection };
  const observer = observers.make(what, box);
  const subscription = { filter, qos, noLocal: false, tag: 0 };
  const { outcome } = box.subscribe(subscription);
  if (outcome !== 'ok') {
    observer.stop();
    endpoint.refuseOutcome(request, outcome);
    return undefined;
  }
  if (!answer({ sequence: observers.nextSequence() })) {
    observer.stop();
    return undefined;
  }
  observers.add(observer);
  observer.start(shape.located ? subscription : undefined);
  return observer;
}
