// Messages as JSON for HTTP: the very form of `waymeet.v1`, so that one description serves both.

import type { JsonWords } from '../protocol/http/packet.ts';
import { decodeFrame } from '../protocol/websocket/decode.ts';
import { contentOf, messageOf } from '../protocol/websocket/map.ts';

export const jsonWords: JsonWords = {
  write: (m) => contentOf(m, 'json'),
  read(item, origin, now) {
    const bytes = Buffer.from(JSON.stringify({ ...(item as object), type: 'publish' }));
    const frame = decodeFrame(bytes, 0, bytes.length);
    if (frame.type !== 'publish') throw new TypeError('not a publish frame');
    return messageOf(frame, origin, now);
  },
};
