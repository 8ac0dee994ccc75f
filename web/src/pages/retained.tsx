// Retained messages: by filter, by search, page by page; one whole; and those of a filter forgotten at once.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api, mayChange } from '../api.ts';
import { Icon } from '../parts/icons.tsx';
import { bytes, count, when } from '../parts/numbers.ts';
import { Pager } from '../parts/pager.tsx';
import { Certain, Copy, Empty, Fault, Head, Search, Select } from '../parts/parts.tsx';
import { Payload, Properties } from '../parts/payload.tsx';
import { arrivedOf, type JsonMessage } from '../payload/json-message.ts';
import { summary } from '../payload/view.ts';
import { filterFault } from '../wildcard.ts';

interface Retained extends JsonMessage {
  readonly at: number;
  readonly bytes: number;
  /** ms since 1970 */
  readonly expiresAt?: number;
  readonly origin: { readonly protocol: string; readonly client: string; readonly principal: string };
}

const PAGE = 50;

/** By what is left of their time; each is a piece of the query. */
const EXPIRIES = {
  '': 'whenever they expire',
  'expires=never': 'that never expire',
  'expires=ever': 'that expire',
  'expiresWithin=1h': 'that expire within an hour',
  'expiresWithin=1d': 'that expire within a day',
  'expiresAfter=1d': 'that expire later than in a day',
} as const;

export function RetainedPage() {
  const filter = useSignal('#');
  const search = useSignal('');
  const expiry = useSignal<keyof typeof EXPIRIES>('');
  const offset = useSignal(0);
  const page = useSignal<{ total: number; items: readonly Retained[] } | undefined>(undefined);
  const chosen = useSignal<Retained | undefined>(undefined);
  const fault = useSignal('');
  const wrong = filterFault(filter.value);

  /** What the list shows, and what "all" means. */
  const chosenQuery = () => {
    const query = new URLSearchParams(expiry.value);
    query.set('filter', filter.value);
    if (search.value !== '') query.set('search', search.value);
    return query;
  };
  const look = async () => {
    if (wrong !== undefined) return;
    const query = chosenQuery();
    query.set('offset', `${offset.value}`);
    query.set('limit', `${PAGE}`);
    try {
      page.value = await api(`/retained?${query}`);
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  useEffect(() => void look(), [filter.value, search.value, expiry.value, offset.value]);

  const forget = async (query: URLSearchParams) => {
    try {
      await api(`/retained?${query}`, 'DELETE');
      chosen.value = undefined;
      offset.value = 0;
      await look();
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  const { total = 0, items = [] } = page.value ?? {};
  return (
    <div class="page">
      <Head title="Retained" about="The last value of each topic that was published to be kept.">
        <button type="button" onClick={look}>
          <Icon name="again" /> Look again
        </button>
      </Head>
      <div class="toolbar free">
        <input
          class="mono topic-filter"
          aria-label="Filter"
          value={filter.value}
          spellcheck={false}
          aria-invalid={wrong !== undefined}
          onInput={(e) => {
            filter.value = e.currentTarget.value;
            offset.value = 0;
          }}
        />
        <Search
          label="Search topics"
          placeholder="search in topics"
          value={search.value}
          change={(value) => {
            search.value = value;
            offset.value = 0;
          }}
        />
        <Select
          label="Expiry"
          options={EXPIRIES}
          value={expiry.value}
          choose={(one) => {
            expiry.value = one;
            offset.value = 0;
          }}
        />
        {total > 0 && mayChange() && (
          <Certain
            label={`Forget all ${count(total)}`}
            sure={`Forget ${count(total)} for good?`}
            act={() => forget(chosenQuery())}
          />
        )}
      </div>
      {wrong !== undefined && <p class="saying bad">{wrong}</p>}
      <Fault says={fault.value} />
      <div class="main-and-side">
        <section class="card scroll" aria-label="Retained messages">
          {items.length === 0 ? (
            page.value !== undefined && (
              <Empty icon="pin" title="Nothing is retained here">
                Publish with the retain flag, and the hub keeps the value for who subscribes later.
              </Empty>
            )
          ) : (
            <table class="rows">
              <thead>
                <tr>
                  <th>Topic</th>
                  <th>Value</th>
                  <th class="wide-only">From</th>
                  <th class="number wide-only">Since</th>
                  <th class="number wide-only">Expires</th>
                </tr>
              </thead>
              <tbody>
                {items.map((m) => {
                  const { payload, contentType } = arrivedOf(m);
                  return (
                    <tr key={m.topic} class={chosen.value?.topic === m.topic ? 'chosen' : ''}>
                      <td>
                        <button
                          type="button"
                          class="link"
                          onClick={() => {
                            chosen.value = m;
                          }}
                        >
                          <code>{m.topic}</code>
                        </button>
                      </td>
                      <td class="clip-cell mono quiet">{summary(payload, contentType)}</td>
                      <td class="wide-only quiet">
                        {m.origin.protocol} {m.origin.client}
                      </td>
                      <td class="number wide-only quiet">{when(m.at)}</td>
                      <td class="number wide-only quiet">
                        {m.expiresAt === undefined ? 'never' : when(m.expiresAt)}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          )}
          <Pager offset={offset} page={PAGE} shown={items.length} total={total} />
        </section>
        <section class="card" aria-label="Retained message">
          {chosen.value === undefined ? (
            <Empty icon="pin" title="Choose a topic">
              Its retained message is shown here.
            </Empty>
          ) : (
            <Whole
              key={chosen.value.topic}
              m={chosen.value}
              forget={(topic) => forget(new URLSearchParams({ filter: topic }))}
            />
          )}
        </section>
      </div>
    </div>
  );
}

function Whole({ m, forget }: { readonly m: Retained; forget(topic: string): void }) {
  const { at, bytes: size, origin, expiresAt, ...rest } = m;
  const { payload, contentType, properties, qos } = arrivedOf(rest);
  return (
    <div class="stack">
      <div class="row top">
        <h2 class="spread">
          <code>{m.topic}</code>
        </h2>
        <Copy text={m.topic} label="Copy the topic" />
      </div>
      <p class="row wrap small">
        <span class="badge">QoS {qos}</span>
        <span class="badge">{origin.protocol}</span>
        <span class="quiet tabular">
          from {origin.client} ({origin.principal}), {when(at)}, {bytes(size)}
          {expiresAt !== undefined && `, expires ${when(expiresAt)}`}
        </span>
      </p>
      <Payload payload={payload} contentType={contentType} />
      <Properties pairs={properties} />
      {mayChange() && (
        <div>
          <Certain label="Forget it" sure="Forget it for good?" act={() => forget(m.topic)} />
        </div>
      )}
    </div>
  );
}
