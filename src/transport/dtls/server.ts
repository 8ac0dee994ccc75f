// The server's side of the handshake: it begins with a ClientHello whose cookie was right.

import { randomBytes, timingSafeEqual, type X509Certificate } from 'node:crypto';
import { NEVER } from '../../contract/message.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import type { WireIdentity } from '../../contract/wire.ts';
import { Association, type AssociationSettings, helloRandom, type Port } from './association.ts';
import { type Certified, certificateIdentity, verifyChain } from './certificates.ts';
import { ALERT, DTLS_1_2, HANDSHAKE } from './codes.ts';
import { type HandshakeMessage, Reassembly } from './fragments.ts';
import { type EphemeralKey, ephemeralKey, GROUPS, UNCOMPRESSED } from './groups.ts';
import { type ClientHello, decodeClientHello, encodeServerHello, knowsRenegotiation } from './hello.ts';
import { keyBlock, masterSecret, preSharedPremaster, verifyData } from './keys.ts';
import {
  decodeCertificate,
  decodeCertificateVerify,
  decodeClientKeyExchange,
  encodeCertificate,
  encodeCertificateRequest,
  encodeServerKeyExchange,
  encodeShare,
} from './messages.ts';
import { join } from './octets.ts';
import { NO_CID } from './record.ts';
import type { Session, Sessions } from './sessions.ts';
import { algorithmFor, CERTIFICATE_TYPES, SIGNATURE_ALGORITHMS, signWith, verifies } from './signatures.ts';
import { isEphemeral, isPreShared, isSigned, SUITES, type Suite } from './suites.ts';

//  (ClientHello) ──▶ certificate ──▶ key exchange ──▶ verify ──▶ finished ──▶ open
//        │               └ if asked for ┘               └ if one was shown
//        └── a session that is known ─────────────────────────▶ finished ──▶ open

export interface ServerSettings extends AssociationSettings {
  /** The certificate for the name that a client asks for (undefined: none); none at all where only keys are shared. */
  certified(serverName: string | undefined): Certified | undefined;
  readonly preSharedKey?: (identity: string) => Uint8Array | undefined;
  /** Whose client certificates are good; undefined: none are asked for. */
  readonly clientAuthorities?: readonly X509Certificate[];
  readonly requireCertificate?: boolean;
  /** Default: all of SUITES, in that order. */
  readonly suites?: readonly Suite[];
  readonly sessions?: Sessions;
  /** How long a session can be resumed. Default: a day. */
  readonly sessionMs?: number;
  /** A new connection id, nobody else's; undefined: clients are to be known by their address alone. */
  readonly connectionId?: () => Uint8Array;
}

const DEFAULT_SESSION_MS = 86_400_000;
const FINISHED = [HANDSHAKE.finished];

/** What of the first message's envelope the answer depends on. */
export interface FirstHello {
  readonly message: HandshakeMessage;
  /** The ServerHello takes its record's sequence number from here [RFC6347-4.2.1]. */
  readonly recordSequence: number;
}

export class ServerAssociation extends Association {
  protected expected: readonly number[] = [];
  private readonly settings: ServerSettings;
  private readonly hello: ClientHello;
  private readonly random = helloRandom();
  private readonly extended: boolean;
  private suite!: Suite;
  private certified: Certified | undefined;
  private ephemeral: EphemeralKey | undefined;
  private sessionId: Uint8Array = NO_CID;
  private theirCid: Uint8Array = NO_CID;
  private master: Uint8Array = NO_CID;
  private keys!: ReturnType<typeof keyBlock>;
  private clientCertificate: X509Certificate | undefined;
  private pskIdentity: string | undefined;
  private preSharedKey: Uint8Array | undefined;
  private resumed: Session | undefined;

  constructor(port: Port, settings: ServerSettings, first: FirstHello, now: number) {
    super(port, settings, now);
    this.settings = settings;
    this.hello = decodeClientHello(first.message.body);
    this.extended = this.hello.extensions.extendedMasterSecret === true;
    this.plainSequence = first.recordSequence;
    this.messageSequence = first.message.sequence;
    this.incoming = new Reassembly(first.message.sequence + 1);
    this.note(first.message);
  }

  /** Answers the hello; apart from the constructor, so that the owner has the association when it calls back. */
  begin(now: number): void {
    this.guarded(now, () => this.answerHello(now));
  }

