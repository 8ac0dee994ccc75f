// One STOMP connection: it connects once, then its frames are performed in order, and everything that goes wrong ends it.

import type { Access, Guest, Hub } from '../../contract/hub.ts';
import { type Departure, type Outcome, ProtocolError } from '../../contract/outcome.ts';
import type { Peer, Wire } from '../../contract/wire.ts';
import { Answers } from './answers.ts';
import type { BodyBudget } from './body.ts';
import { FrameDecoder } from './decode.ts';
import { encodeFrame, hubFrame } from './encode.ts';
import { BEAT_MS, Heartbeat } from './heartbeat.ts';
import { isOutcome, SENTENCE } from './map.ts';
import { type Frame, type FrameLimits, headerOf, VERSIONS, type Version } from './packet.ts';
import { Refusal } from './refusal.ts';
import { type Sequel, StompSession } from './session.ts';

export interface StompOptions {
  /** Limits of heads; bodies have the listener's limit of a packet. Counts and octets. */
  readonly headBytes: number;
  readonly headers: number;
  readonly lineLength: number;
}

/** Before the login a client has little to say. */
const EARLY: FrameLimits = { headBytes: 4_096, headers: 32, lineLength: 1_024, bodyBytes: 0 };
/** So many receipts, or octets that the client does not read, stop the reading; half of it starts it again. */
const MAX_WAITING = 1_024;
const MAX_UNREAD = 1_048_576;

const LINE_FEED = Uint8Array.of(0x0a);
const encoder = new TextEncoder();

/**
 * States: new —CONNECT→ knocking —welcome→ connected —DISCONNECT→ leaving —receipt sent→ ended.
 * Every state —ERROR→ ended —the wire closes→ lost. new and knocking end after loginMs.
 */
export class StompPeer implements Peer, Guest {
  private readonly wire: Wire;
  private readonly hub: Hub;
  private readonly options: StompOptions;
  private readonly decoder: FrameDecoder;
  private readonly answers: Answers;
  private readonly openedAt: number;
  private state: 'new' | 'knocking' | 'connected' | 'leaving' | 'ended' | 'lost' = 'new';
  private version: Version = '1.0';
  private connect: Frame | undefined = undefined;
  private heartbeat: Heartbeat | undefined = undefined;
  private session: StompSession | undefined = undefined;
  /** The frame that is being performed: an ERROR says which one it is about. */
  private current: Frame | undefined = undefined;
  private choked = false;
  private graceful = false;

  constructor(wire: Wire, hub: Hub, options: StompOptions, budget: BodyBudget, now: number) {
    this.wire = wire;
    this.hub = hub;
    this.options = options;
    this.decoder = new FrameDecoder(EARLY, budget);
    this.answers = new Answers(wire);
    this.openedAt = now;
    this.schedule();
  }

  receive(bytes: Uint8Array, start: number, end: number, now: number): number {
    this.heartbeat?.heard(now);
    let at = start;
    while (at < end && this.reads) {
      const frame = this.decoder.next(bytes, at, end);
      at = this.decoder.at;
      if (frame === undefined) return at;
      this.current = frame;
      this.take(frame, now);
      this.current = undefined;
      this.regulate();
    }
    // Nothing counts after goodbye; what cannot be read yet comes again.
    return this.state === 'knocking' || this.choked || this.wire.held === true ? at : end;
  }

  /** Another frame may be taken. */
  private get reads(): boolean {
    const open = this.state === 'new' || this.state === 'connected';
    return open && !this.choked && this.wire.held !== true;
  }

  slow(ms: number): boolean {
    if (this.wire.hold === undefined) return false;
    this.heartbeat?.heard(this.hub.now() + ms); // its silence is our doing until then
    this.wire.hold(ms);
    return true;
  }

  private take(frame: Frame, now: number): void {
    const connecting = frame.command === 'CONNECT' || frame.command === 'STOMP';
    if (connecting !== (this.state === 'new'))
      throw new ProtocolError('STOMP12-connecting', 'CONNECT is the first frame, and comes once');
    try {
      if (connecting) this.knock(frame, now);
      else if (frame.command === 'DISCONNECT') this.leave(frame);
      else this.perform(frame);
    } catch (why) {
      if (!(why instanceof Refusal)) throw why;
      // An ERROR ends the connection, also where other protocols only refuse.
      this.session?.access.blame(isOutcome(why.message) ? why.message : 'protocol-error');
      this.fail(why.message, why.detail);
    }
  }

  // --- the login ---

  private knock(frame: Frame, now: number): void {
    this.version = agreed(headerOf(frame, 'accept-version'));
    this.heartbeat = new Heartbeat(this.version === '1.0' ? undefined : headerOf(frame, 'heart-beat'), now);
    this.state = 'knocking';
    this.connect = frame;
    this.wire.pause();
    const passcode = headerOf(frame, 'passcode');
    this.hub.login(
      {
        protocol: 'stomp',
        client: headerOf(frame, 'client-id') ?? '',
        username: headerOf(frame, 'login'),
        password: passcode === undefined ? undefined : encoder.encode(passcode),
        remote: this.wire.remote,
        listener: this.wire.listener,
        wire: this.wire.identity,
      },
      this,
    );
  }

