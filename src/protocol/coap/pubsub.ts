// The surface of draft-ietf-core-coap-pubsub: a collection at `/ps`, a configuration at `/ps/{id}`, the data at `/ps/data/{id}`.

import type { Cbor } from '../../bytes/cbor.ts';
import { Message, NEVER } from '../../contract/message.ts';
import { isTopicName } from '../../contract/topic.ts';
import { respondLinks } from './discovery.ts';
import { encodeUint } from './encode.ts';
import { type Endpoint, keyOf, type Request } from './endpoint.ts';
import { formatLinks, type Link } from './links.ts';
import { maxAge, metaOf, pathOptions } from './map.ts';
import { CODE, type CoapOption, NOTHING, OPTION } from './packet.ts';
import type { Shape } from './rendering.ts';
import {
  CONFIGURATIONS,
  DATA_TYPE,
  decoded,
  described,
  dismissAll,
  encodeProperties,
  KEY,
  keyNumber,
  type Properties,
  type PsTopic,
  propertiesOf,
  type TopicTable,
  topicTable,
} from './topic-table.ts';
import { register, respondWith } from './topics.ts';

/** `application/core-pubsub+cbor`, by the number that the draft asks for. */
const PUBSUB_CBOR = 606;
const CBOR = 60;
const LINK_FORMAT = 40;
const ID_BYTES = 4;
const PLAIN: Shape = { located: false, envelope: undefined, every: false };
const utf8 = new TextEncoder();

/** The broker itself, for `/.well-known/core`. */
export const COLLECTION: Link = {
  target: '/ps',
  attributes: [
    ['rt', 'core.ps core.ps.coll'],
    ['ct', '40'],
  ],
};

interface Here {
  readonly request: Request;
  readonly endpoint: Endpoint;
  readonly table: TopicTable;
}

export function servePubSub(request: Request, endpoint: Endpoint): void {
  const { path } = request.options;
  const table = topicTable(endpoint.hub);
  if (table === undefined) {
    endpoint.refuseOutcome(request, 'unavailable');
    return;
  }
  const here = { request, endpoint, table };
  if (path.length === 1) {
    serveCollection(here);
    return;
  }
  const isData = path.length === 3 && path[1] === 'data';
  const topic = isData ? table.find(path[2]!) : path.length === 2 ? table.find(path[1]!) : undefined;
  if (topic === undefined) refuse(here, CODE.notFound, 'no such topic');
  else if (isData) serveData(here, topic);
  else serveConfiguration(here, topic);
}

function refuse({ request, endpoint }: Here, code: number, why: string): void {
  endpoint.refuseRequest(request, { code, why });
}

// ---- the collection

function serveCollection(here: Here): void {
  const { request, endpoint, table } = here;
  switch (request.message.code) {
    case CODE.get: {
      const wantsData = request.options.query.get('rt') === DATA_TYPE;
      respondLinks(request, endpoint, linksOf(table, endpoint, wantsData));
      return;
    }
    case CODE.fetch:
      search(here);
      return;
    case CODE.post:
      create(here);
      return;
    default:
      refuse(here, CODE.methodNotAllowed, 'GET, FETCH or POST');
  }
}

function linksOf(table: TopicTable, endpoint: Endpoint, ofData: boolean): Link[] {
  return table
    .all()
    .filter((topic) => visible(topic, endpoint))
    .map((topic) => (ofData ? dataLink(topic) : topicLink(topic)));
}

/** What discovery with `rt=core.ps.conf` or `rt=core.ps.data` finds besides the collection. */
export function discoverable(request: Request, endpoint: Endpoint): Link[] {
  const rt = request.options.query.get('rt') ?? '';
  if (!rt.startsWith('core.ps')) return [];
  const table = topicTable(endpoint.hub);
  if (table === undefined) return [];
  return [...linksOf(table, endpoint, false), ...linksOf(table, endpoint, true)];
}

function topicLink({ id }: PsTopic): Link {
  return {
    target: `/ps/${id}`,
    attributes: [
      ['rt', 'core.ps.conf'],
      ['ct', String(PUBSUB_CBOR)],
    ],
  };
}

function dataLink({ id }: PsTopic): Link {
  return { target: `/ps/data/${id}`, attributes: [['rt', DATA_TYPE], ['obs']] };
}

/** The configuration is a retained message, so the rules that guard those guard it. */
function visible(topic: PsTopic, endpoint: Endpoint): boolean {
  return endpoint.access.retained(`${CONFIGURATIONS}/${topic.id}`) !== undefined;
}

/** The links of those whose properties all have the values of the request's map. */
function search(here: Here): void {
  const { request, endpoint, table } = here;
  const wanted = readProperties(here);
  if (wanted === undefined) return;
  const found = table.all().filter((topic) => {
    const has = described(topic);
    return visible(topic, endpoint) && [...wanted].every(([key, value]) => has.get(key) === value);
  });
  const format = { number: OPTION.contentFormat, value: encodeUint(LINK_FORMAT) };
  endpoint.respond(request, CODE.content, [format], utf8.encode(formatLinks(found.map(topicLink))));
}