  private answerHello(now: number): void {
    const { hello } = this;
    const { extensions } = hello;
    if (hello.version > DTLS_1_2 || hello.version >> 8 !== 0xfe) {
      // Versions count downwards: larger is older.
      throw new ProtocolError('RFC6347-4.2.1', 'older than DTLS 1.2', ALERT.protocolVersion);
    }
    if (!hello.compressions.includes(0)) {
      throw new ProtocolError('RFC5246-7.4.1.2', 'insists on compression', ALERT.decodeError);
    }
    if (extensions.renegotiationInfo !== undefined && extensions.renegotiationInfo.length > 0) {
      throw new ProtocolError('RFC5746-3.6', 'renegotiation without a connection', ALERT.handshakeFailure);
    }
    const fragment = extensions.maxFragmentLength;
    if (fragment !== undefined) {
      if (fragment < 1 || fragment > 4)
        throw new ProtocolError('RFC6066-4', 'no such fragment length', ALERT.illegalParameter);
      this.maxContentBytes = 2 ** (8 + fragment);
      this.flight.maxContentBytes = this.maxContentBytes;
    }
    if (extensions.connectionId !== undefined && this.settings.connectionId !== undefined) {
      this.theirCid = extensions.connectionId;
      this.ownCid = this.settings.connectionId();
    }
    if (this.resume(now)) return;
    this.choose();
    this.sayHello();
    this.sayShare();
    this.say(HANDSHAKE.serverHelloDone, NO_CID);
    this.flight.begin(this, now, false);
  }

  /** A session that client and server both know, under the same conditions as it began [RFC5246-7.4.1.2, RFC7627-5.3]. */
  private resume(now: number): boolean {
    const { hello, settings } = this;
    const session = settings.sessions?.find(hello.sessionId, now);
    if (session === undefined || !this.extended || !hello.suites.includes(session.suite)) return false;
    if (session.serverName !== hello.extensions.serverName) return false; // [RFC6066-3]
    const suite = (settings.suites ?? SUITES).find((s) => s.id === session.suite);
    if (suite === undefined || !this.stillShares(session)) return false;
    this.suite = suite;
    this.resumed = session;
    this.sessionId = session.id;
    this.master = session.master;
    this.sayHello();
    this.deriveKeys();
    this.sayFinished(suite, this.keys.server, this.theirCid, this.master, 'server');
    this.readWith(suite, this.keys.client);
    this.expected = FINISHED;
    this.flight.begin(this, now, false);
    return true;
  }

  /** A key that was taken away or replaced must not live on in a session. */
  private stillShares({ identity, preSharedKey }: Session): boolean {
    if (identity.pskIdentity === undefined) return true;
    const key = this.settings.preSharedKey?.(identity.pskIdentity);
    return (
      key !== undefined &&
      preSharedKey !== undefined &&
      key.length === preSharedKey.length &&
      timingSafeEqual(key, preSharedKey)
    );
  }

  /** The first suite of ours that the client has, and that we have a certificate or keys for. */
  private choose(): void {
    const { hello, settings } = this;
    const { extensions } = hello;
    this.certified = settings.certified(extensions.serverName);
    // Without the extension any curve may be chosen [RFC8422-5.1]; P-256 is the one that everybody has.
    const groups = extensions.groups ?? [23];
    const group = GROUPS.find((g) => groups.includes(g));
    const points = extensions.pointFormats ?? [UNCOMPRESSED];
    const suite = (settings.suites ?? SUITES).find((s) => {
      if (!hello.suites.includes(s.id)) return false;
      if (isPreShared(s.exchange) && settings.preSharedKey === undefined) return false;
      if (isEphemeral(s.exchange) && (group === undefined || !points.includes(UNCOMPRESSED))) return false;
      return !isSigned(s.exchange) || this.canSign(s, groups);
    });
    if (suite === undefined) {
      throw new ProtocolError('RFC5246-7.4.1.3', 'no cipher suite in common', ALERT.handshakeFailure);
    }
    this.suite = suite;
    if (isEphemeral(suite.exchange)) this.ephemeral = ephemeralKey(group!);
    this.sessionId = settings.sessions !== undefined && this.extended ? settings.sessions.newId() : NO_CID;
  }

