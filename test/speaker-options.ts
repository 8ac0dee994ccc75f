// What a client's side is opened with in tests: the least that it needs, on a broker's virtual clock.

import type { SpeakerOptions } from '../src/contract/speaker.ts';

/** `random` gives zeros unless `more` says otherwise. */
export function speakerOptions(
  clock: { readonly now: number },
  more: Partial<SpeakerOptions> = {},
): SpeakerOptions {
  return {
    host: 'hub',
    port: 0,
    path: '/',
    settings: {},
    clientId: '',
    username: undefined,
    password: undefined,
    clean: true,
    sessionExpiryMs: 0,
    keepAliveMs: 0,
    will: undefined,
    receiveMaximum: 16,
    random: (length) => new Uint8Array(length),
    now: () => clock.now,
    ...more,
  };
}