function create(here: Here): void {
  const { endpoint, table } = here;
  const properties = readProperties(here);
  if (properties === undefined) return;
  const name = properties.get(KEY.name);
  if (typeof name !== 'string' || properties.get(KEY.resourceType) !== DATA_TYPE) {
    refuse(here, CODE.badRequest, `topic-name and resource-type "${DATA_TYPE}" are required`);
    return;
  }
  if (!isTopicName(name, endpoint.hub.limits) || table.named(name)) {
    refuse(here, CODE.badRequest, 'topic-name is invalid or in use');
    return;
  }
  if (properties.has(KEY.data)) {
    refuse(here, CODE.badRequest, 'topic-data is chosen here');
    return;
  }
  const id = keyOf(endpoint.hub.random(ID_BYTES));
  if (!store(here, id, properties)) return;
  const topic = table.find(id);
  if (topic === undefined) {
    refuse(here, CODE.badRequest, 'it has expired already');
    return;
  }
  answerWith(here, CODE.created, topic, pathOptions(OPTION.locationPath, ['ps', id]));
}

/** The request's map, or undefined once it was refused. */
function readProperties(here: Here): Map<number, Cbor> | undefined {
  if (!readable(here)) return undefined;
  const properties = propertiesOf(here.request.body);
  if (typeof properties === 'object') return properties;
  refuse(here, CODE.badRequest, properties);
  return undefined;
}

function readable(here: Here): boolean {
  const { contentFormat } = here.request.options;
  if (contentFormat === undefined || contentFormat === PUBSUB_CBOR || contentFormat === CBOR) return true;
  refuse(here, CODE.unsupportedFormat, `Content-Format ${PUBSUB_CBOR} or ${CBOR}`);
  return false;
}

/** Publishes the configuration in the client's name. False: it may not, and was told. */
function store(here: Here, id: string, properties: Properties | undefined): boolean {
  const payload = properties === undefined ? NOTHING : encodeProperties(properties);
  return publish(here, `${CONFIGURATIONS}/${id}`, payload, undefined);
}

function publish(here: Here, topic: string, payload: Uint8Array, format: number | undefined): boolean {
  const { request, endpoint } = here;
  const { access } = endpoint;
  const origin = { protocol: 'coap', client: access.client, principal: access.identity.principal };
  const meta = metaOf(format, payload);
  const outcome = endpoint.publish(new Message(topic, payload, 1, true, origin, endpoint.now, NEVER, meta));
  if (outcome === 'ok' || outcome === 'unmatched') return true;
  if (outcome === 'rate-exceeded' || outcome === 'quota-exceeded')
    // [RFC8516-3]
    endpoint.respond(request, CODE.tooManyRequests, [maxAge(1)], utf8.encode(outcome));
  else endpoint.refuseOutcome(request, outcome);
  return false;
}

/** Answers with the properties, once they are kept. */
function answerWith(here: Here, code: number, topic: PsTopic, options: readonly CoapOption[] = []): void {
  respondCbor(here, code, described(topic), options);
}

function respondCbor(
  { request, endpoint }: Here,
  code: number,
  properties: Properties,
  options: readonly CoapOption[],
): void {
  const format = { number: OPTION.contentFormat, value: encodeUint(PUBSUB_CBOR) };
  endpoint.respondKept(request, code, [...options, format], encodeProperties(properties));
}

// ---- a topic's configuration

function serveConfiguration(here: Here, topic: PsTopic): void {
  const { request, endpoint } = here;
  if (!visible(topic, endpoint)) {
    refuse(here, CODE.forbidden, 'not-authorized');
    return;
  }
  switch (request.message.code) {
    case CODE.get:
      answerWith(here, CODE.content, topic);
      return;
    case CODE.fetch:
      readSome(here, topic);
      return;
    case CODE.post:
    case CODE.put:
      change(here, topic, false);
      return;
    case CODE.iPatch:
      change(here, topic, true);
      return;
    case CODE.delete:
      remove(here, topic);
      return;
    default:
      refuse(here, CODE.methodNotAllowed, 'GET, FETCH, POST, iPATCH or DELETE');
      return;
  }
}

/** The properties that the request's array names. */
function readSome(here: Here, topic: PsTopic): void {
  if (!readable(here)) return;
  const wanted = decoded(here.request.body);
  if (!Array.isArray(wanted)) {
    refuse(here, CODE.badRequest, 'an array of properties is expected');
    return;
  }
  const numbers = wanted.map(keyNumber);
  if (numbers.includes(undefined)) {
    refuse(here, CODE.badRequest, 'a property that is not known');
    return;
  }
  const some = [...described(topic)].filter(([key]) => numbers.includes(key));
  respondCbor(here, CODE.content, new Map(some), []);
}