  private canSign(suite: Suite, groups: readonly number[]): boolean {
    const { certified } = this;
    if (certified === undefined) return false;
    if ((suite.exchange === 'ecdhe-rsa') !== (certified.key.asymmetricKeyType === 'rsa')) return false;
    const curve = certified.curve === undefined ? undefined : CURVES[certified.curve];
    if (curve !== undefined && !groups.includes(curve)) return false;
    return algorithmFor(certified.key, this.theirAlgorithms()) !== undefined;
  }

  /** Without the extension it is SHA-1 [RFC5246-7.4.1.4.1], which we do not do: those clients get a suite without signatures. */
  private theirAlgorithms(): readonly number[] {
    return this.hello.extensions.signatureAlgorithms ?? [];
  }

  private sayHello(): void {
    const { hello } = this;
    const { extensions } = hello;
    const said = {
      version: DTLS_1_2,
      random: this.random,
      sessionId: this.sessionId,
      suite: this.suite.id,
      compression: 0,
      extensions: {
        ...(knowsRenegotiation(hello) ? { renegotiationInfo: NO_CID } : {}),
        ...(extensions.serverName !== undefined && this.resumed === undefined ? { serverName: '' } : {}),
        ...(extensions.maxFragmentLength === undefined
          ? {}
          : { maxFragmentLength: extensions.maxFragmentLength }),
        ...(this.extended ? { extendedMasterSecret: true } : {}),
        ...(this.negotiatesCid ? { connectionId: this.ownCid } : {}),
        ...(this.ephemeral !== undefined && extensions.pointFormats !== undefined
          ? { pointFormats: [UNCOMPRESSED] }
          : {}),
      },
    };
    this.say(HANDSHAKE.serverHello, encodeServerHello(said));
  }

  private get negotiatesCid(): boolean {
    return this.hello.extensions.connectionId !== undefined && this.settings.connectionId !== undefined;
  }

  private sayShare(): void {
    const { suite, ephemeral, certified, settings } = this;
    const { exchange } = suite;
    this.expected = [HANDSHAKE.clientKeyExchange];
    if (isSigned(exchange)) this.say(HANDSHAKE.certificate, encodeCertificate(certified!.chain));
    if (ephemeral !== undefined) {
      const { group, point } = ephemeral;
      if (isSigned(exchange)) {
        const algorithm = algorithmFor(certified!.key, this.theirAlgorithms())!;
        const signature = signWith(
          certified!.key,
          algorithm,
          join(this.hello.random, this.random, encodeShare(group, point)),
        );
        this.say(
          HANDSHAKE.serverKeyExchange,
          encodeServerKeyExchange({ group, point, signed: { algorithm, signature } }),
        );
      } else {
        this.say(HANDSHAKE.serverKeyExchange, encodeServerKeyExchange({ hint: NO_CID, group, point }));
      }
    }
    if (!isSigned(exchange) || settings.clientAuthorities === undefined) return;
    const request = { types: CERTIFICATE_TYPES, algorithms: SIGNATURE_ALGORITHMS };
    this.say(HANDSHAKE.certificateRequest, encodeCertificateRequest(request));
    this.expected = [HANDSHAKE.certificate];
  }

  protected message(m: HandshakeMessage, now: number): void {
    switch (m.type) {
      case HANDSHAKE.certificate:
        this.takeCertificate(m, now);
        return;
      case HANDSHAKE.clientKeyExchange:
        this.takeShare(m, now);
        return;
      case HANDSHAKE.certificateVerify:
        this.takeVerify(m, now);
        return;
      default:
        this.takeFinished(m, now);
    }
  }

  private takeCertificate(m: HandshakeMessage, now: number): void {
    const chain = decodeCertificate(m.body);
    if (chain.length > 0) {
      this.clientCertificate = verifyChain(chain, this.settings.clientAuthorities!, 'client', now);
    } else if (this.settings.requireCertificate === true) {
      throw new ProtocolError('RFC5246-7.4.6', 'shows no certificate', ALERT.handshakeFailure);
    }
    this.note(m);
    this.expected = [HANDSHAKE.clientKeyExchange];
  }

