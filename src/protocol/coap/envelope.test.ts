// Laws of envelopes: everything comes back, and noise breaks nothing.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../../test/arbitrary/mqtt.ts';
import { Message, NEVER } from '../../contract/message.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';

const NOBODY = { protocol: '', client: '', principal: '' };

describe('envelopes', () => {
  const text = fc.string({ unit: 'binary', maxLength: 12 });
  const id = fc.oneof(text, fc.uint8Array({ maxLength: 12 }));
  const value = fc.oneof(text, fc.integer(), fc.boolean(), fc.uint8Array({ maxLength: 8 }));
  const meta = fc.record(
    {
      contentType: text,
      text: fc.constant(false),
      responseTopic: text,
      correlation: id,
      messageId: id,
      priority: fc.nat(255),
      createdAt: fc.maxSafeNat(),
      groupId: text,
      groupSequence: fc.nat(),
      user: fc.array(fc.record({ name: text, value }), { minLength: 1, maxLength: 4 }),
    },
    { requiredKeys: [] },
  );

  test.each(['cbor', 'json'] as const)('%s: what went in comes out', (as) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), meta, (payload, said) => {
        const some = Object.keys(said).length === 0 ? undefined : said;
        const m = new Message('a/b', payload, 1, false, NOBODY, 0, NEVER, some);
        const decoded = decodeEnvelope(encodeEnvelope(m, as), as);
        expect(decoded).toEqual({ topic: 'a/b', payload: new Uint8Array(payload), meta: some });
      }),
      fuzz(300),
    );
  });

  test.each(['cbor', 'json'] as const)('%s: noise is none, or one', (as) => {
    const whole = encodeEnvelope(
      new Message('a', Uint8Array.of(1), 1, false, NOBODY, 0, NEVER, { user: [{ name: 'n', value: 1 }] }),
      as,
    );
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.nat(255),
        fc.uint8Array({ maxLength: 20 }),
        (at, octet, noise) => {
          const broken = whole.slice();
          broken[at] = octet;
          for (const bytes of [broken, noise]) {
            const decoded = decodeEnvelope(bytes, as);
            expect(decoded === undefined || decoded.payload instanceof Uint8Array).toBe(true);
          }
        },
      ),
      fuzz(1_000),
    );
  });
});
