// Datagrams between a device and the server, plain or under DTLS 1.2: the real handshake and records, in memory.

import type { Proof } from '../../transport/dtls/association.ts';
import { ClientAssociation } from '../../transport/dtls/client.ts';
import { type Line, Lines, type Remote } from '../../transport/dtls/lines.ts';
import { type Session, Sessions } from '../../transport/dtls/sessions.ts';
import { SUITES } from '../../transport/dtls/suites.ts';
import { Alarm, type LabClock } from './clock.ts';
import type { Flow, Link, Pipe } from './link.ts';
import { UDP_BYTES } from './medium.ts';

export interface DatagramSink {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** The security association ended, or never came to be. */
  failed(): void;
}

/** One end of what two addresses say to each other. */
export interface DatagramEnd {
  sink: DatagramSink;
  readonly remote: string;
  /** `again`: the protocol has sent the same before. */
  send(bytes: Uint8Array, again: boolean): void;
  end(): void;
}

const NO_SINK: DatagramSink = { opened() {}, received() {}, failed() {} };

/** Called with the server's end when somebody new speaks. */
export type AcceptDatagrams = (end: DatagramEnd) => void;

/** A device's socket: its place in the NAT, and the count of what it sends and gets. */
class Socket {
  readonly link: Link;
  readonly flow: Flow;
  readonly name: string;

  constructor(link: Link, name: string) {
    this.link = link;
    this.flow = link.flow('udp');
    this.name = name;
  }

  /** `arrive` gets the address that the server sees. */
  out(length: number, arrive: (place: Place) => void): void {
    const mapping = this.flow.out();
    this.link.up.send('udp', UDP_BYTES, length, () => arrive(new Place(this, mapping)));
  }
}

/** An address with its port, as the server sees it. */
class Place implements Remote {
  readonly key: string;
  readonly socket: Socket;
  private readonly mapping: number;

  constructor(socket: Socket, mapping: number) {
    this.socket = socket;
    this.mapping = mapping;
    this.key = `${socket.name}:${40_000 + mapping}`;
  }

  back(length: number, arrive: () => void): void {
    const { link, flow } = this.socket;
    link.down.send('udp', UDP_BYTES, length, () => {
      if (flow.in(this.mapping)) arrive();
    });
  }
}

function count(pipe: Pipe, content: number, security: number, again: boolean): void {
  const { tally } = pipe;
  tally.security += security;
  if (again) tally.repeated += content;
  else tally.content += content;
}

// ---- plain

/** The server's socket for one protocol without security. */
export class PlainServer {
  private readonly accept: AcceptDatagrams;
  private readonly ends = new Map<string, PlainServerEnd>();

  constructor(accept: AcceptDatagrams) {
    this.accept = accept;
  }

  dial(link: Link, name: string): DatagramEnd {
    const end = new PlainClientEnd(new Socket(link, name), this);
    link.clock.at(link.clock.now, () => end.sink.opened());
    return end;
  }

  /** @internal */
  arrived(bytes: Uint8Array, from: Place, client: PlainClientEnd): void {
    let end = this.ends.get(from.key);
    if (end === undefined) {
      end = new PlainServerEnd(from, client, () => this.ends.delete(from.key));
      this.ends.set(from.key, end);
      this.accept(end);
    }
    end.sink.received(bytes);
  }
}

class PlainClientEnd implements DatagramEnd {
  sink = NO_SINK;
  readonly remote = 'server';
  private readonly socket: Socket;
  private readonly server: PlainServer;
  private ended = false;

  constructor(socket: Socket, server: PlainServer) {
    this.socket = socket;
    this.server = server;
  }

  send(bytes: Uint8Array, again: boolean): void {
    if (this.ended) return;
    count(this.socket.link.up, bytes.length, 0, again);
    this.socket.out(bytes.length, (place) => this.server.arrived(bytes, place, this));
  }

  /** @internal */
  arrived(bytes: Uint8Array): void {
    if (!this.ended) this.sink.received(bytes);
  }

  end(): void {
    this.ended = true;
  }
}

class PlainServerEnd implements DatagramEnd {
  sink = NO_SINK;
  readonly remote: string;
  private readonly place: Place;
  private readonly client: PlainClientEnd;
  private readonly forget: () => void;

  constructor(place: Place, client: PlainClientEnd, forget: () => void) {
    this.place = place;
    this.remote = place.key;
    this.client = client;
    this.forget = forget;
  }

  send(bytes: Uint8Array, again: boolean): void {
    count(this.place.socket.link.down, bytes.length, 0, again);
    this.place.back(bytes.length, () => this.client.arrived(bytes));
  }

  end(): void {
    this.forget();
  }
}

// ---- DTLS

const PSK_IDENTITY = 'device';
/** TLS_PSK_WITH_AES_128_CCM_8, which constrained devices must have: RFC 7925, section 4.2. */
const DEVICE_SUITES = SUITES.filter((suite) => suite.id === 0xc0a8);
const PSK = Uint8Array.from({ length: 16 }, (_, i) => i);

/** The server's socket for one protocol under DTLS with a pre-shared key. */
export class DtlsServer {
  private readonly clock: LabClock;
  private readonly lines: Lines<DtlsPlace>;
  private readonly ends = new Map<Line<DtlsPlace>, DtlsServerEnd>();
  private readonly alarms = new Map<Line<DtlsPlace>, Alarm>();

