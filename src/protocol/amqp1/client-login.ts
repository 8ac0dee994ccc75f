// The login of a client: which SASL mechanism it takes, the words of the exchange, and what the verdict means. [AMQP1-5.3]

import type { Refusal, SpeakerOptions } from '../../contract/speaker.ts';
import { ConnectionFault } from './fault.ts';
import {
  SASL_CHALLENGE,
  SASL_INIT,
  SASL_MECHANISMS,
  SASL_OUTCOME,
  SASL_RESPONSE,
  type SaslFrame,
} from './packet.ts';

const NOTHING = new Uint8Array(0);
const utf8 = new TextEncoder();

/** Offered mechanisms: init; challenges: responses; outcome 0: `passed`; any other: `refused`. Nothing comes after either. */
export class ClientLogin {
  private readonly options: SpeakerOptions;
  private readonly say: (p: SaslFrame) => void;
  private readonly passed: () => void;
  private readonly refused: (why: Refusal) => void;
  private over = false;

  constructor(
    options: SpeakerOptions,
    say: (p: SaslFrame) => void,
    passed: () => void,
    refused: (why: Refusal) => void,
  ) {
    this.options = options;
    this.say = say;
    this.passed = passed;
    this.refused = refused;
  }

  heard(p: SaslFrame): void {
    switch (p.kind) {
      case SASL_MECHANISMS:
        this.choose(p.mechanisms);
        return;
      case SASL_CHALLENGE:
        this.prove(p.challenge, (response) => this.say({ kind: SASL_RESPONSE, response }));
        return;
      case SASL_OUTCOME:
        this.judged(p.outcome, p.additionalData);
        return;
      default:
        throw new ConnectionFault('AMQP1-5.3.2', 'amqp:illegal-state', 'a SASL frame that only clients send');
    }
  }

  /** The connection is gone. */
  abandon(): void {
    this.over = true;
  }

  private choose(offered: readonly string[]): void {
    const { sasl, username, password } = this.options;
    const wanted = sasl?.mechanism ?? (username !== undefined ? 'PLAIN' : 'ANONYMOUS');
    const mechanism = wanted === 'ANONYMOUS' && offered.includes('EXTERNAL') ? 'EXTERNAL' : wanted;
    if (!offered.includes(mechanism)) {
      const reason = `${mechanism} is not offered: ${offered.join(', ')}`;
      this.refuse({ outcome: 'bad-authentication-method', reason, code: 0 });
    } else if (sasl !== undefined)
      this.prove(undefined, (initialResponse) => this.say({ kind: SASL_INIT, mechanism, initialResponse }));
    else {
      const initialResponse = mechanism === 'PLAIN' ? plain(username!, password ?? NOTHING) : NOTHING;
      this.say({ kind: SASL_INIT, mechanism, initialResponse });
    }
  }

  private prove(challenge: Uint8Array | undefined, then: (word: Uint8Array) => void): void {
    const { sasl } = this.options;
    if (sasl === undefined)
      throw new ConnectionFault('AMQP1-5.3.2', 'amqp:illegal-state', 'a challenge unasked');
    sasl.next(challenge?.slice()).then(
      (word) => {
        if (!this.over) then(word);
      },
      (why: Error) => this.refuse({ outcome: 'bad-credentials', reason: why.message, code: 0 }),
    );
  }

  private judged(outcome: number, additional: Uint8Array | undefined): void {
    if (outcome !== 0) {
      const why = outcome === 1 ? 'bad-credentials' : 'unavailable';
      this.refuse({ outcome: why, reason: `the login was refused, SASL outcome ${outcome}`, code: outcome });
    } else if (this.options.sasl !== undefined && additional !== undefined)
      this.prove(additional, () => this.pass());
    else this.pass();
  }

  private pass(): void {
    this.over = true;
    this.passed();
  }

  private refuse(why: Refusal): void {
    if (this.over) return;
    this.over = true;
    this.refused(why);
  }
}

/** authorization identity | NUL | user name | NUL | password [RFC4616-2] */
function plain(username: string, password: Uint8Array): Uint8Array {
  const name = utf8.encode(username);
  const response = new Uint8Array(name.length + password.length + 2);
  response.set(name, 1);
  response.set(password, name.length + 2);
  return response;
}
