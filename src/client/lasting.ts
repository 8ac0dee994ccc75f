// Who asks for a session gets one, or an error: some protocols have none.

import { WaymeetError } from './error.ts';
import type { World } from './options.ts';

/** The same world with only the protocols whose servers remember their clients, or that resume; the others are 'not-supported'. */
export function lastingWorld(world: World): World {
  return {
    ...world,
    async speech(url) {
      const speech = await world.speech(url);
      const { sessions, resumes } = speech.ability;
      if (!sessions && !resumes)
        throw new WaymeetError('not-supported', speech.name, `${speech.name} has no sessions`);
      return speech;
    },
  };
}