  constructor(clock: LabClock, accept: AcceptDatagrams) {
    this.clock = clock;
    this.lines = new Lines<DtlsPlace>(
      {
        send: (datagram, to) => to.secure(datagram, 0, false),
        wakeLater: (line, at) => this.alarm(line).set(at),
        admits: () => true,
        began: () => {},
        opened: (line) => {
          const end = new DtlsServerEnd(line, clock);
          this.ends.set(line, end);
          accept(end);
        },
        received: (line, content) => this.ends.get(line)?.sink.received(content),
        moved: () => {},
        closed: (line) => {
          this.alarms.get(line)?.clear();
          this.alarms.delete(line);
          const end = this.ends.get(line);
          this.ends.delete(line);
          end?.sink.failed();
        },
      },
      {
        certified: () => undefined,
        sessions: new Sessions(),
        preSharedKey: (identity) => (identity === PSK_IDENTITY ? PSK : undefined),
      },
      {},
      clock.now,
    );
  }

  private alarm(line: Line<DtlsPlace>): Alarm {
    let alarm = this.alarms.get(line);
    if (alarm === undefined) {
      alarm = new Alarm(this.clock, () => line.wake(this.clock.now));
      this.alarms.set(line, alarm);
    }
    return alarm;
  }

  /** `memory` keeps the session for the next time, and connection ids follow a device behind a NAT when `connectionId`. */
  dial(link: Link, name: string, memory: SessionMemory, connectionId: boolean): DatagramEnd {
    return new DtlsClientEnd(new Socket(link, name), this, memory, connectionId);
  }

  /** @internal */
  arrived(datagram: Uint8Array, from: DtlsPlace): void {
    this.lines.receive(datagram, from, this.clock.now);
  }
}

/** What a device keeps of its last session. */
export interface SessionMemory {
  session: Session | undefined;
}

class DtlsPlace implements Remote {
  readonly key: string;
  private readonly place: Place;
  private readonly client: DtlsClientEnd;

  constructor(place: Place, client: DtlsClientEnd) {
    this.key = place.key;
    this.place = place;
    this.client = client;
  }

  secure(datagram: Uint8Array, content: number, again: boolean): void {
    count(this.place.socket.link.down, content, datagram.length - content, again);
    this.place.back(datagram.length, () => this.client.arrived(datagram));
  }
}

class DtlsClientEnd implements DatagramEnd {
  sink = NO_SINK;
  readonly remote = 'server';
  private readonly socket: Socket;
  private readonly server: DtlsServer;
  private readonly association: ClientAssociation;
  private readonly alarm: Alarm;
  private ended = false;

  constructor(socket: Socket, server: DtlsServer, memory: SessionMemory, connectionId: boolean) {
    const { clock } = socket.link;
    this.socket = socket;
    this.server = server;
    const handshakeMs = 300_000;
    this.association = new ClientAssociation(
      {
        send: (datagram) => this.carry(datagram, 0, false),
        newest: () => {},
        opened: (_proof: Proof) => this.sink.opened(),
        received: (content) => this.sink.received(content),
        closed: () => {
          this.alarm.clear();
          if (!this.ended) this.sink.failed();
        },
      },
      {
        suites: DEVICE_SUITES,
        preShared: { identity: PSK_IDENTITY, key: PSK },
        handshakeMs,
        ...(connectionId ? { connectionId: new Uint8Array(0) } : {}),
        ...(memory.session === undefined ? {} : { session: memory.session }),
        keepSession: (session) => {
          memory.session = session;
        },
      },
      clock.now,
    );
    this.alarm = new Alarm(clock, () => {
      this.association.wake(clock.now);
      this.arm();
    });
    clock.at(clock.now, () => {
      this.association.begin(clock.now);
      this.arm();
    });
  }

  private arm(): void {
    this.alarm.set(this.association.wakeAt);
  }

  private carry(datagram: Uint8Array, content: number, again: boolean): void {
    count(this.socket.link.up, content, datagram.length - content, again);
    this.socket.out(datagram.length, (place) => this.server.arrived(datagram, new DtlsPlace(place, this)));
  }

  /** @internal */
  arrived(datagram: Uint8Array): void {
    if (this.association.state === 'closed') return;
    this.association.receive(datagram, this.socket.link.clock.now);
    this.arm();
  }

  send(bytes: Uint8Array, again: boolean): void {
    const datagram = this.association.seal(bytes);
    if (datagram !== undefined) this.carry(datagram, bytes.length, again);
  }

  end(): void {
    this.ended = true;
    this.association.close(this.socket.link.clock.now);
  }
}

class DtlsServerEnd implements DatagramEnd {
  sink = NO_SINK;
  readonly remote: string;
  private readonly line: Line<DtlsPlace>;
  private readonly clock: LabClock;

  constructor(line: Line<DtlsPlace>, clock: LabClock) {
    this.line = line;
    this.remote = line.remote.key;
    this.clock = clock;
  }

  send(bytes: Uint8Array, again: boolean): void {
    const datagram = this.line.seal(bytes);
    if (datagram !== undefined) this.line.remote.secure(datagram, bytes.length, again);
  }

  end(): void {
    this.line.close(this.clock.now);
  }
}
