// DTLS in memory: one server's lines and any number of clients on a virtual clock, over a network that loses, repeats and overtakes.

import type { Port, Proof } from '../../src/transport/dtls/association.ts';
import { ClientAssociation, type ClientSettings } from '../../src/transport/dtls/client.ts';
import { type Line, Lines, type LinesOptions, type LinesPort } from '../../src/transport/dtls/lines.ts';
import type { ServerSettings } from '../../src/transport/dtls/server.ts';
import { seeded, VirtualClock } from '../../src/transport/virtual-clock.ts';

export interface Weather {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Shares of datagrams, 0 to 1. */
  readonly loss: number;
  readonly duplicates: number;
}

const FAIR: Weather = { delayMs: 10, jitterMs: 0, loss: 0, duplicates: 0 };

export interface Place {
  readonly key: string;
}

/** A datagram as somebody on the path sees it. */
export interface Seen {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** The certificates of the tests are good from the moment that they are made. */
export const NOW = Date.now() + 60_000;

export class DtlsNetwork implements LinesPort<Place> {
  readonly clock = new VirtualClock(NOW);
  readonly lines: Lines<Place>;
  /** Everything that was sent, also what was lost. */
  readonly seen: Seen[] = [];
  readonly begun_: Line<Place>[] = [];
  readonly opened_: { line: Line<Place>; proof: Proof }[] = [];
  readonly received_: { line: Line<Place>; text: string }[] = [];
  readonly closed_: { line: Line<Place>; why: string; graceful: boolean }[] = [];
  readonly moved_: Line<Place>[] = [];
  weather: Weather;
  /** False loses that datagram. */
  passes: (datagram: Seen) => boolean = () => true;
  /** The server answers what it receives with the same in capitals. */
  echoes = true;
  private readonly random: () => number;
  private readonly clients = new Map<string, DtlsClient>();
  private readonly wakes = new Map<Line<Place>, () => void>();

  constructor(
    settings: Omit<ServerSettings, 'connectionId'>,
    weather: Partial<Weather> = {},
    seed = 1,
    options: LinesOptions = {},
  ) {
    this.weather = { ...FAIR, ...weather };
    this.random = seeded(seed);
    this.lines = new Lines(this, settings, options, this.clock.now);
  }

  client(settings: ClientSettings, address = `client${this.clients.size}`): DtlsClient {
    const client = new DtlsClient(this, settings, address);
    this.clients.set(address, client);
    return client;
  }

  /** The client's datagrams come from another address now. */
  move(client: DtlsClient, address: string): void {
    client.address = address;
    this.clients.set(address, client);
  }

  carry(from: string, to: string, bytes: Uint8Array): void {
    const datagram = { from, to, bytes };
    this.seen.push(datagram);
    if (!this.passes(datagram)) return;
    const { delayMs, jitterMs, loss, duplicates } = this.weather;
    const copies = this.random() < duplicates ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.random() < loss) continue;
      this.clock.at(this.clock.now + delayMs + this.random() * jitterMs, () => this.arrive(datagram));
    }
  }

  /** Lends the octets, as a Buffer like sockets do, and scribbles over them afterwards: who keeps a view of them is found out. */
  arrive({ from, to, bytes }: Seen): void {
    const lent = Buffer.from(bytes);
    if (to === 'server') this.lines.receive(lent, { key: from }, this.clock.now);
    else this.clients.get(to)?.arrived(lent);
    lent.fill(0xdd);
  }

  say(line: Line<Place>, text: string): void {
    const datagram = line.seal(Buffer.from(text));
    if (datagram !== undefined) this.send(datagram, line.remote);
  }

  // ---- the port of the lines

  send(datagram: Uint8Array, to: Place): void {
    this.carry('server', to.key, datagram);
  }

  wakeLater(line: Line<Place>, at: number): void {
    this.wakes.get(line)?.();
    this.wakes.set(
      line,
      this.clock.timer(at, () => line.wake(this.clock.now)),
    );
  }

  admits(): boolean {
    return true;
  }

  began(line: Line<Place>): void {
    this.begun_.push(line);
  }

  opened(line: Line<Place>, proof: Proof): void {
    this.opened_.push({ line, proof });
  }

  received(line: Line<Place>, content: Uint8Array): void {
    const text = Buffer.from(content).toString();
    this.received_.push({ line, text });
    if (this.echoes) this.say(line, text.toUpperCase());
  }

  moved(line: Line<Place>): void {
    this.moved_.push(line);
  }

  closed(line: Line<Place>, why: string, graceful: boolean): void {
    this.closed_.push({ line, why, graceful });
  }
}

export class DtlsClient implements Port {
  address: string;
  readonly association: ClientAssociation;
  proof: Proof | undefined;
  readonly received_: string[] = [];
  end: { why: string; graceful: boolean } | undefined;
  private readonly network: DtlsNetwork;
  private cancel: (() => void) | undefined;

  constructor(network: DtlsNetwork, settings: ClientSettings, address: string) {
    this.network = network;
    this.address = address;
    this.association = new ClientAssociation(this, settings, network.clock.now);
  }

  begin(): this {
    this.association.begin(this.network.clock.now);
    this.arm();
    return this;
  }

  say(text: string): void {
    const datagram = this.association.seal(Buffer.from(text));
    if (datagram !== undefined) this.send(datagram);
  }

  arrived(bytes: Uint8Array): void {
    this.association.receive(bytes, this.network.clock.now);
    this.arm();
  }

  close(): void {
    this.association.close(this.network.clock.now);
  }

  private arm(): void {
    this.cancel?.();
    this.cancel = this.network.clock.timer(this.association.wakeAt, () => {
      this.association.wake(this.network.clock.now);
      this.arm();
    });
  }

  send(datagram: Uint8Array): void {
    this.network.carry(this.address, 'server', datagram);
  }

  newest(): void {}

  opened(proof: Proof): void {
    if (this.proof !== undefined) throw new Error('opened twice');
    this.proof = proof;
  }

  received(content: Uint8Array): void {
    this.received_.push(Buffer.from(content).toString());
  }

  closed(why: string, graceful: boolean): void {
    if (this.end !== undefined) throw new Error('closed twice');
    this.end = { why, graceful };
  }
}
