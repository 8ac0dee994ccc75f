// `--oscore`: CoAP whose requests are sealed end to end, with the context that a file holds.

import { nodeWorld } from '../client/connect.ts';
import type { World } from '../client/options.ts';
import { sealed } from '../protocol/coap/client.ts';
import type { OscoreSecret } from '../protocol/coap/oscore.ts';
import { oscoreCrypto, readSecrets } from '../server/oscore.ts';
import { EXIT, Failure } from './io.ts';

/** The first context of the file at `path`: `hub:its id:our id:secret[:salt[:context]]`. */
export function secretOf(path: string): OscoreSecret {
  const [secret] = readSecrets(path);
  if (secret === undefined) throw new Failure(`${path}: there is no context in it`, EXIT.usage);
  return secret;
}

/** A world in which CoAP is spoken sealed with the context of a file. */
export function sealingWorld(path: string): World {
  const secret = secretOf(path);
  return {
    ...nodeWorld,
    async speech(url) {
      if (!/^coaps?(?:\+\w+)?:$/.test(url.protocol))
        throw new Failure('--oscore seals CoAP: write coap://', EXIT.usage);
      return sealed(await nodeWorld.speech(url), secret, oscoreCrypto);
    },
  };
}