  private takeShare(m: HandshakeMessage, now: number): void {
    const { suite } = this;
    const share = decodeClientKeyExchange(suite.exchange, m.body);
    const agreed = share.point === undefined ? undefined : this.ephemeral!.secret(share.point);
    let premaster = agreed!;
    if (share.identity !== undefined) premaster = preSharedPremaster(this.sharedWith(share.identity), agreed);
    this.note(m);
    const seed = this.extended
      ? { session: this.transcriptHash(suite.hash) }
      : { randoms: join(this.hello.random, this.random) };
    this.master = masterSecret(suite.hash, premaster, seed);
    this.deriveKeys();
    this.readWith(suite, this.keys.client);
    this.expected = this.clientCertificate === undefined ? FINISHED : [HANDSHAKE.certificateVerify];
    this.replayHeld(now);
  }

  /** Unknown identities get a key that nobody has, so that a stranger cannot ask which ones exist [RFC4279-2]. */
  private sharedWith(identity: Uint8Array): Uint8Array {
    const name = Buffer.from(identity).toString('utf8');
    this.tooLong = `the key of ${JSON.stringify(name.slice(0, 64))} is unknown or another, or the handshake was lost`;
    const key = this.settings.preSharedKey?.(name);
    if (key === undefined) return randomBytes(16);
    this.pskIdentity = name;
    this.preSharedKey = key;
    return key;
  }

  private takeVerify(m: HandshakeMessage, now: number): void {
    const { algorithm, signature } = decodeCertificateVerify(m.body);
    const key = this.clientCertificate!.publicKey;
    if (!verifies(key, algorithm, join(...this.transcript), signature)) {
      throw new ProtocolError(
        'RFC5246-7.4.8',
        'does not have the key of its certificate',
        ALERT.decryptError,
      );
    }
    this.note(m);
    this.expected = FINISHED;
    this.replayHeld(now);
  }

  private takeFinished(m: HandshakeMessage, now: number): void {
    const { suite, master } = this;
    const right = verifyData(suite, master, 'client', this.transcriptHash(suite.hash));
    if (right.length !== m.body.length || !timingSafeEqual(right, m.body)) {
      throw new ProtocolError('RFC5246-7.4.9', 'a Finished of another handshake', ALERT.decryptError);
    }
    this.note(m);
    this.flight.answered();
    if (this.resumed === undefined) {
      this.sayFinished(suite, this.keys.server, this.theirCid, master, 'server');
      this.flight.begin(this, now, true);
      this.keepSession(now);
    }
    const proof = {
      suite,
      identity: this.identity(),
      resumed: this.resumed !== undefined,
      extendedMasterSecret: this.extended,
    };
    // A device that stays for months keeps no more than it needs.
    this.ephemeral = undefined;
    this.clientCertificate = undefined;
    this.certified = undefined;
    this.open(proof, now);
  }

  private identity(): WireIdentity {
    if (this.resumed !== undefined) return this.resumed.identity;
    const serverName = this.hello.extensions.serverName;
    return {
      ...(this.clientCertificate === undefined
        ? {}
        : { certificate: certificateIdentity(this.clientCertificate) }),
      ...(this.pskIdentity === undefined ? {} : { pskIdentity: this.pskIdentity }),
      ...(serverName ? { serverName } : {}),
    };
  }

  private keepSession(now: number): void {
    if (this.sessionId.length === 0) return;
    const certificateEnds =
      this.clientCertificate === undefined ? NEVER : Date.parse(this.clientCertificate.validTo);
    this.settings.sessions!.keep({
      id: this.sessionId,
      suite: this.suite.id,
      master: this.master,
      extended: true,
      identity: this.identity(),
      serverName: this.hello.extensions.serverName,
      preSharedKey: this.preSharedKey,
      validUntil: Math.min(now + (this.settings.sessionMs ?? DEFAULT_SESSION_MS), certificateEnds),
    });
  }

  private deriveKeys(): void {
    this.keys = keyBlock(this.suite, this.master, this.hello.random, this.random);
  }

  /** Only what was proven spoils a session: in a handshake that resumes one, anybody could forge the alert. */
  protected spoiled(): void {
    if (this.state === 'open') this.settings.sessions?.forget(this.sessionId);
  }
}

/** The curves of certificates' keys, as OpenSSL names them. */
const CURVES: Readonly<Record<string, number>> = { prime256v1: 23, secp384r1: 24, secp521r1: 25 };