  welcome(access: Access): void {
    if (this.state !== 'knocking') {
      access.leave(true, this.hub.now());
      return;
    }
    const { headBytes, headers, lineLength } = this.options;
    this.state = 'connected';
    this.decoder.version = this.version;
    this.decoder.limits = { headBytes, headers, lineLength, bodyBytes: this.wire.limits.maxPacketBytes };
    const named = (headerOf(this.connect!, 'client-id') ?? '') !== '';
    this.connect = undefined;
    this.session = new StompSession(access, this.hub, this.wire, this.version, named, (why) =>
      this.evict(why),
    );
    const lines = ['version', this.version, 'session', access.client, 'server', 'Waymeet'];
    if (this.version !== '1.0') lines.push('heart-beat', `${BEAT_MS},${BEAT_MS}`);
    this.answers.answer(encodeFrame(hubFrame('CONNECTED', lines), this.version), 0);
    this.heartbeat!.heard(this.hub.now()); // the proof took its time
    this.schedule();
    this.wire.resume();
  }

  refuse(why: Outcome): void {
    this.fail(why, SENTENCE[why]);
  }

  // --- frames ---

  private perform(frame: Frame): void {
    const sequel = this.session!.perform(frame);
    this.receipt(frame, sequel);
  }

  /** The receipt of a frame means that its effects are kept, and those of all frames before it. [STOMP12-receipt] */
  private receipt(frame: Frame, sequel: Sequel): void {
    const id = headerOf(frame, 'receipt');
    if (id === undefined) {
      sequel?.();
      return;
    }
    const bytes = encodeFrame(hubFrame('RECEIPT', ['receipt-id', id]), this.version);
    this.answers.answer(bytes, this.session!.access.due, sequel);
  }

  private leave(frame: Frame): void {
    this.state = 'leaving';
    this.graceful = true;
    this.receipt(frame, () => this.wire.end());
  }

  kept(ticket: number): void {
    this.answers.kept(ticket);
    this.regulate();
  }

  /** Stops reading while too much is owed to the client, be it that the store is slow or that the client does not read. */
  private regulate(): void {
    const waiting = this.answers.size;
    const { unsent } = this.wire;
    if (!this.choked) {
      if (waiting < MAX_WAITING && unsent < MAX_UNREAD) return;
      this.choked = true;
      this.wire.pause();
    } else if (waiting <= MAX_WAITING / 2 && unsent <= MAX_UNREAD / 2) {
      this.choked = false;
      this.heartbeat?.heard(this.hub.now()); // what it said meanwhile was not read
      this.wire.resume();
    }
  }

  // --- time ---

  wake(now: number): void {
    if (this.state === 'new' || this.state === 'knocking') {
      if (now >= this.openedAt + this.wire.limits.loginMs) this.evict('idle');
    } else if (this.heartbeat?.silent(now) === true && !this.choked) this.evict('idle');
    else if (this.heartbeat?.beat(now) === true && !this.wire.full) this.wire.write(LINE_FEED);
    this.schedule();
  }

  private schedule(): void {
    if (this.state === 'ended' || this.state === 'lost') return;
    const entered = this.state === 'connected' || this.state === 'leaving';
    this.wire.wake(entered ? this.heartbeat!.next : this.openedAt + this.wire.limits.loginMs);
  }

  drained(): void {
    this.session?.pull();
    this.regulate();
  }

  // --- endings ---

  evict(why: Outcome): void {
    this.session?.access.blame(why);
    this.fail(why, SENTENCE[why]);
  }

  broken(why: Error): void {
    this.session?.access.blame('protocol-error');
    this.write('malformed frame', why.message);
    this.state = 'ended';
  }

  private fail(message: string, detail: string): void {
    if (this.state === 'ended' || this.state === 'lost') return;
    this.write(message, detail);
    this.state = 'ended';
    this.wire.end();
  }

  /** ERROR names the receipt of the frame that it is about. [STOMP12-error] */
  private write(message: string, detail: string): void {
    if (this.state === 'ended' || this.state === 'lost') return;
    const body = `${detail}\n`;
    const lines = ['message', message, 'content-type', 'text/plain'];
    if (this.state === 'new') lines.push('version', VERSIONS.join(','));
    const receipt = this.current === undefined ? undefined : headerOf(this.current, 'receipt');
    if (receipt !== undefined) lines.push('receipt-id', receipt);
    lines.push('content-length', String(encoder.encode(body).length));
    this.wire.write(encodeFrame(hubFrame('ERROR', lines, body), this.version));
  }

  blamed(why: Departure): void {
    this.session?.access?.blame(why);
  }

  lost(now: number): void {
    this.state = 'lost';
    this.decoder.close();
    this.answers.clear();
    this.session?.end();
    this.session?.access.leave(this.graceful, now);
  }
}

/** The highest version that both sides speak; who does not say speaks 1.0. [STOMP12-protocol-negotiation] */
function agreed(accepted: string | undefined): Version {
  if (accepted === undefined) return '1.0';
  const said = accepted.split(',', 32).map((version) => version.trim());
  const common = VERSIONS.filter((version) => said.includes(version));
  const highest = common.at(-1);
  if (highest !== undefined) return highest;
  throw new Refusal('not-supported', `Supported protocol versions are ${VERSIONS.join(' ')}.`);
}
