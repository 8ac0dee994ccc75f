// What happened, newest first: who came, who went and why, who subscribed; of the whole hub, or of one client.

import type { HubEvent } from '../api.ts';
import { linkTo } from '../frame/route.ts';
import { when } from '../parts/numbers.ts';

/** What one client did; `who` where the list is not of one client alone. */
export interface Deed {
  readonly at: number;
  readonly kind: HubEvent['kind'];
  readonly who?: { readonly protocol: string; readonly name: string };
  readonly remote?: string | undefined;
  readonly filter?: string | undefined;
  readonly graceful?: boolean | undefined;
  readonly reason?: string | undefined;
}

export function Happened({ deeds }: { readonly deeds: readonly Deed[] }) {
  if (deeds.length === 0) return <p class="quiet">Nothing yet.</p>;
  return (
    <ol class="happened">
      {deeds.map((d, i) => (
        <li key={deeds.length - i} class={d.kind}>
          <i class="dot" />
          <div class="spread">
            {d.who !== undefined && <a href={linkTo('clients', d.who.protocol, d.who.name)}>{d.who.name}</a>}{' '}
            {verbOf(d)} {d.filter !== undefined && <code>{d.filter}</code>}
            <span class="quiet small block">
              {[d.who?.protocol, d.remote].filter((word) => word !== undefined).join(', ')}
            </span>
          </div>
          <time class="quiet small">{when(d.at)}</time>
        </li>
      ))}
    </ol>
  );
}

export function deedOf(e: HubEvent): Deed {
  const { at, kind, filter, graceful, reason } = e;
  const who = {
    protocol: e.client?.protocol ?? e.protocol ?? '',
    name: e.client?.client ?? e.session ?? '',
  };
  return { at, kind, who, remote: e.client?.remote, filter, graceful, reason };
}

/** The hub's outcomes; those that are missing here are shown as the hub names them. */
const REASONS: Readonly<Record<string, string>> = {
  'disconnected-by-admin': 'an administrator sent it away',
  'taken-over': 'another connection came with the same client id',
  idle: 'it was silent for longer than its keep-alive',
  'protocol-error': 'it broke its protocol',
  'slow-consumer': 'it read too slowly',
  'not-authorized': 'it is not allowed in any more',
  'rate-exceeded': 'it sent more than it may',
  'quota-exceeded': 'it was beyond a limit of the hub',
  'too-large': 'it sent more than fits',
  'shutting-down': 'the hub stopped',
};

function verbOf({ kind, graceful, reason }: Deed): string {
  if (kind !== 'disconnected') return kind;
  if (reason !== undefined) return `left: ${REASONS[reason] ?? reason}`;
  return graceful ? 'left by itself' : 'was lost: the connection ended without a goodbye';
}
