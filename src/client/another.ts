// More wires to the same place, for protocols that need several: HTTP has one for requests and one for each stream of events.

import type { SpeakerOptions } from '../contract/speaker.ts';
import { dial, nodeClock } from './dial.ts';
import type { Link } from './link.ts';
import type { Settled } from './options.ts';

/** What a speaker of `link` asks for them with. */
export function anotherOf(link: Link, o: Settled): SpeakerOptions['another'] {
  return (open, failed) => {
    const late = new AbortController();
    const cancel = nodeClock.timer(o.connectMs, () => late.abort());
    dial(link.url, link.speech, o, late.signal)
      .then(
        (wire) => link.join(wire, open(wire)),
        (why: Error) => failed({ outcome: 'unavailable', reason: why.message, code: 0 }),
      )
      .finally(cancel);
  };
}
