// More wires to the same place, for protocols that need several: HTTP has one for requests and one for each stream of events.

import type { SpeakerOptions } from '../contract/speaker.ts';
import type { Link } from './link.ts';
import type { Settled, World } from './options.ts';

type Another = Required<SpeakerOptions>['another'];

/** Dials one for the speaker of `link`, as it asks for it with `another`. */
export function dialAnother(
  world: World,
  link: Link,
  o: Settled,
  open: Parameters<Another>[0],
  failed: Parameters<Another>[1],
): void {
  const late = new AbortController();
  const cancel = world.timer(o.connectMs, () => late.abort());
  world
    .dial(link.url, link.speech, o, late.signal)
    .then(
      (wire) => link.join(wire, open(wire)),
      (why: Error) => failed({ outcome: 'unavailable', reason: why.message, code: 0 }),
    )
    .finally(cancel);
}
