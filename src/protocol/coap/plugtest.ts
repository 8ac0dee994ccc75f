// The resources of the ETSI CoAP plugtests, so that interoperability suites can be run against the hub. Off unless asked for.

import { Message, NEVER } from '../../contract/message.ts';
import { eTagOf } from './block.ts';
import { encodeUint } from './encode.ts';
import { type Endpoint, hasTag, keyOf, type Request } from './endpoint.ts';
import type { Link } from './links.ts';
import { contentFormatOf, metaOf, pathOptions } from './map.ts';
import type { Observer } from './observe.ts';
import { CODE, type CoapOption, NOTHING, OPTION } from './packet.ts';
import type { Resource } from './resources.ts';
import { register, respondWith } from './topics.ts';

/** How long `/separate` takes: longer than an acknowledgement waits for an answer. */
const SEPARATE_MS = 1_500;
/** How often observed resources change. */
const CHANGE_MS = 5_000;
const PROBE_MS = 60_000;
const TEXT = 0;
const XML = 41;
const LINKS = 40;
const LARGE_BYTES = 1_700;
/** Resources that clients create here. */
const MAX_CREATED = 64;
const SHAPE = { located: false, envelope: undefined, every: false };
const utf8 = new TextEncoder();

interface Value {
  readonly octets: Uint8Array;
  readonly format: number;
}

export interface Plugtest {
  readonly links: readonly Link[];
  readonly resources: ReadonlyMap<string, Resource>;
}

const plain = (text: string): Value => ({ octets: utf8.encode(text), format: TEXT });
const large = (): Value => plain('0123456789abcdefghijklmnopqrstu\n'.repeat(54).slice(0, LARGE_BYTES));

/** A set of them, with values of its own. */
export function plugtest(): Plugtest {
  const values = new Map<string, Value>([
    ['test', plain('test')],
    ['validate', plain('validate')],
    ['large', large()],
    ['large-update', large()],
  ]);
  const stored = storedIn(values);
  const resources = new Map<string, Resource>([
    ['test', posting(stored)],
    ['validate', stored],
    ['create1', stored],
    ['location1', stored],
    ['large', only(CODE.get, (r, e) => answer(r, e, values.get('large')!))],
    ['large-update', stored],
    ['large-create', creating(values)],
    ['large-post', only(CODE.post, (r, e) => answer(r, e, large(), CODE.changed))],
    ['separate', only(CODE.get, separate)],
    ['seg1', only(CODE.get, segments)],
    [
      'query',
      only(CODE.get, (r, e) => answer(r, e, plain([...r.options.query].map((t) => t.join('=')).join('&')))),
    ],
    ['location-query', only(CODE.post, locationQuery)],
    ['multi-format', only(CODE.get, multiFormat)],
    ['path', only(CODE.get, path)],
    ['obs', observed('obs', 1)],
    ['obs-non', observed('obs-non', 0)],
    ['obs-reset', observed('obs-reset', 1)],
    ['obs-large', observed('obs-large', 1)],
    ['link1', only(CODE.get, (r, e) => answer(r, e, plain('link1')))],
    ['link2', only(CODE.get, (r, e) => answer(r, e, plain('link2')))],
    ['link3', only(CODE.get, (r, e) => answer(r, e, plain('link3')))],
  ]);
  const offered = [...resources.keys()].filter((name) => name !== 'create1' && name !== 'location1');
  return { links: linksOf(offered), resources };
}

const TYPES: Readonly<Record<string, readonly [rt: string, interfaces: string]>> = {
  link1: ['Type1 Type2', 'If1'],
  link2: ['Type2 Type3', 'If2'],
  link3: ['Type1 Type3', 'foo'],
};

function linksOf(names: readonly string[]): Link[] {
  return names.map((name) => {
    const types = TYPES[name];
    const target = name === 'seg1' ? '/seg1/seg2/seg3' : `/${name}`;
    if (types !== undefined) {
      return {
        target,
        attributes: [
          ['rt', types[0]],
          ['if', types[1]],
        ],
      };
    }
    const size: Link['attributes'] = name === 'large' ? [['sz', String(LARGE_BYTES)]] : [];
    return { target, attributes: name.startsWith('obs') ? [['obs']] : size };
  });
}