/** What is left out keeps its value in a patch, and goes back to its default otherwise. */
function change(here: Here, topic: PsTopic, patching: boolean): void {
  const said = readProperties(here);
  if (said === undefined) return;
  const now = described(topic);
  for (const key of [KEY.name, KEY.data, KEY.resourceType])
    if (said.has(key) && said.get(key) !== now.get(key)) {
      refuse(here, CODE.badRequest, `property ${key} never changes`);
      return;
    }
  said.delete(KEY.data);
  const initialize = topic.properties.get(KEY.initialize) === true;
  const next = new Map<number, Cbor>(patching ? topic.properties : [[KEY.initialize, initialize]]);
  next.set(KEY.name, topic.name).set(KEY.resourceType, DATA_TYPE);
  for (const [key, value] of said) next.set(key, value);
  if (!store(here, topic.id, next)) return;
  const changed = here.table.find(topic.id);
  if (changed === undefined) here.endpoint.respondKept(here.request, CODE.changed);
  else answerWith(here, CODE.changed, changed);
}

/** The data goes with the topic. */
function remove(here: Here, topic: PsTopic): void {
  if (!store(here, topic.id, undefined)) return;
  if (
    here.endpoint.access.retained(topic.name) !== undefined &&
    !publish(here, topic.name, NOTHING, undefined)
  )
    return;
  here.endpoint.respondKept(here.request, CODE.deleted);
}

// ---- a topic's data

function serveData(here: Here, topic: PsTopic): void {
  const { request, endpoint } = here;
  switch (request.message.code) {
    case CODE.get:
      readData(here, topic);
      return;
    case CODE.put:
      publishData(here, topic);
      return;
    case CODE.delete:
      if (!endpoint.access.may('publish', topic.name)) {
        endpoint.refuseOutcome(request, 'not-authorized');
        return;
      }
      dismissAll(topic); // before the data goes: the last they hear is that
      if (!publish(here, topic.name, NOTHING, undefined)) return;
      if (topic.properties.get(KEY.initialize) === true) {
        const half = new Map(topic.properties).set(KEY.initialize, false);
        if (!store(here, topic.id, half)) return;
      }
      endpoint.respondKept(request, CODE.deleted);
      return;
    default:
      refuse(here, CODE.methodNotAllowed, 'GET, PUT or DELETE');
  }
}

function publishData(here: Here, topic: PsTopic): void {
  const { request, endpoint } = here;
  const { contentFormat } = request.options;
  const wanted = topic.properties.get(KEY.contentFormat);
  if (wanted !== undefined && wanted !== contentFormat) {
    refuse(here, CODE.unsupportedFormat, `Content-Format ${wanted}`);
    return;
  }
  const first = endpoint.access.retained(topic.name) === undefined;
  if (!publish(here, topic.name, request.body, contentFormat)) return;
  endpoint.respondKept(request, first ? CODE.created : CODE.changed);
}

function readData(here: Here, topic: PsTopic): void {
  const { request, endpoint } = here;
  const { observe } = request.options;
  endpoint.observers.forget(keyOf(request.exchange.token)); // ended or replaced [RFC7641-3.6, 4.1]
  const most = topic.properties.get(KEY.maxSubscribers);
  const full =
    (typeof most === 'number' && topic.subscribers.size >= most) ||
    endpoint.observers.size >= endpoint.hub.limits.subscriptionsPerClient;
  if (observe !== 0 || full) respondData(here, topic, []);
  else subscribe(here, topic);
}

function subscribe(here: Here, topic: PsTopic): void {
  const { request, endpoint } = here;
  const check = described(topic).get(KEY.observerCheck) as number;
  const observer = register(request, endpoint, topic.name, 1, PLAIN, check * 1_000, ({ sequence }) =>
    respondData(here, topic, [{ number: OPTION.observe, value: encodeUint(sequence) }]),
  );
  if (observer === undefined) return;
  const one = { endpoint, observer };
  topic.subscribers.add(one);
  const expire =
    topic.expiresAt === NEVER ? undefined : endpoint.later(topic.expiresAt, () => here.table.find(topic.id));
  observer.onStop = () => {
    topic.subscribers.delete(one);
    expire?.();
  };
}

/** False: there is nothing to read yet, or not in the format that is wanted. */
function respondData(here: Here, topic: PsTopic, observe: readonly CoapOption[]): boolean {
  const { request, endpoint } = here;
  const m = endpoint.access.retained(topic.name);
  if (m !== undefined) return respondWith(request, endpoint, m, PLAIN, observe);
  if (topic.properties.get(KEY.initialize) !== true) {
    refuse(here, CODE.notFound, 'nothing was published yet');
    return false;
  }
  endpoint.respond(request, CODE.content, observe);
  return true;
}
