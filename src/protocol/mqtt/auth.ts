// Enhanced authentication: one exchange of AUTH packets, at login or later to renew the proof (4.12).

import type { Exchange, ExchangeStep } from '../../contract/auth.ts';
import { ProtocolError } from '../../contract/outcome.ts';
import { encodePacket } from './encode.ts';
import { AUTH, type Auth, type Properties } from './packet.ts';

export const CONTINUE_AUTHENTICATION = 0x18;
export const REAUTHENTICATE = 0x19;

const NOTHING = new Uint8Array(0);

/**
 * One exchange:
 *
 *     idle --begin--> thinking --challenge--> asked --AUTH 0x18--> thinking
 *     thinking --done, refused--> idle
 */
export class Proof {
  readonly method: string;
  private exchange: Exchange | undefined = undefined;
  private thinking = false;
  private readonly stepped: (step: ExchangeStep) => void;

  /** `stepped` gets every answer of the engine, unless `abandon` was called before. */
  constructor(method: string, stepped: (step: ExchangeStep) => void) {
    this.method = method;
    this.stepped = stepped;
  }

  /** The engine has not answered the last step yet. */
  get pending(): boolean {
    return this.thinking;
  }

  begin(exchange: Exchange, fromClient: Uint8Array | undefined): void {
    this.exchange = exchange;
    this.step(fromClient);
  }

  /** An AUTH with the client's next word. Throws unless one was asked for. */
  next(p: Auth): void {
    this.checkMethod(p);
    if (this.exchange === undefined || this.thinking || p.code !== CONTINUE_AUTHENTICATION)
      throw new ProtocolError('MQTT5-4.12.0-3', 'AUTH was not asked for', 0x82);
    this.step(p.properties.authenticationData);
  }

  checkMethod(p: Auth): void {
    if (p.properties.authenticationMethod !== this.method)
      throw new ProtocolError('MQTT5-4.12.0-5', 'another authentication method than in CONNECT', 0x82);
  }

  /** Whether an exchange is under way. */
  get active(): boolean {
    return this.exchange !== undefined;
  }

  abandon(): void {
    this.exchange = undefined;
  }

  private step(fromClient: Uint8Array | undefined): void {
    const exchange = this.exchange!;
    this.thinking = true;
    const answered = (step: ExchangeStep): void => {
      if (this.exchange !== exchange) return;
      this.thinking = false;
      if (step.kind !== 'challenge') this.exchange = undefined;
      this.stepped(step);
    };
    exchange.step(fromClient?.slice() ?? NOTHING).then(answered, () => {
      answered({ kind: 'refused', why: 'unavailable' });
    });
  }

  /** The AUTH that goes back: with a challenge, or with success after a re-authentication. */
  encode(code: number, reply: Uint8Array | undefined): Uint8Array {
    const properties: Properties = { authenticationMethod: this.method };
    if (reply !== undefined && reply.length > 0) properties.authenticationData = reply;
    return encodePacket({ type: AUTH, code, properties }, 5);
  }
}
