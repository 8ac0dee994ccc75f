// SASL as XMPP carries it (RFC 6120, section 6): mechanisms, one exchange after the other, and who comes out of it.

import type { Exchange, ExchangeStep, Identity, Login } from '../../contract/auth.ts';
import type { Hub } from '../../contract/hub.ts';
import type { Outcome } from '../../contract/outcome.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { element, NS, type XmlElement } from './packet.ts';

/** What the engine may offer, best first. */
const EXCHANGES = ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'OAUTHBEARER'];
const MAX_STEPS = 8;

/** Who says no name, for `hub.prove`. */
export type Knock = Omit<Login, 'username' | 'password'>;

export interface Proof {
  readonly identity: Identity;
  /** The user; the name that was said, where nobody has names proved. */
  readonly user: string;
  /** Nobody in particular: the address is made up for this connection. */
  readonly anonymous: boolean;
}

export type SaslAnswer =
  | { readonly kind: 'challenge' | 'failure'; readonly element: XmlElement }
  | { readonly kind: 'success'; readonly element: XmlElement; readonly proof: Proof };

/** What is offered to this client. A client without a name: anonymous, or known by what TLS proved. */
export async function mechanismsFor(hub: Hub, knock: Knock): Promise<string[]> {
  const login = { ...knock, username: undefined, password: undefined };
  const found = EXCHANGES.filter((mechanism) => hub.exchange(mechanism, login) !== undefined);
  found.push('PLAIN');
  const nameless = await proofOf(hub, login);
  if (typeof nameless !== 'string') found.push(isNobody(nameless) ? 'ANONYMOUS' : 'EXTERNAL');
  return found;
}

/** As the engine says; one that fails has said so itself. */
function proofOf(hub: Hub, login: Login): Promise<Identity | Outcome> {
  return hub.prove(login).catch((): Outcome => 'unavailable');
}

function isNobody(identity: Identity): boolean {
  return identity.principal === 'anonymous';
}

/** One connection's negotiation. */
export class Sasl {
  private readonly hub: Hub;
  private readonly knock: Knock;
  private mechanism = '';
  private exchange: Exchange | undefined = undefined;
  private steps = 0;
  failures = 0;

  constructor(hub: Hub, knock: Knock) {
    this.hub = hub;
    this.knock = knock;
  }

  /** Answers `<auth/>`, `<response/>` or `<abort/>`. */
  async take(e: XmlElement): Promise<SaslAnswer> {
    if (e.name === 'abort') return this.failure('aborted');
    if (e.name === 'auth') {
      this.mechanism = e.attribute('mechanism') ?? '';
      this.exchange = undefined;
      this.steps = 0;
      if (e.text === '' && this.mechanism !== 'ANONYMOUS') return this.begin();
    } else if (e.name !== 'response' || this.mechanism === '') return this.failure('malformed-request');
    if (++this.steps > MAX_STEPS) return this.failure('malformed-request');
    const octets = e.text === '=' ? new Uint8Array(0) : fromBase64(e.text);
    if (octets === undefined) return this.failure('incorrect-encoding');
    return this.step(octets);
  }

  /** The client goes first, and did not: an empty challenge asks it to. [RFC6120-6.4.2] */
  private begin(): SaslAnswer {
    const known = this.mechanism === 'PLAIN' || this.mechanism === 'EXTERNAL' || this.startExchange();
    if (!known) return this.failure('invalid-mechanism');
    return { kind: 'challenge', element: element('challenge', NS.sasl) };
  }

  private startExchange(): boolean {
    const login = { ...this.knock, username: undefined, password: undefined };
    this.exchange = EXCHANGES.includes(this.mechanism) ? this.hub.exchange(this.mechanism, login) : undefined;
    return this.exchange !== undefined;
  }

  private async step(octets: Uint8Array): Promise<SaslAnswer> {
    switch (this.mechanism) {
      case 'PLAIN':
        return this.plain(octets);
      case 'ANONYMOUS':
      case 'EXTERNAL':
        return this.nameless();
    }
    if (this.exchange === undefined && !this.startExchange()) return this.failure('invalid-mechanism');
    let step: ExchangeStep;
    try {
      step = await this.exchange!.step(octets);
    } catch {
      return this.failure('temporary-auth-failure'); // the engine failed, and has said so itself
    }
    if (step.kind === 'refused') return this.refused(step.why);
    if (step.kind === 'done') return this.success(step.identity, '', step.reply);
    return { kind: 'challenge', element: element('challenge', NS.sasl, {}, [toBase64(step.reply)]) };
  }

  /** authorization identity | NUL | user name | NUL | password [RFC4616-2] */
  private async plain(response: Uint8Array): Promise<SaslAnswer> {
    const first = response.indexOf(0);
    const second = response.indexOf(0, first + 1);
    if (first < 0 || second < 0) return this.failure('malformed-request');
    const username = textOf(response.subarray(first + 1, second));
    const acting = textOf(response.subarray(0, first));
    if (username === undefined || username === '' || acting === undefined)
      return this.failure('malformed-request');
    // To act for somebody else is nobody's right here; clients like to say their own address.
    if (acting !== '' && acting !== username && acting.slice(0, acting.lastIndexOf('@')) !== username)
      return this.failure('invalid-authzid');
    const password = response.slice(second + 1);
    return this.proved(await proofOf(this.hub, { ...this.knock, username, password }), username);
  }

  private async nameless(): Promise<SaslAnswer> {
    const result = await proofOf(this.hub, { ...this.knock, username: undefined, password: undefined });
    const named = typeof result !== 'string' && !isNobody(result);
    if (named !== (this.mechanism === 'EXTERNAL')) return this.failure('not-authorized');
    return this.proved(result, '');
  }

  private proved(result: Identity | Outcome, name: string): SaslAnswer {
    return typeof result === 'string' ? this.refused(result) : this.success(result, name, undefined);
  }

  private success(identity: Identity, name: string, reply: Uint8Array | undefined): SaslAnswer {
    const children = reply === undefined ? [] : [toBase64(reply)];
    const anonymous = this.mechanism === 'ANONYMOUS';
    const user = isNobody(identity) && name !== '' ? name : identity.principal;
    return {
      kind: 'success',
      element: element('success', NS.sasl, {}, children),
      proof: { identity, user, anonymous },
    };
  }

  private refused(why: Outcome): SaslAnswer {
    const later =
      why === 'busy' || why === 'unavailable' || why === 'shutting-down' || why === 'quota-exceeded';
    if (later) return this.failure('temporary-auth-failure');
    return this.failure(why === 'bad-authentication-method' ? 'invalid-mechanism' : 'not-authorized');
  }

  /** [RFC6120-6.5] */
  failure(condition: string): SaslAnswer {
    this.failures++;
    this.mechanism = '';
    this.exchange = undefined;
    return { kind: 'failure', element: element('failure', NS.sasl, {}, [element(condition, NS.sasl)]) };
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(octets: Uint8Array): string | undefined {
  try {
    return decoder.decode(octets);
  } catch {
    return undefined; // not UTF-8
  }
}
