// What happened at the hub, newest first: who came, who went and why, who subscribed.

import { type HubEvent, happened } from '../api.ts';
import { linkTo } from '../frame/route.ts';
import { when } from '../parts/numbers.ts';

interface Props {
  readonly most: number;
  /** Only what one client did. */
  readonly client?: { readonly protocol: string; readonly name: string };
}

export function Happened({ most, client }: Props) {
  const events = happened.value.filter(
    (e) =>
      client === undefined ||
      (nameOf(e) === client.name && (e.client?.protocol ?? e.protocol) === client.protocol),
  );
  if (events.length === 0) return <p class="quiet">Nothing yet.</p>;
  return (
    <ol class="happened">
      {events.slice(0, most).map((e, i) => (
        <li key={events.length - i} class={e.kind}>
          <i class="dot" />
          <div class="spread">
            {client === undefined && (
              <a href={linkTo('clients', e.client?.protocol ?? e.protocol ?? '', nameOf(e))}>{nameOf(e)}</a>
            )}{' '}
            {verbOf(e)} {e.filter !== undefined && <code>{e.filter}</code>}
            <span class="quiet small block">
              {e.client === undefined ? e.protocol : `${e.client.protocol}, ${e.client.remote}`}
            </span>
          </div>
          <time class="quiet small">{when(e.at)}</time>
        </li>
      ))}
    </ol>
  );
}

function nameOf(e: HubEvent): string {
  return e.client?.client ?? e.session ?? '';
}

function verbOf(e: HubEvent): string {
  if (e.kind !== 'disconnected') return e.kind;
  if (e.reason !== undefined) return `left: ${e.reason}`;
  return e.graceful ? 'left' : 'was lost';
}
