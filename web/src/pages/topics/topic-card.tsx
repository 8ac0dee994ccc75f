// One topic: its last value, its properties, a chart of a number in it, and how to forget its retained message.

import { useSignal } from '@preact/signals';
import { api, mayChange } from '../../api.ts';
import { change } from '../../client/publishing.ts';
import { linkTo } from '../../frame/route.ts';
import { Chart } from '../../parts/chart.tsx';
import { Icon } from '../../parts/icons.tsx';
import { bytes, count, instant } from '../../parts/numbers.ts';
import { Copy, Fault, Select } from '../../parts/parts.tsx';
import { Payload, Properties } from '../../parts/payload.tsx';
import { numberIn, numericFields } from '../../payload/numbers-in.ts';
import { type TopicNode, version } from '../../tree.ts';

export function TopicCard({ node }: { readonly node: TopicNode }) {
  const fault = useSignal('');
  version.value; // the node is changed in place
  const { last } = node;
  const forget = async () => {
    try {
      await api(`/retained?filter=${encodeURIComponent(node.topic)}`, 'DELETE');
      node.retained = false;
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  return (
    <div class="stack">
      <div>
        <div class="row top">
          <h2 class="spread">
            <code>{node.topic}</code>
          </h2>
          <Copy text={node.topic} label="Copy the topic" />
        </div>
        <p class="quiet small tabular">
          {count(node.own)} here, {count(node.all)} with what is below
        </p>
      </div>
      {last === undefined ? (
        <p class="quiet">No message of this very topic, only of those below.</p>
      ) : (
        <>
          <p class="row wrap small">
            <span class="badge">QoS {last.qos}</span>
            {node.retained && <span class="badge good">retained</span>}
            <span class="quiet tabular">
              {instant(node.lastAt)}, {bytes(last.payload.length)}
            </span>
          </p>
          <Numbers node={node} />
          <Payload payload={last.payload} contentType={last.contentType} />
          {last.properties.length > 0 && <Properties pairs={last.properties} />}
        </>
      )}
      <Fault says={fault.value} />
      <p class="row wrap">
        <button
          type="button"
          onClick={() => {
            change({ topic: node.topic });
            location.hash = linkTo('test');
          }}
        >
          <Icon name="send" /> Publish to it
        </button>
        {node.retained && mayChange() && (
          <button type="button" class="danger" onClick={forget}>
            <Icon name="bin" /> Forget the retained message
          </button>
        )}
      </p>
    </div>
  );
}

function Numbers({ node }: { readonly node: TopicNode }) {
  const field = useSignal<string | undefined>(undefined);
  version.value;
  const { payload, contentType } = node.last!;
  const fields = numericFields(payload, contentType);
  const path = field.value ?? fields[0];
  if (path === undefined) return null;
  const points = node.recent.flatMap(({ at, payload: one, contentType: type }) => {
    const value = numberIn(one, type, path);
    return value === undefined ? [] : [{ at, value }];
  });
  const values = points.map((p) => p.value);
  return (
    <figure class="figure-card">
      <figcaption class="row">
        <span class="figure-now tabular">{values.length > 0 ? number(values.at(-1)!) : '–'}</span>
        <span class="spread quiet small tabular">
          {values.length} values, {number(Math.min(...values))} to {number(Math.max(...values))}
        </span>
        {fields.length > 1 && (
          <Select
            label="Chart"
            options={Object.fromEntries(fields.map((f) => [f, f === '' ? 'the value' : f]))}
            value={path}
            choose={(f) => {
              field.value = f;
            }}
          />
        )}
      </figcaption>
      {points.length > 1 ? (
        <Chart
          times={points.map((p) => p.at / 1_000)}
          series={[{ name: path === '' ? 'value' : path, values, colour: 0 }]}
          height={150}
          label={`${path === '' ? node.topic : path} over time`}
          format={number}
        />
      ) : (
        <p class="quiet small">A chart needs a second value.</p>
      )}
    </figure>
  );
}

const digits = new Intl.NumberFormat('en', { maximumSignificantDigits: 6, useGrouping: false });

function number(n: number): string {
  return Number.isFinite(n) ? digits.format(n) : '–';
}
