// CoAP whose requests are sealed end to end (OSCORE).

import { WaymeetError } from './error.ts';
import type { OscoreOptions, World } from './options.ts';

const NOTHING = new Uint8Array(0);

/** A world in which nothing but CoAP is spoken, sealed. */
export function sealingWorld(world: World, o: OscoreOptions): World {
  return {
    ...world,
    async speech(url) {
      if (!/^coaps?(?:\+\w+)?:$/.test(url.protocol))
        throw new WaymeetError('usage', '', `OSCORE seals CoAP, not ${url.protocol}//`, {
          fix: 'write coap://',
        });
      const { sealed } = await import('../protocol/coap/client.ts');
      const { oscoreCrypto } = await import('../transport/oscore-crypto.ts');
      const { masterSalt = NOTHING, idContext, ...said } = o;
      const derives = idContext === 'derived';
      const secret = { user: '', ...said, masterSalt, idContext: derives ? undefined : idContext, derives };
      return sealed(await world.speech(url), secret, oscoreCrypto);
    },
  };
}