function only(method: number, serve: Resource): Resource {
  return (request, endpoint) => {
    if (request.message.code === method) serve(request, endpoint);
    else endpoint.refuseRequest(request, { code: CODE.methodNotAllowed, why: 'another method' });
  };
}

function formatOption(format: number): CoapOption {
  return { number: OPTION.contentFormat, value: encodeUint(format) };
}

function answer(request: Request, endpoint: Endpoint, value: Value, code: number = CODE.content): void {
  const eTag = { number: OPTION.eTag, value: eTagOf(value.octets, value.format) };
  if (hasTag(request.options.eTags, eTag.value)) endpoint.respond(request, CODE.valid, [eTag]);
  else endpoint.respond(request, code, [eTag, formatOption(value.format)], value.octets);
}

/** A resource that is read, written, created and deleted, with its conditions [RFC7252-5.10.8]. */
function storedIn(values: Map<string, Value>): Resource {
  return (request, endpoint) => {
    const { options, message, body } = request;
    const name = options.path.join('/');
    const value = values.get(name);
    const refuse = (code: number, why: string) => endpoint.refuseRequest(request, { code, why });
    const missing = value === undefined;
    const other =
      options.ifMatch !== undefined &&
      (missing ||
        (options.ifMatch.length > 0 && !hasTag(options.ifMatch, eTagOf(value.octets, value.format))));
    if ((options.ifNoneMatch && !missing) || other) {
      refuse(CODE.preconditionFailed, missing ? 'nothing there' : 'another value');
      return;
    }
    switch (message.code) {
      case CODE.get:
        if (missing) refuse(CODE.notFound, 'nothing there');
        else answer(request, endpoint, value);
        return;
      case CODE.put:
      case CODE.post:
        if (missing && values.size >= MAX_CREATED) {
          refuse(CODE.forbidden, 'too many resources');
          return;
        }
        values.set(name, { octets: body, format: options.contentFormat ?? TEXT });
        endpoint.respond(request, missing ? CODE.created : CODE.changed);
        return;
      case CODE.delete:
        values.delete(name);
        endpoint.respond(request, CODE.deleted);
        return;
      default:
        refuse(CODE.methodNotAllowed, 'GET, PUT, POST or DELETE');
        return;
    }
  };
}

/** POST makes a resource elsewhere, of several segments. */
function posting(stored: Resource): Resource {
  const place = ['location1', 'location2', 'location3'];
  return (request, endpoint) => {
    if (request.message.code !== CODE.post) stored(request, endpoint);
    else endpoint.respond(request, CODE.created, pathOptions(OPTION.locationPath, place));
  };
}

/** POST makes `/large-create/{n}`. */
function creating(values: Map<string, Value>): Resource {
  const stored = storedIn(values);
  let made = 0;
  return (request, endpoint) => {
    const { options, message, body } = request;
    if (message.code !== CODE.post || options.path.length > 1) {
      stored(request, endpoint);
      return;
    }
    if (values.size >= MAX_CREATED) {
      endpoint.refuseRequest(request, { code: CODE.forbidden, why: 'too many resources' });
      return;
    }
    const place = ['large-create', String(++made)];
    values.set(place.join('/'), { octets: body, format: options.contentFormat ?? TEXT });
    endpoint.respond(request, CODE.created, pathOptions(OPTION.locationPath, place));
  };
}

function separate(request: Request, endpoint: Endpoint): void {
  endpoint.later(endpoint.now + SEPARATE_MS, () => answer(request, endpoint, plain('later')));
}

function segments(request: Request, endpoint: Endpoint): void {
  if (request.options.path.join('/') === 'seg1/seg2/seg3') answer(request, endpoint, plain('seg3'));
  else endpoint.refuseRequest(request, { code: CODE.notFound, why: '/seg1/seg2/seg3' });
}

function locationQuery(request: Request, endpoint: Endpoint): void {
  endpoint.respond(request, CODE.created, pathOptions(OPTION.locationQuery, ['first=1', 'second=2']));
}

function multiFormat(request: Request, endpoint: Endpoint): void {
  switch (request.options.accept ?? TEXT) {
    case TEXT:
      answer(request, endpoint, plain('text'));
      return;
    case XML:
      answer(request, endpoint, { octets: utf8.encode('<content>xml</content>'), format: XML });
      return;
    default:
      endpoint.refuseRequest(request, { code: CODE.notAcceptable, why: '0 or 41' });
      return;
  }
}

