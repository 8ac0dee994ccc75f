// `--oscore`: CoAP whose requests are sealed end to end, with the context that a file holds.

import type { OscoreOptions } from '../client/options.ts';
import type { OscoreSecret } from '../protocol/coap/oscore.ts';
import { readSecrets } from '../server/oscore.ts';
import { EXIT, Failure } from './io.ts';

/** The first context of the file at `path`: `hub:its id:our id:secret[:salt[:context]]`. */
export function secretOf(path: string): OscoreSecret {
  const [secret] = readSecrets(path);
  if (secret === undefined) throw new Failure(`${path}: there is no context in it`, EXIT.usage);
  return secret;
}

/** As the client library takes it. */
export function oscoreOptions(path: string): OscoreOptions {
  const { idContext, derives, ...secret } = secretOf(path);
  if (derives === true) return { ...secret, idContext: 'derived' };
  return idContext === undefined ? secret : { ...secret, idContext };
}
