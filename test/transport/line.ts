// A small line protocol that drives every side of a wire, and what the transport's tests need around it.

import { Counters, type Hub, type HubLimits } from '../../src/contract/hub.ts';
import { NEVER } from '../../src/contract/message.ts';
import { type Departure, ProtocolError } from '../../src/contract/outcome.ts';
import type { Peer, Protocol, Wire } from '../../src/contract/wire.ts';
import { now } from '../../src/transport/clock.ts';
import type { ListenerOptions } from '../../src/transport/listener.ts';
import { Loop } from '../../src/transport/loop.ts';

const NEWLINE = 0x0a;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What the far side of a connection did, as its peer saw it. */
export class LinePeer implements Peer {
  readonly wire: Wire;
  readonly lines: string[] = [];
  lost_ = 0;
  blamedFor: Departure | undefined = undefined;
  drainedCount = 0;
  wokenAt: number[] = [];
  mostUnsent = 0;
  /** Octets that `swallow` took, as long as they were 0, 1, 2 … 255, 0 … */
  swallowed = 0;
  /** Octets of the current `fill` that are not written yet. */
  private toFill = 0;
  private next = 0;
  private piece = 10_000;
  private toSwallow = 0;
  private calling = false;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    if (this.calling) throw new Error('receive within a call');
    this.calling = true;
    try {
      return this.lineByLine(bytes, start, end, now);
    } finally {
      this.calling = false;
    }
  }

  private lineByLine(bytes: Uint8Array, start: number, end: number, now: number): number {
    let at = start;
    for (;;) {
      if (this.toSwallow > 0) {
        const some = Math.min(this.toSwallow, end - at);
        this.toSwallow -= some;
        for (const stop = at + some; at < stop; at++) {
          if (bytes[at] !== (this.swallowed & 0xff))
            throw new Error(`octet ${this.swallowed} is not what was sent`);
          this.swallowed++;
        }
        if (this.toSwallow === 0 && some > 0) this.say('swallowed');
      }
      const newline = bytes.subarray(0, end).indexOf(NEWLINE, at);
      if (newline < 0) return at;
      const line = decoder.decode(bytes.subarray(at, newline));
      at = newline + 1;
      this.lines.push(line);
      this.command(line, now);
    }
  }

  private command(line: string, now: number): void {
    const space = line.indexOf(' ');
    const verb = space < 0 ? line : line.slice(0, space);
    const rest = space < 0 ? '' : line.slice(space + 1);
    if (verb === 'echo') this.say(rest);
    else if (verb === 'letters') {
      // Every octet by a reserve of its own: spans that touch.
      for (const octet of encoder.encode(`${rest}\n`)) {
        const offset = this.wire.reserve(1);
        this.wire.bytes[offset] = octet;
      }
    } else if (verb === 'mixed') this.mixed(Number(rest));
    else if (verb === 'fill') {
      const [count, first = '0', piece = '10000'] = rest.split(' ');
      this.piece = Number(piece);
      this.toFill = Number(count);
      this.next = Number(first);
      this.fill();
    } else if (verb === 'flood') this.wire.write(new Uint8Array(Number(rest)));
    else if (verb === 'swallow') this.toSwallow = Number(rest);
    else if (verb === 'who') {
      const { remote, listener, secure, identity } = this.wire;
      this.say(JSON.stringify({ remote, listener, secure, identity }));
    } else if (verb === 'secure') {
      this.say(this.wire.secureUp === undefined ? 'no' : 'go ahead');
      this.wire.secureUp?.();
    } else if (verb === 'wake') this.wire.wake(now + Number(rest));
    else if (verb === 'pause') this.wire.pause();
    else if (verb === 'bad') throw new ProtocolError('LINE-1', 'a bad line', 0x81);
    else if (verb === 'bug') throw new TypeError('a defect');
    else if (verb === 'end') {
      this.say('bye');
      this.wire.end();
      this.say('never seen');
    } else if (verb === 'destroy') this.wire.destroy();
  }

  say(text: string): void {
    this.wire.write(encoder.encode(`${text}\n`));
  }

  /** Small spans, large ones by reference and shared ones, `count` of each: the octets 0, 1, 2 … 255, 0 … in order. */
  private mixed(count: number): void {
    let value = 0;
    const next = (length: number) => Uint8Array.from({ length }, () => value++ & 0xff);
    const other = this.wire.slabs;
    for (let i = 0; i < count; i++) {
      this.wire.write(next(100));
      const shared = next(700);
      const at = other.reserve(shared.length);
      other.current.bytes.set(shared, at);
      this.wire.share(other.current, at, at + shared.length);
      this.wire.write(next(10_000));
    }
  }

  private fill(): void {
    while (this.toFill > 0 && !this.wire.full) {
      const some = Math.min(this.toFill, this.piece);
      // A gap: no two pieces touch, and each is a span of its own.
      this.wire.slabs.reserve(1);
      const offset = this.wire.reserve(some);
      for (let i = 0; i < some; i++) this.wire.bytes[offset + i] = this.next++ & 0xff;
      this.toFill -= some;
      this.mostUnsent = Math.max(this.mostUnsent, this.wire.unsent);
    }
  }

  drained(): void {
    this.drainedCount++;
    this.fill();
  }

  wake(now: number): void {
    this.wokenAt.push(now);
    this.say('woken');
  }

  broken(why: Error): void {
    this.say(`broken ${why.message}`);
  }

  blamed(why: Departure): void {
    this.blamedFor = why;
  }

  lost(): void {
    if (this.calling) throw new Error('lost within receive');
    this.lost_++;
  }
}

