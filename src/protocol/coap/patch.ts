// PATCH and iPATCH of a topic (RFC 8132): its last value, where that is JSON, is changed in part.

import { Message, type Meta, type Qos } from '../../contract/message.ts';
import type { Endpoint, Request } from './endpoint.ts';
import { type Json, jsonPatch, mergePatch, PatchError, parseJson } from './json-patch.ts';
import { contentFormatOf, contentTypeOf } from './map.ts';
import { decodeText, type Refusal } from './options.ts';
import { CODE } from './packet.ts';

const JSON_FORMAT = 50;
const JSON_PATCH = 51;
const MERGE_PATCH = 52;
/** What copies within a value may add to it. */
const MAX_COPIED_BYTES = 1_048_576;
const utf8 = new TextEncoder();

/** [RFC8132-3.4] */
const CODE_OF_PATCH = {
  malformed: CODE.badRequest,
  unprocessable: CODE.unprocessable,
  conflict: CODE.conflict,
  'too-large': CODE.requestTooLarge,
} as const satisfies Record<PatchError['kind'], number>;

/** What the request says besides the patch. */
interface Change {
  readonly topic: string;
  readonly qos: Qos;
  readonly expiresAt: number;
}

/** What the value becomes, and whether there was one. */
interface Patched {
  readonly value: Json;
  readonly before: Message | undefined;
}

/** Both methods do the same: that a patch can be repeated is for who asks for iPATCH to see to [RFC8132-2.4]. */
export function patchTopic(request: Request, endpoint: Endpoint, change: Change): void {
  const { topic, qos } = change;
  // Who may not read a value would replace the whole of it, unknowing.
  if (!endpoint.access.may('subscribe', topic)) {
    endpoint.refuseOutcome(request, 'not-authorized');
    return;
  }
  const patched = patchedOf(request, endpoint, topic);
  if ('code' in patched) {
    endpoint.refuseRequest(request, patched);
    return;
  }
  const { value, before } = patched;
  const anew = before === undefined || request.options.query.has('expiry');
  const expiresAt = anew ? change.expiresAt : before.expiresAt;
  const payload = utf8.encode(JSON.stringify(value));
  const outcome = endpoint.publish(
    new Message(topic, payload, qos, true, endpoint.origin, endpoint.now, expiresAt, metaFrom(before)),
  );
  if (outcome === 'ok' || outcome === 'unmatched')
    endpoint.respondKept(request, before === undefined ? CODE.created : CODE.changed);
  else endpoint.refuseOutcome(request, outcome);
}

function metaFrom(before: Message | undefined): Meta {
  const { contentType = contentTypeOf(JSON_FORMAT) } = before?.meta ?? {};
  return { contentType };
}

function patchedOf({ options, body }: Request, endpoint: Endpoint, topic: string): Patched | Refusal {
  const { contentFormat } = options;
  if (contentFormat !== MERGE_PATCH && contentFormat !== JSON_PATCH)
    return {
      code: CODE.unsupportedFormat,
      why: `Content-Format ${MERGE_PATCH} (merge patch) or ${JSON_PATCH} (JSON patch)`,
    };
  const patch = jsonOf(body);
  if (patch === undefined) return { code: CODE.badRequest, why: 'the patch is not JSON' };
  const before = endpoint.access.retained(topic);
  if (before === undefined) {
    // A merge patch of nothing makes a value; the other kind speaks of places in one. [RFC7396-2]
    if (contentFormat === MERGE_PATCH) return { value: mergePatch(undefined, patch), before };
    return { code: CODE.notFound, why: 'no retained message' };
  }
  const value = isJson(before) ? jsonOf(before.payload) : undefined;
  if (value === undefined) return { code: CODE.conflict, why: 'the retained message is not JSON' };
  if (contentFormat === MERGE_PATCH) return { value: mergePatch(value, patch), before };
  try {
    return { value: jsonPatch(value, patch, MAX_COPIED_BYTES), before };
  } catch (why) {
    if (!(why instanceof PatchError)) throw why;
    return { code: CODE_OF_PATCH[why.kind], why: why.message };
  }
}

/** Said to be JSON, or text, or nothing: many devices do not say what they send. */
function isJson({ meta }: Message): boolean {
  const format = contentFormatOf(meta);
  return (
    meta?.contentType === undefined ||
    format === 0 ||
    format === JSON_FORMAT ||
    /^[\w.+-]+\/(?:[\w.+-]+\+)?json(?:;|$)/i.test(meta.contentType)
  );
}

function jsonOf(octets: Uint8Array): Json | undefined {
  const text = decodeText(octets);
  return text === undefined ? undefined : parseJson(text);
}
