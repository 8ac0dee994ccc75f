// One association: records in and out, flights and their timer, alerts and the end. The two roles build their handshakes on it.

import { createHash, randomBytes } from 'node:crypto';
import { NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { WireIdentity } from '../../contract/wire.ts';
import { ALERT, alertName, FATAL, HANDSHAKE, RECORD, WARNING } from './codes.ts';
import { Flight, type RecordMaker } from './flight.ts';
import { decodeFragments, encodeWhole, type HandshakeMessage, Reassembly } from './fragments.ts';
import { RANDOM_BYTES } from './hello.ts';
import { type DirectionKeys, verifyData } from './keys.ts';
import { join } from './octets.ts';
import {
  HEADER_BYTES,
  NO_CID,
  type Opened,
  Opener,
  plainRecord,
  type RawRecord,
  Sealer,
  splitDatagram,
} from './record.ts';
import type { Suite } from './suites.ts';

//  handshake ──both Finished are right──▶ open ──close, close_notify, fatal alert in epoch 1──▶ closed
//      └── deadline, a fault in the handshake, a fatal alert ─────────────────────────────────────▲
// From `open` on, nothing but a record whose tag is right changes anything: epoch 0 is not even read.

/** What an association asks of the world. */
export interface Port {
  send(datagram: Uint8Array): void;
  /** A record was proven that is newer than all before it: whoever sent it from elsewhere has moved [RFC9146-6]. */
  newest(now: number): void;
  opened(proof: Proof, now: number): void;
  /** One record's content; the memory is the receiver's to keep. */
  received(content: Uint8Array, now: number): void;
  /** Called once, last. */
  closed(why: string, graceful: boolean, now: number): void;
}

/** What the handshake came to. */
export interface Proof {
  readonly suite: Suite;
  readonly identity: WireIdentity;
  readonly resumed: boolean;
  readonly extendedMasterSecret: boolean;
}

export interface AssociationSettings {
  /** The largest UDP payload of a handshake. Default: 1,232, what every IPv6 path carries. */
  readonly maxDatagramBytes?: number;
  /** Default: 30,000. */
  readonly handshakeMs?: number;
}

const DEFAULT_DATAGRAM_BYTES = 1_232;
const DEFAULT_HANDSHAKE_MS = 30_000;
/** Records of epoch 1 that overtook the handshake and wait for its end. */
const MAX_EARLY = 4;
const MAX_EARLY_BYTES = 2_048;
const MAX_CONTENT_BYTES = 16_384;

export abstract class Association implements RecordMaker {
  state: 'handshake' | 'open' | 'closed' = 'handshake';
  protected readonly port: Port;
  /** Octets of content that the other side takes in one record. */
  protected maxContentBytes = MAX_CONTENT_BYTES;
  protected readonly flight: Flight;
  protected incoming = new Reassembly();
  /** The next handshake message's sequence number. */
  protected messageSequence = 0;
  /** The next record's, in epoch 0. */
  protected plainSequence = 0;
  /** Every handshake message so far, whole, in order; emptied once it is done. */
  protected transcript: Uint8Array[] = [];
  /** Our own connection id: records of epoch 1 to us carry it, if it was agreed on. */
  ownCid: Uint8Array = NO_CID;
  private deadline: number;
  private sealer: Sealer | undefined;
  private opener: Opener | undefined;
  private held: RawRecord[] = [];
  private early: Opened[] = [];

  constructor(port: Port, settings: AssociationSettings, now: number) {
    this.port = port;
    this.deadline = now + (settings.handshakeMs ?? DEFAULT_HANDSHAKE_MS);
    this.flight = new Flight(settings.maxDatagramBytes ?? DEFAULT_DATAGRAM_BYTES, (datagram) =>
      port.send(datagram),
    );
  }

  /** The alert that ended it, if one did, and who said it. */
  alert: { readonly code: number; readonly ours: boolean } | undefined = undefined;
  /** Why the handshake may have come to no end, for the log. */
  protected tooLong = 'the handshake took too long';
  /** Types of the handshake messages that may come next. */
  protected abstract readonly expected: readonly number[];
  /** One of them has come. Throws ProtocolError with the alert as its code. */
  protected abstract message(m: HandshakeMessage, now: number): void;
  /** A fatal alert was sent or received: a session that belongs to this must not be resumed. */
  protected abstract spoiled(): void;

  /** When `wake` wants to be called. */
  get wakeAt(): number {
    return this.state === 'handshake' ? Math.min(this.deadline, this.flight.due) : NEVER;
  }

  wake(now: number): void {
    if (this.state !== 'handshake') return;
    if (this.deadline <= now) this.end(this.tooLong, false, now);
    else if (this.flight.due <= now) this.flight.timedOut(this, now);
  }

  /** A datagram came. Its memory may be reused when this returns. */
  receive(datagram: Uint8Array, now: number): void {
    for (const record of splitDatagram(datagram, this.ownCid.length)) {
      if (this.state === 'closed') return;
      this.guarded(now, () => this.take(record, now));
    }
  }

  /** The datagram that carries `content`; undefined: it is too large for one record, or the association is not open. */
  seal(content: Uint8Array): Uint8Array | undefined {
    if (this.state !== 'open' || content.length > this.maxContentBytes || this.sealer!.exhausted)
      return undefined;
    return this.sealer!.seal(RECORD.applicationData, content);
  }

  /** Says goodbye; `closed` follows. */
  close(now: number): void {
    if (this.state === 'closed') return;
    this.sendAlert(WARNING, ALERT.closeNotify);
    this.end('closed by this side', true, now);
  }

  /** Gone without a word. */
  abandon(now: number): void {
    if (this.state !== 'closed') this.end('abandoned', false, now);
  }

  // ---- what comes in

  private take(record: RawRecord, now: number): void {
    if (record.epoch === 0) {
      if (this.state === 'handshake' && record.type !== RECORD.tls12Cid) {
        this.takeContent(record.type, record.fragment, 0, now);
      }
      return;
    }
    if (record.epoch !== 1) return;
    if (this.opener === undefined) {
      this.hold(record);
      return;
    }
    const opened = this.opener.open(record);
    if (opened === undefined) return;
    if (this.opener.isNewest(record)) this.port.newest(now);
    this.takeContent(opened.type, opened.content, 1, now);
  }

  private hold(record: RawRecord): void {
    if (this.held.length >= MAX_EARLY || record.fragment.length > MAX_EARLY_BYTES) return;
    this.held.push({ ...record, cid: record.cid.slice(), fragment: record.fragment.slice() });
  }

  private takeContent(type: number, content: Uint8Array, epoch: number, now: number): void {
    switch (type) {
      case RECORD.handshake:
        this.takeHandshake(content, epoch, now);
        return;
      case RECORD.alert:
        this.takeAlert(content, epoch, now);
        return;
      case RECORD.applicationData:
        if (epoch === 0) return;
        if (this.state === 'open') {
          this.flight.answered();
          this.port.received(content, now);
        } else if (this.early.length < MAX_EARLY) {
          this.early.push({ type, content });
        }
        return;
      default:
      // ChangeCipherSpec tells nothing: a record's epoch says which keys it is under. Unknown types are dropped.
    }
  }

  private takeHandshake(content: Uint8Array, epoch: number, now: number): void {
    const fragments = decodeFragments(content);
    if (fragments === undefined) return;
    for (const fragment of fragments) {
      if (this.state === 'open') {
        this.afterHandshake(fragment.type, now);
        continue;
      }
      // Finished is under the new keys, everything else in the clear; what pretends otherwise is forged.
      if ((fragment.type === HANDSHAKE.finished) !== (epoch === 1)) continue;
      if (!this.incoming.add(fragment)) {
        this.flight.provoked(this, now);
        continue;
      }
      this.takeMessages(now);
      if (this.state === 'closed') return;
    }
  }

  private takeMessages(now: number): void {
    while (this.state === 'handshake') {
      const message = this.incoming.take(this.expected);
      if (message === undefined) return;
      this.message(message, now);
    }
  }

  /** The handshake is over: the other side missed our last flight, or wants another handshake, which there is not. */
  private afterHandshake(type: number, now: number): void {
    if (type === HANDSHAKE.finished) this.flight.provoked(this, now);
    else if (type === HANDSHAKE.clientHello || type === HANDSHAKE.helloRequest) {
      this.sendAlert(WARNING, ALERT.noRenegotiation); // [RFC5746-4.5]
    }
  }

  private takeAlert(content: Uint8Array, epoch: number, now: number): void {
    if (content.length !== 2) return;
    const [level, code] = content as unknown as [number, number];
    if (code === ALERT.closeNotify && epoch === 1) {
      this.sendAlert(WARNING, ALERT.closeNotify);
      this.end('closed by the other side', true, now);
    } else if (level === FATAL || code === ALERT.closeNotify) {
      // In the clear this can be forged, but so can all of a handshake that is not finished; and waiting would help nobody.
      this.spoiled();
      this.alert = { code, ours: false };
      this.end(`the other side refused: ${alertName(code)}`, false, now);
    }
  }

  /** The one place where a handshake's errors end. */
  protected guarded(now: number, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.spoiled();
      const code = error.code || ALERT.internalError;
      this.alert = { code, ours: true };
      this.sendAlert(FATAL, code);
      this.end(error.message, false, now);
    }
  }

  // ---- what goes out

  record(epoch: number, type: number, content: Uint8Array): Uint8Array {
    return epoch === 1 ? this.sealer!.seal(type, content) : plainRecord(type, this.plainSequence++, content);
  }

  overhead(epoch: number): number {
    return epoch === 1 ? this.sealer!.overhead : HEADER_BYTES;
  }

  private sendAlert(level: number, code: number): void {
    this.port.send(this.record(this.sealer === undefined ? 0 : 1, RECORD.alert, Uint8Array.of(level, code)));
  }

  /** Adds a message to the flight and the transcript. */
  protected say(type: number, body: Uint8Array): void {
    const message = { type, sequence: this.messageSequence++, body };
    this.flight.add(message);
    this.transcript.push(encodeWhole(message));
  }

  /** What was received counts for the transcript too. */
  protected note(m: HandshakeMessage): void {
    this.transcript.push(encodeWhole(m));
  }

  protected transcriptHash(hash: Suite['hash']): Uint8Array {
    return createHash(hash)
      .update(join(...this.transcript))
      .digest();
  }

  /** From here on records of epoch 1 can be read, and those that came too early are. */
  protected readWith(suite: Suite, keys: DirectionKeys): void {
    this.opener = new Opener(suite, keys, this.ownCid);
  }

  protected replayHeld(now: number): void {
    const held = this.held;
    this.held = [];
    for (const record of held) if (this.state !== 'closed') this.take(record, now);
  }

  /** ChangeCipherSpec and Finished: the rest of the flight is under the new keys. */
  protected sayFinished(
    suite: Suite,
    keys: DirectionKeys,
    theirCid: Uint8Array,
    master: Uint8Array,
    role: 'client' | 'server',
  ): void {
    this.sealer = new Sealer(suite, keys, theirCid);
    this.flight.add('change-cipher-spec');
    this.say(HANDSHAKE.finished, verifyData(suite, master, role, this.transcriptHash(suite.hash)));
  }

  /** Both sides have proven that they saw the same handshake. */
  protected open(proof: Proof, now: number): void {
    this.state = 'open';
    this.transcript = [];
    this.port.opened(proof, now);
    const early = this.early;
    this.early = [];
    for (const one of early) if (this.isOpen()) this.port.received(one.content, now);
  }

  /** `opened` and `received` may have closed it. */
  private isOpen(): boolean {
    return this.state === 'open';
  }

  private end(why: string, graceful: boolean, now: number): void {
    this.state = 'closed';
    this.held = [];
    this.early = [];
    this.transcript = [];
    this.flight.answered();
    this.port.closed(why, graceful, now);
  }
}

/** The random of a hello: no time in it, which would only tell something about us [RFC7925-4.2]. */
export function helloRandom(): Uint8Array {
  return randomBytes(RANDOM_BYTES);
}
