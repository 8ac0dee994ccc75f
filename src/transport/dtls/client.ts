// The client's side of the handshake.

import { timingSafeEqual, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { ProtocolError } from '../../contract/outcome.ts';
import type { WireIdentity } from '../../contract/wire.ts';
import { Association, type AssociationSettings, helloRandom, type Port } from './association.ts';
import { type Certified, certificateIdentity, leafOf, publicKeyOf, verifyChain } from './certificates.ts';
import { ALERT, DTLS_1_2, EXTENSION, HANDSHAKE, RENEGOTIATION_SCSV } from './codes.ts';
import type { HandshakeMessage } from './fragments.ts';
import { ephemeralKey, GROUPS, UNCOMPRESSED } from './groups.ts';
import {
  type ClientHello,
  decodeHelloVerifyRequest,
  decodeServerHello,
  type Extensions,
  encodeClientHello,
  type ServerHello,
} from './hello.ts';
import { keyBlock, masterSecret, preSharedPremaster, verifyData } from './keys.ts';
import {
  decodeCertificate,
  decodeCertificateRequest,
  decodeServerKeyExchange,
  encodeCertificate,
  encodeCertificateVerify,
  encodeClientKeyExchange,
  encodeShare,
  type ServerKeyExchange,
} from './messages.ts';
import { join } from './octets.ts';
import { NO_CID } from './record.ts';
import type { Session } from './sessions.ts';
import { algorithmFor, SIGNATURE_ALGORITHMS, signWith, verifies } from './signatures.ts';
import { isEphemeral, isPreShared, isSigned, SUITES, type Suite } from './suites.ts';

//  hello ──HelloVerifyRequest──▶ hello (with cookie) ──ServerHello──▶ server's flight ──Done──▶ finished ──▶ open
//                                                          └── our session, resumed ──▶ finished ──▶ open

export interface ClientSettings extends AssociationSettings {
  readonly preShared?: { readonly identity: string; readonly key: Uint8Array };
  /** Shown when the server asks. */
  readonly certified?: Certified;
  /** Who vouches for the server. Without them, and with `anyServer`, its certificate is not looked at. */
  readonly authorities?: readonly X509Certificate[];
  readonly anyServer?: boolean;
  /** The host name or address that the server's certificate must have. */
  readonly serverName?: string;
  readonly suites?: readonly Suite[];
  /** To be resumed, if the server still knows it. */
  readonly session?: Session;
  /** The id that records to us shall carry; empty: none, but the server may have one. Undefined: no connection ids at all. */
  readonly connectionId?: Uint8Array;
  /** Told when a session may be resumed later. */
  readonly keepSession?: (session: Session) => void;
}

const SESSION_MS = 86_400_000;
const MAX_COOKIES = 3;
/** A server that proves itself by a certificate signs its share; then it may ask for ours. */
const AFTER_CERTIFICATE = [HANDSHAKE.serverKeyExchange];
const AFTER_SHARE = [HANDSHAKE.certificateRequest, HANDSHAKE.serverHelloDone];
const DONE = [HANDSHAKE.serverHelloDone];

export class ClientAssociation extends Association {
  protected expected: readonly number[] = [HANDSHAKE.helloVerifyRequest, HANDSHAKE.serverHello];
  private readonly settings: ClientSettings;
  private readonly suites: readonly Suite[];
  private readonly random = helloRandom();
  private cookies = 0;
  private server!: ServerHello;
  private suite!: Suite;
  private share: ServerKeyExchange = {};
  private serverCertificate: X509Certificate | undefined;
  private serverKey: X509Certificate['publicKey'] | undefined;
  private algorithms: readonly number[] | undefined;
  private theirCid: Uint8Array = NO_CID;
  private master: Uint8Array = NO_CID;
  private extended = false;
  private keys!: ReturnType<typeof keyBlock>;
  private resumed = false;

  constructor(port: Port, settings: ClientSettings, now: number) {
    super(port, settings, now);
    this.settings = settings;
    const authenticated = settings.authorities !== undefined || settings.anyServer === true;
    this.suites = (settings.suites ?? SUITES).filter((s) =>
      isPreShared(s.exchange) ? settings.preShared !== undefined : authenticated,
    );
    if (this.suites.length === 0)
      throw new RangeError('neither a key nor an authority to know the server by');
    this.ownCid = settings.connectionId ?? NO_CID;
  }

  begin(now: number): void {
    this.sayHello(NO_CID, now);
  }

  private sayHello(cookie: Uint8Array, now: number): void {
    const { settings } = this;
    const hello: ClientHello = {
      version: DTLS_1_2,
      random: this.random,
      sessionId: settings.session?.id ?? NO_CID,
      cookie,
      suites: [...this.suites.map((s) => s.id), RENEGOTIATION_SCSV],
      compressions: Uint8Array.of(0),
      extensions: this.offered(),
    };
    this.transcript = []; // the first hello and its answer do not count [RFC6347-4.2.1]
    this.flight.answered();
    this.say(HANDSHAKE.clientHello, encodeClientHello(hello));
    this.flight.begin(this, now, false);
  }

  private offered(): Extensions {
    const { serverName, connectionId } = this.settings;
    const named = serverName !== undefined && isIP(serverName) === 0; // addresses are no names [RFC6066-3]
    return {
      extendedMasterSecret: true,
      ...(named ? { serverName } : {}),
      ...(connectionId === undefined ? {} : { connectionId }),
      ...(this.suites.some((s) => isEphemeral(s.exchange))
        ? { groups: GROUPS, pointFormats: [UNCOMPRESSED] }
        : {}),
      ...(this.suites.some((s) => isSigned(s.exchange)) ? { signatureAlgorithms: SIGNATURE_ALGORITHMS } : {}),
    };
  }

  protected message(m: HandshakeMessage, now: number): void {
    switch (m.type) {
      case HANDSHAKE.helloVerifyRequest:
        if (++this.cookies > MAX_COOKIES) return;
        this.sayHello(decodeHelloVerifyRequest(m.body), now);
        return;
      case HANDSHAKE.serverHello:
        this.takeHello(m);
        return;
      case HANDSHAKE.certificate:
        this.takeCertificate(m, now);
        return;
      case HANDSHAKE.serverKeyExchange:
        this.takeShare(m);
        return;
      case HANDSHAKE.certificateRequest:
        this.algorithms = decodeCertificateRequest(m.body).algorithms;
        this.note(m);
        this.expected = DONE;
        return;
      case HANDSHAKE.serverHelloDone:
        this.answer(m, now);
        return;
      default:
        this.takeFinished(m, now);
    }
  }

  private takeHello(m: HandshakeMessage): void {
    const server = decodeServerHello(m.body);
    const suite = this.suites.find((s) => s.id === server.suite);
    if (server.version !== DTLS_1_2) {
      throw new ProtocolError('RFC6347-4.2.1', 'does not speak DTLS 1.2', ALERT.protocolVersion);
    }
    if (suite === undefined || server.compression !== 0) {
      throw new ProtocolError('RFC5246-7.4.1.3', 'chose what was not offered', ALERT.illegalParameter);
    }
    const offered = this.offeredNumbers();
    if (server.extensionNumbers.some((n) => !offered.has(n))) {
      throw new ProtocolError(
        'RFC5246-7.4.1.4',
        'an extension that was not offered',
        ALERT.unsupportedExtension,
      );
    }
    if ((server.extensions.renegotiationInfo?.length ?? 0) > 0) {
      throw new ProtocolError('RFC5746-3.4', 'renegotiation without a connection', ALERT.handshakeFailure);
    }
    this.server = server;
    this.suite = suite;
    this.extended = server.extensions.extendedMasterSecret === true;
    if (server.extensions.connectionId === undefined) this.ownCid = NO_CID;
    else this.theirCid = server.extensions.connectionId;
    this.note(m);
    if (this.resumes()) return;
    this.expected = isSigned(suite.exchange)
      ? [HANDSHAKE.certificate]
      : suite.exchange === 'psk'
        ? [HANDSHAKE.serverKeyExchange, HANDSHAKE.serverHelloDone]
        : AFTER_CERTIFICATE;
  }

  private offeredNumbers(): Set<number> {
    const e = this.offered();
    return new Set([
      EXTENSION.renegotiationInfo,
      EXTENSION.extendedMasterSecret,
      ...(e.serverName === undefined ? [] : [EXTENSION.serverName]),
      ...(e.connectionId === undefined ? [] : [EXTENSION.connectionId]),
      ...(e.groups === undefined ? [] : [EXTENSION.ecPointFormats, EXTENSION.supportedGroups]),
    ]);
  }

  /** The server gave our session's id back: it goes on with it. */
  private resumes(): boolean {
    const { session } = this.settings;
    const { server } = this;
    if (session === undefined || session.id.length === 0) return false;
    if (Buffer.compare(server.sessionId, session.id) !== 0) return false;
    if (session.suite !== this.suite.id || !this.extended) {
      throw new ProtocolError(
        'RFC7627-5.3',
        'a session resumed otherwise than it began',
        ALERT.handshakeFailure,
      );
    }
    this.resumed = true;
    this.master = session.master;
    this.deriveKeys();
    this.readWith(this.suite, this.keys.server);
    this.expected = [HANDSHAKE.finished];
    return true;
  }

  private takeCertificate(m: HandshakeMessage, now: number): void {
    const { settings } = this;
    const chain = decodeCertificate(m.body);
    const leaf =
      settings.anyServer === true
        ? leafOf(chain)
        : verifyChain(chain, settings.authorities ?? [], 'server', now);
    if (settings.anyServer !== true) {
      this.serverCertificate = leaf;
      const name = settings.serverName ?? '';
      const fits = isIP(name) > 0 ? leaf.checkIP(name) : leaf.checkHost(name);
      if (fits === undefined) {
        throw new ProtocolError('RFC6125-6', `a certificate that is not for ${name}`, ALERT.badCertificate);
      }
    }
    const key = publicKeyOf(leaf);
    if ((key.asymmetricKeyType === 'rsa') !== (this.suite.exchange === 'ecdhe-rsa')) {
      throw new ProtocolError(
        'RFC8422-5.3',
        'a key that the suite has no use for',
        ALERT.unsupportedCertificate,
      );
    }
    this.serverKey = key;
    this.note(m);
    this.expected = AFTER_CERTIFICATE;
  }

  private takeShare(m: HandshakeMessage): void {
    const share = decodeServerKeyExchange(this.suite.exchange, m.body);
    if (share.group !== undefined && !GROUPS.includes(share.group)) {
      throw new ProtocolError('RFC8422-5.4', 'a curve that was not offered', ALERT.illegalParameter);
    }
    if (share.signed !== undefined) {
      const { algorithm, signature } = share.signed;
      const proven = join(this.random, this.server.random, encodeShare(share.group!, share.point!));
      if (!verifies(this.serverKey!, algorithm, proven, signature)) {
        throw new ProtocolError(
          'RFC8422-5.4',
          'does not have the key of its certificate',
          ALERT.decryptError,
        );
      }
    }
    this.share = share;
    this.note(m);
    this.expected = isSigned(this.suite.exchange) ? AFTER_SHARE : DONE;
  }

  /** The server is done: our certificate, share and proof. */
  private answer(m: HandshakeMessage, now: number): void {
    if (m.body.length > 0) throw new ProtocolError('RFC5246-7.4.5', 'a message too long', ALERT.decodeError);
    const { suite, settings } = this;
    this.note(m);
    this.flight.answered();
    const { certified } = settings;
    const algorithm =
      this.algorithms === undefined || certified === undefined
        ? undefined
        : algorithmFor(certified.key, this.algorithms);
    if (this.algorithms !== undefined) {
      this.say(HANDSHAKE.certificate, encodeCertificate(algorithm === undefined ? [] : certified!.chain));
    }
    const premaster = this.sayShare();
    const seed = this.extended
      ? { session: this.transcriptHash(suite.hash) }
      : { randoms: join(this.random, this.server.random) };
    this.master = masterSecret(suite.hash, premaster, seed);
    this.deriveKeys();
    if (algorithm !== undefined) {
      const signature = signWith(certified!.key, algorithm, join(...this.transcript));
      this.say(HANDSHAKE.certificateVerify, encodeCertificateVerify({ algorithm, signature }));
    }
    this.sayFinished(suite, this.keys.client, this.theirCid, this.master, 'client');
    this.readWith(suite, this.keys.server);
    this.expected = [HANDSHAKE.finished];
    this.flight.begin(this, now, false);
    this.replayHeld(now);
  }

  /** Returns the premaster secret. */
  private sayShare(): Uint8Array {
    const { exchange } = this.suite;
    const ephemeral = isEphemeral(exchange) ? ephemeralKey(this.share.group!) : undefined;
    const agreed = ephemeral?.secret(this.share.point!);
    const { preShared } = this.settings;
    const shared = isPreShared(exchange) ? preShared! : undefined;
    this.say(
      HANDSHAKE.clientKeyExchange,
      encodeClientKeyExchange({
        ...(shared === undefined ? {} : { identity: Buffer.from(shared.identity, 'utf8') }),
        ...(ephemeral === undefined ? {} : { point: ephemeral.point }),
      }),
    );
    return shared === undefined ? agreed! : preSharedPremaster(shared.key, agreed);
  }

  private takeFinished(m: HandshakeMessage, now: number): void {
    const { suite, master } = this;
    const right = verifyData(suite, master, 'server', this.transcriptHash(suite.hash));
    if (right.length !== m.body.length || !timingSafeEqual(right, m.body)) {
      throw new ProtocolError('RFC5246-7.4.9', 'a Finished of another handshake', ALERT.decryptError);
    }
    this.note(m);
    this.flight.answered();
    if (this.resumed) {
      this.sayFinished(suite, this.keys.client, this.theirCid, master, 'client');
      this.flight.begin(this, now, true);
    }
    const { identity } = this;
    if (!this.resumed && this.extended && this.server.sessionId.length > 0) {
      this.settings.keepSession?.({
        id: this.server.sessionId,
        suite: suite.id,
        master,
        extended: true,
        identity,
        serverName: this.settings.serverName,
        preSharedKey: this.settings.preShared?.key,
        validUntil: now + SESSION_MS,
      });
    }
    this.open({ suite, identity, resumed: this.resumed, extendedMasterSecret: this.extended }, now);
  }

  private get identity(): WireIdentity {
    if (this.resumed) return this.settings.session!.identity;
    return this.serverCertificate === undefined
      ? {}
      : { certificate: certificateIdentity(this.serverCertificate) };
  }

  private deriveKeys(): void {
    this.keys = keyBlock(this.suite, this.master, this.random, this.server.random);
  }

  protected spoiled(): void {}
}
