// The SASL layer: which mechanisms are offered, and the one exchange that a connection may have. [AMQP1-5.3]

import type { Login } from '../../contract/auth.ts';
import type { Hub } from '../../contract/hub.ts';
import type { Outcome } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { ConnectionFault } from './fault.ts';

export const SASL_OK = 0;
const SASL_AUTH = 1;
const SASL_SYS_TEMP = 4;

/** What the engine may have, the best first; OAUTHBEARER shows a token. */
const EXCHANGES = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1', 'OAUTHBEARER'];

/** What is offered on a wire; EXTERNAL needs a certificate. The order is that of preference. */
export function mechanismsOn(wire: Wire, hub: Hub, login: Login): string[] {
  const external = wire.identity.certificate === undefined ? [] : ['EXTERNAL'];
  const exchanges = EXCHANGES.filter((mechanism) => hub.exchange(mechanism, login) !== undefined);
  return [...external, ...exchanges, 'PLAIN', 'ANONYMOUS'];
}

/** Whether a mechanism is one of the engine's. */
export function isExchange(mechanism: string): boolean {
  return EXCHANGES.includes(mechanism);
}

export interface Credentials {
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

/** Undefined: the mechanism is not one that says it all at once. Throws ConnectionFault when the response is not what it should be. */
export function credentialsOf(mechanism: string, response: Uint8Array, wire: Wire): Credentials | undefined {
  switch (mechanism) {
    case 'PLAIN':
      return plain(response);
    case 'EXTERNAL':
      return wire.identity.certificate === undefined ? undefined : NOBODY;
    case 'ANONYMOUS':
      return NOBODY;
    default:
      return undefined;
  }
}

const NOBODY: Credentials = { username: undefined, password: undefined };
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** authorization identity | NUL | user name | NUL | password [RFC4616-2] */
function plain(response: Uint8Array): Credentials {
  const first = response.indexOf(0);
  const second = response.indexOf(0, first + 1);
  if (first < 0 || second < 0)
    throw new ConnectionFault(
      'RFC4616-2',
      'amqp:decode-error',
      'the PLAIN response is not two NULs and a name',
    );
  try {
    const username = utf8.decode(response.subarray(first + 1, second));
    return { username, password: response.slice(second + 1) };
  } catch {
    throw new ConnectionFault('RFC4616-2', 'amqp:decode-error', 'the user name is no UTF-8');
  }
}

/** The outcome code of a refusal. [AMQP1-5.3.3.6] */
export function codeOfRefusal(why: Outcome): number {
  switch (why) {
    case 'busy':
    case 'unavailable':
    case 'shutting-down':
    case 'quota-exceeded':
      return SASL_SYS_TEMP;
    default:
      return SASL_AUTH;
  }
}