export class LineProtocol implements Protocol {
  readonly name: string;
  readonly carrier: 'stream' | 'datagram' | 'message';
  readonly text: boolean;
  readonly peers: LinePeer[] = [];

  constructor(name = 'line', carrier: 'stream' | 'datagram' | 'message' = 'stream', text = false) {
    this.name = name;
    this.carrier = carrier;
    this.text = text;
  }

  /** A line protocol's first line is its name, so that several may share a port. */
  matches(first: Uint8Array): boolean {
    return decoder.decode(first).startsWith(`${this.name}\n`);
  }

  open(wire: Wire): LinePeer {
    const peer = new LinePeer(wire);
    this.peers.push(peer);
    return peer;
  }
}

export const LIMITS: HubLimits = {
  topicLevels: 128,
  topicBytes: 65_535,
  clientIdBytes: 256,
  connections: 1_000,
  connectionsPerAddress: 1_000,
  subscriptionsPerClient: 100,
  queueMessages: 100,
  queueBytes: 1_000_000,
  overflow: 'drop-oldest',
  inflight: 20,
  receiveMaximum: 100,
  retainedMessages: 100,
  sessionExpiryMs: NEVER,
  messageExpiryMs: NEVER,
  memoryBytes: NEVER,
};

/** The part of a hub that a transport touches: limits and counters. Nobody logs in by lines. */
export function countingHub(limits: Partial<HubLimits> = {}): Hub {
  const nobody = () => {
    throw new Error('the line protocol knows no login');
  };
  return {
    login: nobody,
    admit: nobody,
    exchange: nobody,
    prove: nobody,
    now,
    bound: nobody,
    pressed: false,
    random: nobody,
    later: nobody,
    limits: { ...LIMITS, ...limits },
    counters: new Counters(),
  };
}

export interface LogLine {
  readonly level: string;
  readonly text: string;
}

/** Options that every listener under test has, and what it logged. */
export function listenerOptions(name = 'test'): ListenerOptions & { readonly logged: LogLine[] } {
  const logged: LogLine[] = [];
  const loop = new Loop((level, text) => logged.push({ level, text }));
  return { loop, name, logged };
}

/** Resolves when `condition` holds; it is asked again after every turn of the event loop. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const stop = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > stop) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
