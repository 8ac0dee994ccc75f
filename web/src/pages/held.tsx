// The messages that a session or a work queue holds: page by page, each opened where it stands.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from '../api.ts';
import { bytes, count, when } from '../parts/numbers.ts';
import { Pager } from '../parts/pager.tsx';
import { Fault } from '../parts/parts.tsx';
import { Payload, Properties } from '../parts/payload.tsx';
import { arrivedOf, type JsonMessage } from '../payload/json-message.ts';
import { summary } from '../payload/view.ts';

interface Held extends JsonMessage {
  readonly at: number;
  readonly bytes: number;
  readonly origin: { readonly protocol: string; readonly client: string; readonly principal: string };
  readonly unsettled: boolean;
  readonly again: boolean;
}

interface Props {
  /** Where the API lists them. */
  readonly path: string;
  readonly waiting: number;
  readonly unsettled: number;
}

const PAGE = 20;

export function HeldMessages({ path, waiting, unsettled }: Props) {
  const offset = useSignal(0);
  const items = useSignal<readonly Held[]>([]);
  const open = useSignal<Held | undefined>(undefined);
  const fault = useSignal('');
  const total = waiting + unsettled;

  // Asked for again only when it became more or less: payloads may be large, and the hub may have to read them from its store.
  useEffect(() => {
    let stale = false;
    const look = async () => {
      try {
        const page = await api<{ items: Held[] }>(`${path}?offset=${offset.value}&limit=${PAGE}`);
        if (stale) return;
        items.value = page.items;
        fault.value = '';
        if (page.items.length === 0) offset.value = Math.max(0, offset.value - PAGE);
      } catch (error) {
        if (!stale) fault.value = (error as Error).message;
      }
    };
    void look();
    return () => {
      stale = true;
    };
  }, [path, offset.value, waiting, unsettled]);

  return (
    <section aria-label="Messages held">
      <h2>
        Messages <span class="quiet number">{count(total)}</span>
      </h2>
      <Fault says={fault.value} />
      <ol class="held">
        {items.value.map((m, i) => (
          <HeldRow
            key={offset.value + i}
            m={m}
            open={open.value !== undefined && sameMessage(open.value, m)}
            toggle={(shown) => {
              open.value = shown ? m : undefined;
            }}
          />
        ))}
      </ol>
      <Pager offset={offset} page={PAGE} shown={items.value.length} total={total} />
    </section>
  );
}

/** Held messages have no number of their own, and move up as those before them are taken. */
function sameMessage(a: Held, b: Held): boolean {
  return (
    a.at === b.at &&
    a.topic === b.topic &&
    a.origin.client === b.origin.client &&
    a.payload === b.payload &&
    a.payloadBase64 === b.payloadBase64
  );
}

interface RowProps {
  readonly m: Held;
  readonly open: boolean;
  toggle(open: boolean): void;
}

function HeldRow({ m, open, toggle }: RowProps) {
  const { at, bytes: size, origin, unsettled, again, ...rest } = m;
  const { payload, contentType, properties, qos } = arrivedOf(rest);
  return (
    <li>
      <button type="button" class="link" aria-expanded={open} onClick={() => toggle(!open)}>
        <code class="clip">{m.topic}</code>
        <span class="clip spread mono quiet">{summary(payload, contentType)}</span>
        {unsettled && <span class="badge warn">under way</span>}
      </button>
      {open && (
        <div class="stack tight">
          <p class="row wrap small">
            <span class="badge">QoS {qos}</span>
            <span class="badge">{origin.protocol}</span>
            {again && <span class="badge">delivered before</span>}
            <span class="quiet tabular">
              from {origin.client} ({origin.principal}), {when(at)}, {bytes(size)}
            </span>
          </p>
          <Payload payload={payload} contentType={contentType} />
          <Properties pairs={properties} />
        </div>
      )}
    </li>
  );
}
