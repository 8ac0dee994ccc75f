// SASL mechanisms as AMQP 0-9-1 clients use them: what a first response says about who it is.

import { ProtocolError } from '../../contract/outcome.ts';
import type { Wire } from '../../contract/wire.ts';
import { FieldReader, fieldOf, textOf } from './fields.ts';
import { SYNTAX_ERROR } from './reply.ts';

export interface Credentials {
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
}

/** What is offered on a wire, parted by spaces. EXTERNAL needs a certificate. */
export function mechanismsOn(wire: Wire): string {
  return wire.identity.certificate === undefined ? 'PLAIN AMQPLAIN' : 'PLAIN AMQPLAIN EXTERNAL';
}

/** Undefined: the mechanism is not offered. Throws ProtocolError when the response is not what the mechanism says. */
export function credentialsOf(mechanism: string, response: Uint8Array, wire: Wire): Credentials | undefined {
  switch (mechanism) {
    case 'PLAIN':
      return plain(response);
    case 'AMQPLAIN':
      return amqplain(response);
    case 'EXTERNAL':
      if (wire.identity.certificate === undefined) return undefined;
      return { username: undefined, password: undefined };
    default:
      return undefined;
  }
}

/** authorization identity | NUL | user name | NUL | password [RFC4616-2] */
function plain(response: Uint8Array): Credentials {
  const first = response.indexOf(0);
  const second = response.indexOf(0, first + 1);
  const username = second < 0 ? undefined : textOf(response.subarray(first + 1, second));
  if (first < 0 || username === undefined)
    throw new ProtocolError('RFC4616-2', 'the PLAIN response is not two NULs and a name', SYNTAX_ERROR);
  return { username, password: response.slice(second + 1) };
}

/** A field table without its length: LOGIN and PASSWORD. */
function amqplain(response: Uint8Array): Credentials {
  const framed = new Uint8Array(response.length + 4);
  new DataView(framed.buffer).setUint32(0, response.length);
  framed.set(response, 4);
  const table = new FieldReader(framed, 0, framed.length).table();
  const username = fieldOf(table, 'LOGIN')?.value;
  const password = fieldOf(table, 'PASSWORD')?.value;
  if (typeof username !== 'string' || password === undefined)
    throw new ProtocolError(
      'AMQP091-AMQPLAIN',
      'the AMQPLAIN response lacks LOGIN or PASSWORD',
      SYNTAX_ERROR,
    );
  return {
    username,
    password: password instanceof Uint8Array ? password : new TextEncoder().encode(String(password)),
  };
}
