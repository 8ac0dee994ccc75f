// How a client comes in: features, SASL, and the resource that it binds.

import type { Refusal, SpeakerOptions } from '../../contract/speaker.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { element, NS, type XmlElement } from './packet.ts';

export interface LoginHost {
  say(e: XmlElement): void;
  /** Opens a new stream on the same connection. */
  restart(): void;
  /** TLS can begin inside of the connection. */
  readonly securable: boolean;
  /** It has begun. */
  readonly secure: boolean;
  /** Begins TLS and, inside, a new stream. */
  secureUp(): void;
  /** Asks for the session of an earlier connection; false: there is none. */
  resumes(): boolean;
  /** `managed`: the hub offers stream management. */
  entered(jid: string, managed: boolean): void;
  refused(why: Refusal): void;
}

const BIND_ID = 'bind';

/** What failures mean besides wrong credentials. [RFC6120-6.5] */
const FAILURES: ReadonlyMap<string, Refusal['outcome']> = new Map([
  ['invalid-mechanism', 'bad-authentication-method'],
  ['encryption-required', 'bad-authentication-method'],
  ['temporary-auth-failure', 'unavailable'],
  ['not-authorized', 'bad-credentials'],
]);

/** [features → starttls → proceed →] features → auth ⇄ challenge → success → features → bind → entered. */
export class ClientLogin {
  private readonly options: SpeakerOptions;
  private readonly host: LoginHost;
  private securing = false;
  private proved = false;
  private managed = false;

  constructor(options: SpeakerOptions, host: LoginHost) {
    this.options = options;
    this.host = host;
  }

  hear(e: XmlElement): void {
    if (e.is('features', NS.streams)) {
      if (this.proved) this.bind(e);
      else this.choose(e);
    } else if (e.ns === NS.tls) this.tls(e);
    else if (e.ns === NS.sasl) this.sasl(e);
    else if (e.is('iq', NS.client) && e.attribute('id') === BIND_ID) this.bound(e);
  }

  private choose(features: XmlElement): void {
    const offered =
      features
        .child('mechanisms', NS.sasl)
        ?.elements('mechanism')
        .map((m) => m.text) ?? [];
    if (this.securesFirst(features.child('starttls', NS.tls) !== undefined, offered.length)) return;
    const { sasl, username, password } = this.options;
    if (sasl !== undefined) this.begin(sasl.mechanism, offered, undefined);
    else if (username !== undefined)
      this.begin('PLAIN', offered, plain(username, password ?? new Uint8Array(0)));
    else this.begin(offered.includes('EXTERNAL') ? 'EXTERNAL' : 'ANONYMOUS', offered, new Uint8Array(0));
  }

  /** Whether TLS comes first, or the login ends because it cannot. [RFC6120-5.3.1] */
  private securesFirst(offered: boolean, mechanisms: number): boolean {
    const { host } = this;
    const { starttls = 'offered' } = this.options.settings;
    if (host.secure || this.securing) return false;
    if (offered && host.securable && starttls !== 'never') {
      this.securing = true;
      host.say(element('starttls', NS.tls));
      return true;
    }
    if (starttls === 'always') this.refuse('not-supported', 'the server offers no STARTTLS');
    else if (mechanisms === 0 && offered)
      this.refuse('not-supported', 'the server asks for STARTTLS, which is not to be had here: try xmpps://');
    else return false;
    return true;
  }

  /** The server's answer. What else comes in the clear by then comes from somebody else. */
  private tls(e: XmlElement): void {
    if (!this.securing || this.host.secure) return;
    if (e.name === 'proceed') this.host.secureUp();
    else this.refuse('unavailable', 'the server cannot begin TLS now');
  }

  private begin(mechanism: string, offered: readonly string[], first: Uint8Array | undefined): void {
    if (!offered.includes(mechanism)) {
      const reason = `the server offers ${offered.join(' ') || 'no mechanism'}, and not ${mechanism}`;
      this.refuse('bad-authentication-method', reason);
    } else if (first !== undefined) this.auth(mechanism, first);
    else this.next(undefined, (word) => this.auth(mechanism, word));
  }

  private auth(mechanism: string, first: Uint8Array): void {
    const word = first.length === 0 ? '=' : toBase64(first);
    this.host.say(element('auth', NS.sasl, { mechanism }, [word]));
  }

  /** Asks the other half of the exchange for its word. */
  private next(challenge: Uint8Array | undefined, say: (word: Uint8Array) => void): void {
    this.options.sasl!.next(challenge).then(say, (why: Error) => this.refuse('bad-credentials', why.message));
  }

  private sasl(e: XmlElement): void {
    const challenge = e.text === '' || e.text === '=' ? new Uint8Array(0) : fromBase64(e.text);
    if (challenge === undefined) this.refuse('payload-invalid', 'the server says what is no base64');
    else if (e.name === 'challenge' && this.options.sasl !== undefined)
      this.next(challenge, (word) => this.host.say(element('response', NS.sasl, {}, [toBase64(word)])));
    else if (e.name === 'success') {
      if (this.options.sasl === undefined || challenge.length === 0) this.succeeded();
      else this.next(challenge, () => this.succeeded()); // the server proves itself too
    } else {
      const condition = e.elements().find((inside) => inside.name !== 'text')?.name ?? e.name;
      this.refuse(FAILURES.get(condition) ?? 'bad-credentials', condition);
    }
  }

  private succeeded(): void {
    this.proved = true;
    this.host.restart();
  }

  private bind(features: XmlElement): void {
    this.managed = features.child('sm', NS.sm) !== undefined;
    if (!this.managed || !this.host.resumes()) this.bindAnew();
  }

  /** Also when the hub does not know the earlier session any more. */
  bindAnew(): void {
    const { clientId } = this.options;
    const resource = clientId === '' ? [] : [element('resource', NS.bind, {}, [clientId])];
    const bind = element('bind', NS.bind, {}, resource);
    this.host.say(element('iq', NS.client, { type: 'set', id: BIND_ID }, [bind]));
  }

  private bound(e: XmlElement): void {
    const jid = e.child('bind', NS.bind)?.child('jid')?.text;
    if (jid === undefined) this.refuse('identifier-invalid', 'the server does not let this resource in');
    else this.host.entered(jid, this.managed);
  }

  private refuse(outcome: Refusal['outcome'], reason: string): void {
    this.host.refused({ outcome, reason, code: 0 });
  }
}

/** authorization identity | NUL | user name | NUL | password [RFC4616-2] */
function plain(username: string, password: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(username);
  const octets = new Uint8Array(name.length + password.length + 2);
  octets.set(name, 1);
  octets.set(password, name.length + 2);
  return octets;
}
