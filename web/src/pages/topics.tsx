// The topic tree, and what one topic says: its last value, its numbers over time, and its retained message.

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from '../api.ts';
import { bytes, count, instant } from '../numbers.ts';
import { type PayloadView, show, textOf, VIEWS } from '../payload/view.ts';
import { flatten, left, root, state, type TopicNode, topicCount, version, watchTopics } from '../tree.ts';
import { VirtualList } from '../virtual.tsx';
import { Spark } from './overview.tsx';

export function TopicsPage() {
  const search = useSignal('');
  const open = useSignal<ReadonlySet<string>>(new Set());
  const chosen = useSignal<TopicNode | undefined>(undefined);
  useEffect(watchTopics, []);
  version.value; // drawn anew with every refresh of the tree
  const rows = flatten(open.value, search.value);
  const toggle = (topic: string) => {
    const next = new Set(open.value);
    if (!next.delete(topic)) next.add(topic);
    open.value = next;
  };
  return (
    <div class="page fill">
      <h1>Topics</h1>
      <div class="bar">
        <input
          type="search"
          aria-label="Search topics"
          placeholder="search topics"
          value={search.value}
          onInput={(e) => {
            search.value = e.currentTarget.value;
          }}
        />
        <span class="quiet">
          {count(topicCount.value)} levels, {count(root.all)} messages
          {left.value > 0 ? `, ${count(left.value)} of topics beyond the most that are shown` : ''}
        </span>
        {state.value !== '' && (
          <span class={state.value === 'connecting' ? 'quiet' : 'fault'}>{state.value}</span>
        )}
      </div>
      <div class="two wide-left grow">
        <VirtualList
          items={rows}
          rowHeight={30}
          label="Topics"
          empty="No message yet. Retained messages show at once; publish one to see it here."
          row={({ node, depth }) => (
            <div key={node.topic} class={`topic${chosen.value === node ? ' chosen' : ''}`}>
              <span style={{ width: `${depth * 16}px` }} />
              <button
                type="button"
                class="twist"
                aria-expanded={open.value.has(node.topic)}
                aria-label={`Open ${node.topic}`}
                disabled={node.children.size === 0}
                onClick={() => toggle(node.topic)}
              >
                {node.children.size === 0 ? '·' : open.value.has(node.topic) ? '▾' : '▸'}
              </button>
              <button
                type="button"
                class="link name"
                onClick={() => {
                  chosen.value = node;
                  if (node.children.size > 0 && node.own === 0) toggle(node.topic);
                }}
              >
                {search.value === '' ? node.name || '(empty level)' : node.topic}
              </button>
              <span class="value">
                {node.last === undefined
                  ? ''
                  : (textOf(node.last.payload)?.slice(0, 80) ?? `${node.last.payload.length} octets`)}
              </span>
              {node.retained && <span class="badge">retained</span>}
              <span class="number">{count(node.all)}</span>
              <span class="number">{node.rate > 0 ? `${node.rate.toFixed(1)}/s` : ''}</span>
            </div>
          )}
        />
        <section class="card scroll">
          {chosen.value === undefined ? <p class="quiet">Choose a topic.</p> : <Chosen node={chosen.value} />}
        </section>
      </div>
    </div>
  );
}

function Chosen({ node }: { readonly node: TopicNode }) {
  const view = useSignal<PayloadView>('auto');
  const field = useSignal('');
  const fault = useSignal('');
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
  const fields = last === undefined ? [] : numericFields(last.payload);
  const points = node.recent.flatMap(({ payload }) => numberIn(payload, field.value) ?? []);
  const shown = last && show(last.payload, view.value, last.contentType);
  return (
    <>
      <h2>
        <code>{node.topic}</code>
      </h2>
      <p class="quiet">
        {count(node.own)} messages here, {count(node.all)} with what is below
      </p>
      {last === undefined ? (
        <p class="quiet">No message of this very topic.</p>
      ) : (
        <>
          <p>
            {instant(node.lastAt)} · {bytes(last.payload.length)} · QoS {last.qos}
            {last.contentType === undefined ? '' : ` · ${last.contentType}`}
          </p>
          <label class="small">
            View
            <select
              value={view.value}
              onChange={(e) => {
                view.value = e.currentTarget.value as PayloadView;
              }}
            >
              {Object.entries(VIEWS).map(([name, title]) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <pre class={shown!.wrong ? 'payload fault' : 'payload'}>{shown!.text}</pre>
          {last.properties.length > 0 && (
            <dl>
              {last.properties.map(([name, value], i) => [
                <dt key={`n${i}`}>{name}</dt>,
                <dd key={`v${i}`}>{value}</dd>,
              ])}
            </dl>
          )}
          {fields.length > 0 && (
            <>
              <label class="small">
                Chart
                <select
                  value={field.value}
                  onChange={(e) => {
                    field.value = e.currentTarget.value;
                  }}
                >
                  {fields.map((f) => (
                    <option key={f} value={f}>
                      {f === '' ? 'the value' : f}
                    </option>
                  ))}
                </select>
              </label>
              {points.length > 1 ? (
                <figure class="chart">
                  <Spark points={points} />
                  <figcaption class="quiet">
                    {points.length} values, {count(Math.min(...points))} to {count(Math.max(...points))}, now{' '}
                    {count(points.at(-1)!)}
                  </figcaption>
                </figure>
              ) : (
                <p class="quiet">A chart needs two numbers of this field.</p>
              )}
            </>
          )}
          {node.retained && (
            <p class="actions">
              <button type="button" class="plain" onClick={forget}>
                Forget the retained message
              </button>
            </p>
          )}
          {fault.value !== '' && (
            <p class="fault" role="alert">
              {fault.value}
            </p>
          )}
        </>
      )}
    </>
  );
}

/** Paths of the numbers in a JSON payload (`a.b`); the empty path is the payload itself. */
function numericFields(payload: Uint8Array): string[] {
  const found: string[] = [];
  const visit = (value: unknown, path: string) => {
    if (typeof value === 'number') found.push(path);
    else if (typeof value === 'object' && value !== null && found.length < 50)
      for (const [key, inner] of Object.entries(value)) visit(inner, path === '' ? key : `${path}.${key}`);
  };
  visit(jsonOf(payload), '');
  return found;
}

function numberIn(payload: Uint8Array, path: string): number | undefined {
  let value = jsonOf(payload);
  for (const step of path === '' ? [] : path.split('.'))
    value = (value as Record<string, unknown> | undefined)?.[step];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function jsonOf(payload: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(payload) ?? '');
  } catch {
    return undefined; // no JSON: nothing to draw
  }
}
