// From octets to the packets about subscriptions: SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.

import type { Qos } from '../../contract/message.ts';
import { BROKEN_RULE, fault } from './fault.ts';
import {
  type Level,
  NO_PROPERTIES,
  type Properties,
  SUBACK,
  SUBSCRIBE,
  type Suback,
  type Subscribe,
  type SubscribeEntry,
  UNSUBACK,
  UNSUBSCRIBE,
  type Unsuback,
  type Unsubscribe,
} from './packet.ts';
import { decodeProperties } from './properties.ts';
import type { Reader } from './reader.ts';
import { checkReason } from './reason.ts';
import { isShared } from './topic.ts';

const QOS_BITS = 0x03;
const NO_LOCAL_BIT = 0x04;
const RETAIN_AS_PUBLISHED_BIT = 0x08;
const RESERVED_BITS = 0xc0;

/**
 *     0x82 | length | packet id | properties, level 5 | (topic filter | options) …
 *
 * The filters are text; whether they are topic filters is asked of each with `isTopicFilter`, because each is answered alone.
 */
export function decodeSubscribe(r: Reader): Subscribe {
  const id = packetId(r);
  const properties = propertiesOf(r, SUBSCRIBE);
  if (r.rest === 0)
    throw fault(r.level, 'MQTT5-3.8.3-2', 'MQTT311-3.8.3-3', 'SUBSCRIBE without a filter', BROKEN_RULE);
  const entries: SubscribeEntry[] = [];
  while (r.rest > 0) entries.push(decodeEntry(r));
  return { type: SUBSCRIBE, id, entries, properties };
}

function decodeEntry(r: Reader): SubscribeEntry {
  const filter = r.text();
  const octet = r.u8();
  const options = r.level === 3 ? octet & QOS_BITS : octet; // MQTT 3.1 leaves the upper bits unused.
  const qos = options & QOS_BITS;
  if (qos === 3) throw fault(r.level, 'MQTT5-3.8.3.1', 'MQTT311-3.8.3-4', 'requested QoS is 3', BROKEN_RULE);
  if ((options & (r.level === 5 ? RESERVED_BITS : ~QOS_BITS)) !== 0)
    throw fault(r.level, 'MQTT5-3.8.3-5', 'MQTT311-3.8.3-4', 'reserved subscription options are set');
  const retainHandling = (options >> 4) & 3;
  if (retainHandling === 3)
    throw fault(r.level, 'MQTT5-3.8.3.1', 'MQTT311-3.8.3-4', 'retain handling is 3', BROKEN_RULE);
  const noLocal = (options & NO_LOCAL_BIT) !== 0;
  if (noLocal && isShared(filter))
    throw fault(
      r.level,
      'MQTT5-3.8.3-4',
      'MQTT311-3.8.3-4',
      'no local on a shared subscription',
      BROKEN_RULE,
    );
  return {
    filter,
    qos: qos as Qos,
    noLocal,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED_BIT) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

/**
 *     0xa2 | length | packet id | properties, level 5 | topic filter …
 */
export function decodeUnsubscribe(r: Reader): Unsubscribe {
  const id = packetId(r);
  const properties = propertiesOf(r, UNSUBSCRIBE);
  if (r.rest === 0)
    throw fault(r.level, 'MQTT5-3.10.3-2', 'MQTT311-3.10.3-2', 'UNSUBSCRIBE without a filter', BROKEN_RULE);
  const filters: string[] = [];
  while (r.rest > 0) filters.push(r.text());
  return { type: UNSUBSCRIBE, id, filters, properties };
}

/**
 *     0x90 | length | packet id | properties, level 5 | code …
 */
export function decodeSuback(r: Reader): Suback {
  const id = answeredId(r);
  const properties = propertiesOf(r, SUBACK);
  const codes: number[] = [];
  while (r.rest > 0) {
    const code = r.u8();
    if (r.level === 5) checkReason(SUBACK, code, 'server');
    else if (code > 2 && code !== 0x80)
      throw fault(
        r.level,
        'MQTT5-3.9.3-2',
        'MQTT311-3.9.3-2',
        `return code ${code} is reserved`,
        BROKEN_RULE,
      );
    codes.push(code);
  }
  checkAnswered(codes, r.level, 'MQTT5-3.9.3-1');
  return { type: SUBACK, id, codes, properties };
}

/**
 *     0xb0 | length | packet id | level 5: properties | code …
 */
export function decodeUnsuback(r: Reader): Unsuback {
  const id = answeredId(r);
  const properties = propertiesOf(r, UNSUBACK);
  const codes: number[] = [];
  if (r.level !== 5) {
    r.finish();
    return { type: UNSUBACK, id, codes, properties };
  }
  while (r.rest > 0) {
    const code = r.u8();
    checkReason(UNSUBACK, code, 'server');
    codes.push(code);
  }
  checkAnswered(codes, r.level, 'MQTT5-3.11.3-1');
  return { type: UNSUBACK, id, codes, properties };
}

/** Every filter is answered by a code, and no request is without a filter. */
function checkAnswered(codes: readonly number[], level: Level, clause5: `MQTT5-${string}`): void {
  if (codes.length === 0)
    throw fault(level, clause5, 'MQTT311-3.9.3-1', 'no filter is answered', BROKEN_RULE);
}

function propertiesOf(r: Reader, type: number): Properties {
  return r.level === 5 ? decodeProperties(r, type) : NO_PROPERTIES;
}

function packetId(r: Reader): number {
  const id = r.u16();
  if (id === 0) throw fault(r.level, 'MQTT5-2.2.1-3', 'MQTT311-2.3.1-1', 'packet id is 0', BROKEN_RULE);
  return id;
}

function answeredId(r: Reader): number {
  const id = r.u16();
  if (id === 0) throw fault(r.level, 'MQTT5-2.2.1-6', 'MQTT311-2.3.1-7', 'packet id is 0', BROKEN_RULE);
  return id;
}
