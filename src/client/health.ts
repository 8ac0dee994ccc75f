// What a client tells of its connection.

import type { Opened } from '../contract/speaker.ts';
import type { WaymeetError } from './error.ts';

/** What happened to the connection. */
export type HealthEvent =
  | {
      readonly kind: 'connected';
      readonly url: string;
      readonly server: string;
      readonly resumed: boolean;
      readonly opened: Opened;
    }
  | { readonly kind: 'lost'; readonly url: string; readonly error: WaymeetError | undefined }
  | { readonly kind: 'failed'; readonly url: string; readonly error: WaymeetError }
  | { readonly kind: 'waiting'; readonly ms: number }
  | { readonly kind: 'redirected'; readonly from: string; readonly to: string }
  | { readonly kind: 'closed'; readonly error: WaymeetError | undefined };
