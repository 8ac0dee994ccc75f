// FETCH of topics (RFC 8132): the last values of all topics that the filters in the body match, in one answer.

import { CborError, decodeCbor } from '../../bytes/cbor.ts';
import { joined } from '../../bytes/joined.ts';
import type { Consumer, Mailbox, Settler } from '../../contract/mailbox.ts';
import { PRIVATE } from '../../contract/mailbox.ts';
import type { Message } from '../../contract/message.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { isTopicFilter } from '../../contract/topic.ts';
import { encodeUint } from './encode.ts';
import type { Endpoint, Request } from './endpoint.ts';
import { type Envelope, encodeEnvelope } from './envelope.ts';
import { parseJson } from './json-patch.ts';
import { CODE_OF } from './map.ts';
import { decodeText, type Refusal } from './options.ts';
import { CODE, OPTION } from './packet.ts';

const JSON_FORMAT = 50;
const CBOR_FORMAT = 60;
const AS: ReadonlyMap<number, Envelope> = new Map([
  [JSON_FORMAT, 'json'],
  [CBOR_FORMAT, 'cbor'],
]);
const MAX_FILTERS = 64;
/** Messages of one answer, and their octets. */
const MAX_FOUND = 1_000;
const MAX_BYTES = 1_048_576;

/** `FETCH /t/{path…}` with `["+/heat", "hall/#"]`: filters below the path. The answer is an array of envelopes. */
export function fetchTopics(request: Request, endpoint: Endpoint): void {
  const { accept, contentFormat = JSON_FORMAT, path } = request.options;
  const refuse = (code: number, why: string) => endpoint.refuseRequest(request, { code, why });
  const form = AS.get(contentFormat);
  const answer = accept ?? contentFormat;
  const as = AS.get(answer);
  if (form === undefined) {
    refuse(CODE.unsupportedFormat, `Content-Format ${JSON_FORMAT} (JSON) or ${CBOR_FORMAT} (CBOR)`);
    return;
  }
  if (as === undefined) {
    refuse(CODE.notAcceptable, `JSON (${JSON_FORMAT}) or CBOR (${CBOR_FORMAT})`);
    return;
  }
  const filters = filtersOf(request.body, form);
  if (filters === undefined) {
    refuse(CODE.badRequest, `an array of 1 to ${MAX_FILTERS} topic filters`);
    return;
  }
  const above = path.slice(1).map((level) => `${level}/`);
  const found = retainedOf(
    endpoint,
    filters.map((filter) => above.join('') + filter),
  );
  if ('code' in found) {
    endpoint.refuseRequest(request, found);
    return;
  }
  const format = { number: OPTION.contentFormat, value: encodeUint(answer) };
  endpoint.respond(request, CODE.content, [format], listed(found.messages, as));
}

function filtersOf(body: Uint8Array, as: Envelope): string[] | undefined {
  const list = as === 'json' ? parseJson(decodeText(body) ?? '') : cborOf(body);
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_FILTERS) return undefined;
  return list.every((filter) => typeof filter === 'string') ? list : undefined;
}

function cborOf(body: Uint8Array): unknown {
  try {
    return decodeCbor(body);
  } catch (why) {
    if (why instanceof CborError) return undefined;
    throw why;
  }
}

/** By a mailbox that lives as long as this call: the rules and the store are asked as for any subscriber. */
function retainedOf(
  endpoint: Endpoint,
  filters: readonly string[],
): { readonly messages: readonly Message[] } | Refusal {
  const { access, hub } = endpoint;
  const wrong = filters.find(
    (filter) => !isTopicFilter(filter, hub.limits) || /^\$(?:share|queue)\//.test(filter),
  );
  if (wrong !== undefined) return { code: CODE.badRequest, why: `'${wrong}' is no topic filter` };
  const box = access.mailbox(`${PRIVATE}fetch@${access.client}`, {
    fresh: true,
    keepMs: 0,
    capacity: MAX_FOUND,
    overflow: 'drop-newest',
  });
  const gathering = new Gathering();
  box.attach(gathering);
  try {
    const refused = gather(box, filters);
    if (refused !== undefined) return { code: CODE_OF[refused], why: refused };
  } finally {
    box.detach(gathering);
  }
  if (gathering.full)
    return { code: CODE.requestTooLarge, why: `more than ${MAX_FOUND} messages or ${MAX_BYTES} octets` };
  return { messages: [...gathering.found.values()] };
}

function gather(box: Mailbox, filters: readonly string[]): Outcome | undefined {
  for (const filter of filters) {
    const subscription = { filter, qos: 0, noLocal: false, tag: 0 } as const;
    const { outcome } = box.subscribe(subscription);
    if (outcome !== 'ok') return outcome;
    box.replay(subscription);
  }
  return undefined;
}

/** Takes what is retained, each topic once, as long as there is room for it. */
class Gathering implements Consumer {
  readonly found = new Map<string, Message>();
  full = false;
  private bytes = 0;

  ready(): boolean {
    return true;
  }

  deliver(
    m: Message,
    _qos: 0 | 1 | 2,
    _grant: unknown,
    _replayed: boolean,
    id: number,
    _again: boolean,
    box: Settler,
  ): void {
    if (id !== 0) box.settle(id, 'ok');
    if (this.full || this.found.has(m.topic)) return;
    this.bytes += m.payload.length + m.topic.length;
    this.full = this.found.size >= MAX_FOUND || this.bytes > MAX_BYTES;
    if (!this.full) this.found.set(m.topic, m);
  }

  take(): number {
    return 0;
  }

  evict(): void {}
}

function listed(messages: readonly Message[], as: Envelope): Uint8Array {
  const envelopes = messages.map((m) => encodeEnvelope(m, as));
  const [open, between, close] = (
    as === 'json' ? [[0x5b], [0x2c], [0x5d]] : [cborArray(envelopes.length), [], []]
  ).map((octets) => Uint8Array.from(octets)) as [Uint8Array, Uint8Array, Uint8Array];
  const pieces = envelopes.flatMap((envelope, i) => [i === 0 ? open : between, envelope]);
  if (envelopes.length === 0) pieces.push(open);
  pieces.push(close);
  return joined(pieces);
}

/** The head of an array, major type 4 [RFC8949-3.1]. */
function cborArray(length: number): number[] {
  if (length < 24) return [0x80 + length];
  return length < 0x100 ? [0x98, length] : [0x99, length >> 8, length & 0xff];
}
