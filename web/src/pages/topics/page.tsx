// The live topic tree, with counts, rates and last values; and what one topic says.

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { count, some } from '../../parts/numbers.ts';
import { Empty, Head, Notice, Search } from '../../parts/parts.tsx';
import { VirtualList } from '../../parts/virtual.tsx';
import { summary } from '../../payload/view.ts';
import { flatten, left, root, type TopicNode, topicCount, version, watchTopics } from '../../tree.ts';
import { TopicCard } from './topic-card.tsx';
import { WatchState } from './watch-state.tsx';

const search = signal('');
const open = signal<ReadonlySet<string>>(new Set());
const chosen = signal<TopicNode | undefined>(undefined);

interface TreeRow {
  readonly node: TopicNode;
  readonly depth: number;
}

function toggle(topic: string, on = !open.value.has(topic)): void {
  const next = new Set(open.value);
  if (on) next.add(topic);
  else next.delete(topic);
  open.value = next;
}

/** As in any tree: right opens, left closes. */
function onKey(event: KeyboardEvent): void {
  const node = chosen.value;
  if (node === undefined) return;
  if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') toggle(node.topic, event.key === 'ArrowRight');
  else if (event.key === 'Enter' || event.key === ' ') toggle(node.topic);
  else return;
  event.preventDefault();
}

export function TopicsPage() {
  useEffect(watchTopics, []);
  version.value; // drawn anew with every refresh of the tree
  const rows = flatten(open.value, search.value);
  const row = rows.find((r) => r.node === chosen.value);
  return (
    <div class="page fill">
      <Head title="Topics" about="What is published here, as it comes. Retained messages show at once.">
        <p class="quiet small tabular" role="status">
          {some(topicCount.value, 'level')}, {some(root.all, 'message')}
        </p>
      </Head>
      <WatchState />
      {left.value > 0 && (
        <Notice kind="warn">
          {count(left.value)} messages were of topics beyond the most that are shown.
        </Notice>
      )}
      <div class="main-and-side">
        <section class="card flush board" aria-label="Topic tree">
          <div class="toolbar">
            <Search
              label="Search topics"
              placeholder="search topics"
              value={search.value}
              change={(value) => {
                search.value = value;
              }}
            />
            <button
              type="button"
              onClick={() => {
                open.value = new Set();
              }}
            >
              Close all
            </button>
          </div>
          <VirtualList<TreeRow>
            items={rows}
            rowHeight={34}
            label="Topics"
            chosen={row}
            choose={(r) => {
              chosen.value = r?.node;
            }}
            onKey={onKey}
            keyOf={(r) => r.node.topic}
            empty={
              search.value === '' ? (
                <Empty icon="tree" title="No topic yet">
                  Publish a message, and its topic grows here.
                </Empty>
              ) : (
                <Empty icon="search" title="No topic has this in its name" />
              )
            }
            row={(r) => <Row row={r} />}
          />
        </section>
        <section class="card scroll" aria-label="Topic">
          {chosen.value === undefined ? (
            <Empty icon="chart" title="Choose a topic">
              Its last value, its properties, and a chart of any number in it are shown here.
            </Empty>
          ) : (
            <TopicCard key={chosen.value.topic} node={chosen.value} />
          )}
        </section>
      </div>
    </div>
  );
}

function Row({ row: { node, depth } }: { readonly row: TreeRow }) {
  const opened = open.value.has(node.topic);
  return (
    <div class="topic">
      <span class="indent" style={{ width: `${depth * 18}px` }} />
      <button
        type="button"
        class={opened ? 'twist open' : 'twist'}
        tabIndex={-1}
        aria-expanded={opened}
        aria-label={`Open ${node.topic}`}
        disabled={node.children.size === 0}
        onClick={(event) => {
          event.stopPropagation();
          toggle(node.topic);
        }}
      />
      <span class="name">{search.value === '' ? node.name || '(empty level)' : node.topic}</span>
      <span class="value quiet">
        {node.last === undefined ? '' : summary(node.last.payload, node.last.contentType)}
      </span>
      {node.retained && <span class="badge good">retained</span>}
      <span class="rate small tabular">{node.rate > 0 ? `${node.rate.toFixed(1)}/s` : ''}</span>
      <span class="total small quiet tabular">{count(node.all)}</span>
    </div>
  );
}
