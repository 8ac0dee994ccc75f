// The first moments of a stream: the proxy's header, then the choice among several protocols by the first octets.

import { ProtocolError } from '../contract/outcome.ts';
import type { Peer, Protocol } from '../contract/wire.ts';
import { now } from './clock.ts';
import { type Gate, plainAddress, remoteName } from './listener.ts';
import { decodeProxyHeader, type ProxyHeader } from './proxy.ts';
import type { StreamWire } from './stream.ts';

/** Every protocol tells itself apart within this many octets; MQTT needs the most: a CONNECT's header and protocol name. */
const SNIFF_BYTES = 32;

/** Gives a fresh wire its first peer. */
export function openStream(wire: StreamWire, gate: Gate): void {
  if (gate.proxy) wire.peer = new ProxyStage(wire, gate);
  else chooseProtocol(wire, gate);
}

/** As `openStream`, for a wire whose proxy header was read before (in front of TLS). */
export function chooseProtocol(wire: StreamWire, gate: Gate): void {
  if (gate.protocols.length === 1) wire.open(gate.protocols[0]!, now());
  else wire.peer = new SniffStage(wire, gate.protocols);
}

/** What comes before the protocol hears nothing but octets. */
abstract class Stage implements Peer {
  abstract receive(bytes: Uint8Array, start: number, end: number, now: number): number;
  drained(): void {}
  wake(): void {}
  broken(): void {}
  lost(): void {}
}

class SniffStage extends Stage {
  private readonly wire: StreamWire;
  private readonly protocols: readonly Protocol[];

  constructor(wire: StreamWire, protocols: readonly Protocol[]) {
    super();
    this.wire = wire;
    this.protocols = protocols;
  }

  receive(bytes: Uint8Array, start: number, end: number, at: number): number {
    const first = bytes.subarray(start, Math.min(end, start + SNIFF_BYTES));
    let undecided = 0;
    for (const protocol of this.protocols) {
      const matches = protocol.matches?.(first);
      if (matches === 'never') continue;
      undecided++;
      if (matches !== true) continue;
      this.wire.inTime();
      this.wire.open(protocol, at);
      return start;
    }
    if (undecided > 0 && first.length < SNIFF_BYTES) return start;
    const header = this.protocols.find((protocol) => protocol.header !== undefined)?.header;
    if (header !== undefined) this.wire.write(header);
    throw new ProtocolError('SNIFF-1', 'the first octets belong to no protocol of this listener');
  }
}

class ProxyStage extends Stage {
  private readonly wire: StreamWire;
  private readonly gate: Gate;

  constructor(wire: StreamWire, gate: Gate) {
    super();
    this.wire = wire;
    this.gate = gate;
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    const header = decodeProxyHeader(bytes, start, end);
    if (header === undefined) return start;
    const source = header.source;
    if (source !== undefined) {
      const address = plainAddress(source.address);
      if (!this.wire.move(address, remoteName(address, source.port))) {
        this.wire.destroy();
        return end;
      }
    }
    if (this.gate.proxyTrustsCertificate) this.wire.identity = proxiedIdentity(header);
    this.wire.limit(this.gate.firstByteMs);
    chooseProtocol(this.wire, this.gate);
    return header.end;
  }
}

/** What a trusted proxy proved for us. It does not tell the certificate's fingerprint. */
function proxiedIdentity(header: ProxyHeader): StreamWire['identity'] {
  return {
    ...(header.commonName === undefined
      ? {}
      : { certificate: { commonName: header.commonName, fingerprint: '' } }),
    ...(header.serverName === undefined ? {} : { serverName: header.serverName }),
  };
}
