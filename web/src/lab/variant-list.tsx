// The checklist of variants, by family: which ways of carrying the same messages are compared.

import { useSignal } from '@preact/signals';
import { Search } from '../parts/parts.tsx';
import { change, type Draft, fits, toggled } from './draft.ts';
import type { Catalogue, VariantFacts } from './runs.ts';

const FAMILIES: Readonly<Record<string, string>> = {
  mqtt: 'MQTT',
  mqttsn: 'MQTT-SN',
  coap: 'CoAP',
  websocket: 'WebSocket',
  http: 'HTTP',
  amqp: 'AMQP',
  stomp: 'STOMP',
  xmpp: 'XMPP',
};

export function VariantList({ of, draft: d }: { readonly of: Catalogue; readonly draft: Draft }) {
  const search = useSignal('');
  const sought = search.value.toLowerCase();
  const found = of.variants.filter((v) => `${v.id} ${v.title}`.toLowerCase().includes(sought));
  const families = [...new Set(found.map((v) => v.family))];
  const fitting = of.variants.filter((v) => fits(v, d)).map((v) => v.id);
  return (
    <section class="card stack tight" aria-label="By which variants">
      <h2>By which variants</h2>
      <div class="row wrap">
        <Search
          label="Search variants"
          placeholder="search, such as qos1 or dtls"
          value={search.value}
          change={(value) => {
            search.value = value;
          }}
        />
        <button type="button" onClick={() => change({ variants: new Set(of.defaultVariants) })}>
          Usual {of.defaultVariants.length}
        </button>
        <button type="button" onClick={() => change({ variants: new Set(fitting) })}>
          All {fitting.length}
        </button>
        <button type="button" onClick={() => change({ variants: new Set() })}>
          None
        </button>
      </div>
      {families.map((family) => (
        <Family
          key={family}
          family={family}
          variants={found.filter((v) => v.family === family)}
          draft={d}
          open={sought !== ''}
        />
      ))}
      {families.length === 0 && <p class="quiet small">No variant is called like that.</p>}
    </section>
  );
}

interface FamilyProps {
  readonly family: string;
  readonly variants: readonly VariantFacts[];
  readonly draft: Draft;
  readonly open: boolean;
}

function Family({ family, variants, draft: d, open }: FamilyProps) {
  const title = FAMILIES[family] ?? family;
  const fitting = variants.filter((v) => fits(v, d));
  const chosen = fitting.filter((v) => d.variants.has(v.id)).length;
  const all = fitting.length > 0 && chosen === fitting.length;
  return (
    <div class="lab-family">
      <input
        type="checkbox"
        aria-label={`All of ${title}`}
        checked={all}
        disabled={fitting.length === 0}
        ref={(box) => {
          if (box !== null) box.indeterminate = chosen > 0 && !all;
        }}
        onChange={() =>
          change({
            variants: fitting.reduce<ReadonlySet<string>>(
              (set, v) => toggled(set, v.id, !all),
              new Set(d.variants),
            ),
          })
        }
      />
      <details open={open}>
        <summary>
          <span class="spread">{title}</span>
          <span class="tabular">
            {chosen} of {fitting.length}
          </span>
        </summary>
        <ul class="lab-checks">
          {variants.map((v) => (
            <li key={v.id}>
              <label class="check" title={`${v.id}: ${v.guarantee}`}>
                <input
                  type="checkbox"
                  checked={d.variants.has(v.id) && fits(v, d)}
                  disabled={!fits(v, d)}
                  onChange={(e) => change({ variants: toggled(d.variants, v.id, e.currentTarget.checked) })}
                />
                <span>{v.title}</span>
              </label>
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}
