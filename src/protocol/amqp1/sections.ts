// Where the sections of a message are: found without looking into them, decoded by whoever asks. [AMQP1-3.2]

import { descriptorOf, readSection } from './composite.ts';
import { ValueReader } from './decode.ts';
import { decodeError } from './fault.ts';
import {
  APPLICATION_PROPERTIES,
  DATA,
  DELIVERY_ANNOTATIONS,
  FOOTER,
  HEADER,
  type Header,
  MESSAGE_ANNOTATIONS,
  PROPERTIES,
  type Properties,
  SEQUENCE,
  VALUE,
} from './packet.ts';
import { type AmqpMap, type AmqpValue, FORMAT } from './types.ts';

/** What one section of the body is, from its value's constructor on. */
interface Part {
  readonly at: number;
  readonly end: number;
}

const NONE = -1;

export class Sections {
  readonly bytes: Uint8Array;
  /** Where what receivers are to get as it is begins: message annotations and the bare message. */
  keptAt: number;
  header: Header = {};
  properties: Properties = {};
  /** DATA, SEQUENCE or VALUE; 0: there is no body. */
  bodyKind = 0;
  readonly body: Part[] = [];
  private deliveryAnnotationsAt = NONE;
  private annotationsAt = NONE;
  private applicationAt = NONE;
  private footerAt = NONE;

  /** Throws ConnectionFault (decode-error) when the octets are no sections in their order. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.keptAt = bytes.length;
    const r = new ValueReader(bytes);
    let last = 0;
    while (r.at < bytes.length) {
      const start = r.at;
      const code = descriptorOf(r);
      const repeats = code === last && (code === DATA || code === SEQUENCE);
      // rhea writes the footer in front of the body.
      if (last === FOOTER && isBody(code) && this.bodyKind === 0) last = APPLICATION_PROPERTIES;
      if (
        code < HEADER ||
        code > FOOTER ||
        (code <= last && !repeats) ||
        (isBody(code) && isBody(last) && !repeats)
      )
        throw decodeError('AMQP1-3.2', `section 0x${code.toString(16)} after 0x${last.toString(16)}`);
      last = code;
      if (code > DELIVERY_ANNOTATIONS && start < this.keptAt) this.keptAt = start;
      this.section(code, r, start);
    }
  }

  private section(code: number, r: ValueReader, start: number): void {
    const { at } = r;
    switch (code) {
      case HEADER:
        r.at = start;
        this.header = readSection(r, HEADER);
        return;
      case PROPERTIES:
        r.at = start;
        this.properties = readSection(r, PROPERTIES);
        return;
      case DELIVERY_ANNOTATIONS:
        this.deliveryAnnotationsAt = at;
        break;
      case MESSAGE_ANNOTATIONS:
        this.annotationsAt = at;
        break;
      case APPLICATION_PROPERTIES:
        this.applicationAt = at;
        break;
      case FOOTER:
        this.footerAt = at;
        break;
      default:
    }
    r.skip();
    if (isBody(code)) {
      this.bodyKind = code;
      this.body.push({ at, end: r.at });
    }
  }

  get deliveryAnnotations(): AmqpMap {
    return this.mapAt(this.deliveryAnnotationsAt);
  }

  get annotations(): AmqpMap {
    return this.mapAt(this.annotationsAt);
  }

  get hasAnnotations(): boolean {
    return this.annotationsAt !== NONE;
  }

  get applicationProperties(): AmqpMap {
    return this.mapAt(this.applicationAt);
  }

  get hasApplicationProperties(): boolean {
    return this.applicationAt !== NONE;
  }

  get footer(): AmqpMap {
    return this.mapAt(this.footerAt);
  }

  get hasFooter(): boolean {
    return this.footerAt !== NONE;
  }

  private mapAt(at: number): AmqpMap {
    if (at === NONE) return [];
    const value = new ValueReader(this.bytes, at).value();
    if (value.type === 'null') return [];
    if (value.type !== 'map') throw decodeError('AMQP1-3.2', `a section is a ${value.type} and no map`);
    return value.value;
  }

  /** The body's only value, whatever its section. */
  valueOf(part: Part): AmqpValue {
    return new ValueReader(this.bytes, part.at, part.end).value();
  }

  /** Where the octets of a binary or string are, without its constructor and length; undefined: it is neither. */
  octetsOf({ at, end }: Part): Part | undefined {
    switch (this.bytes[at]) {
      case FORMAT.vbin8:
      case FORMAT.str8:
        return { at: at + 2, end };
      case FORMAT.vbin32:
      case FORMAT.str32:
        return { at: at + 5, end };
      default:
        return undefined;
    }
  }
}

function isBody(code: number): boolean {
  return code === DATA || code === SEQUENCE || code === VALUE;
}