function path(request: Request, endpoint: Endpoint): void {
  const [, sub] = request.options.path;
  const links = ['sub1', 'sub2', 'sub3'].map((name) => `</path/${name}>`).join(',');
  if (sub === undefined) answer(request, endpoint, { octets: utf8.encode(links), format: LINKS });
  else answer(request, endpoint, plain(sub));
}

/** Who observes a resource, and in which format its first answer came. */
interface Watcher {
  readonly endpoint: Endpoint;
  readonly observer: Observer;
  readonly format: number | undefined;
}

/** A topic `plugtest/{name}` that changes while it is observed; PUT changes it, DELETE ends its observations. */
function observed(name: string, qos: 0 | 1): Resource {
  const topic = `plugtest/${name}`;
  const watchers = new Set<Watcher>();
  const dismiss = (code: number, whom: (one: Watcher) => boolean) => {
    for (const one of watchers) if (whom(one)) one.endpoint.observers.dismiss(one.observer, code);
  };
  return (request, endpoint) => {
    const { message, options, body } = request;
    const { contentFormat = TEXT } = options;
    switch (message.code) {
      case CODE.get:
        if (options.observe === 0) observe(request, endpoint, topic, qos, watchers);
        else {
          if (options.observe === 1) endpoint.observers.forget(keyOf(request.exchange.token)); // [RFC7641-3.6]
          read(request, endpoint, topic, []);
        }
        return;
      case CODE.put:
      case CODE.post:
        // All notifications have the format of the first answer [RFC7641-4.2].
        dismiss(CODE.notAcceptable, ({ format }) => format !== contentFormat);
        publish(endpoint, topic, body, contentFormat);
        endpoint.respondKept(request, CODE.changed);
        return;
      case CODE.delete:
        dismiss(CODE.notFound, () => true);
        publish(endpoint, topic, NOTHING, TEXT);
        endpoint.respondKept(request, CODE.deleted);
        return;
      default:
        endpoint.refuseRequest(request, { code: CODE.methodNotAllowed, why: 'GET, PUT or DELETE' });
    }
  };
}

function publish(endpoint: Endpoint, topic: string, octets: Uint8Array, format: number): void {
  const { access } = endpoint;
  const origin = { protocol: 'coap', client: access.client, principal: access.identity.principal };
  endpoint.publish(new Message(topic, octets, 1, true, origin, endpoint.now, NEVER, metaOf(format, octets)));
}

/** The value changes with the time. */
function refresh(endpoint: Endpoint, topic: string, format: number): void {
  const tick = `${topic} ${Math.floor(endpoint.now / CHANGE_MS)}`;
  publish(endpoint, topic, utf8.encode(topic.endsWith('large') ? tick.repeat(80) : tick), format);
}

function read(request: Request, endpoint: Endpoint, topic: string, observe: readonly CoapOption[]): boolean {
  if (endpoint.access.retained(topic) === undefined) refresh(endpoint, topic, TEXT);
  const m = endpoint.access.retained(topic);
  if (m !== undefined) return respondWith(request, endpoint, m, SHAPE, observe);
  endpoint.refuseOutcome(request, 'not-authorized');
  return false;
}

function observe(
  request: Request,
  endpoint: Endpoint,
  topic: string,
  qos: 0 | 1,
  watchers: Set<Watcher>,
): void {
  endpoint.observers.forget(keyOf(request.exchange.token)); // the same token again replaces it [RFC7641-4.1]
  const observer = register(request, endpoint, topic, qos, SHAPE, PROBE_MS, ({ sequence }) =>
    read(request, endpoint, topic, [{ number: OPTION.observe, value: encodeUint(sequence) }]),
  );
  if (observer === undefined) return;
  const format = contentFormatOf(endpoint.access.retained(topic)?.meta);
  const watcher = { endpoint, observer, format };
  watchers.add(watcher);
  let cancel = () => {};
  const again = () => {
    cancel = endpoint.later(endpoint.now + CHANGE_MS, () => {
      refresh(endpoint, topic, format ?? TEXT);
      again();
    });
  };
  again();
  observer.onStop = () => {
    cancel();
    watchers.delete(watcher);
  };
}
