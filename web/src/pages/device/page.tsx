// Connect a device: lines to paste for every protocol, with this hub's host and ports, and a live check that a message came.

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hub } from '../../api.ts';
import type { HubFacts } from '../../hub-facts.ts';
import { Icon } from '../../parts/icons.tsx';
import { instant } from '../../parts/numbers.ts';
import { Choice, Head, Notice, Paste } from '../../parts/parts.tsx';
import { summary } from '../../payload/view.ts';
import { nodeAt, refused, version, watchTopics } from '../../tree.ts';
import { WatchState } from '../topics/watch-state.tsx';
import { ENTRIES } from './entries.ts';
import { portOf } from './hub-ports.ts';
import type { ProtocolEntry } from './recipe.ts';

const topic = signal('demo/device');
const user = signal('');
const password = signal('');
const protocol = signal('mqtt');
const tool = signal('');
const since = signal(Date.now());

/** The page itself may have come by HTTPS: then the web port is that one. */
function listening(entry: ProtocolEntry, listeners: HubFacts['listeners']): number | undefined {
  if (entry.carrier !== 'ws') return portOf(listeners, entry.protocols, entry.carrier);
  return portOf(listeners, entry.protocols, 'ws') ?? portOf(listeners, entry.protocols, 'wss');
}

export function DevicePage() {
  useEffect(watchTopics, []);
  const listeners = hub.value?.listeners ?? [];
  const entry = ENTRIES.find((e) => e.id === protocol.value)!;
  const port = listening(entry, listeners);
  return (
    <div class="page">
      <Head
        title="Connect a device"
        about="Choose what it speaks and paste the lines: they have the host and port of this hub in them."
      />
      <div class="card device-form">
        <label>
          Topic
          <input
            class="mono"
            spellcheck={false}
            value={topic.value}
            onInput={(e) => {
              topic.value = e.currentTarget.value;
              since.value = Date.now();
            }}
          />
        </label>
        <label>
          User, if the hub asks
          <input
            value={user.value}
            placeholder="nobody"
            autocapitalize="none"
            onInput={(e) => {
              user.value = e.currentTarget.value;
            }}
          />
        </label>
        <label>
          Password
          <input
            type="password"
            autocomplete="off"
            value={password.value}
            disabled={user.value === ''}
            onInput={(e) => {
              password.value = e.currentTarget.value;
            }}
          />
        </label>
      </div>
      <Check />
      <div class="device">
        <nav aria-label="Protocols" class="card">
          {ENTRIES.map((e) => (
            <button
              key={e.id}
              type="button"
              aria-pressed={e === entry}
              onClick={() => {
                protocol.value = e.id;
              }}
            >
              <i class={listening(e, listeners) === undefined ? 'lamp' : 'lamp good'} />
              {e.title}
            </button>
          ))}
        </nav>
        <section class="card stack" aria-label={entry.title}>
          <div>
            <h2>{entry.title}</h2>
            <p class="quiet">{entry.about}</p>
          </div>
          {port === undefined ? <NotListening entry={entry} /> : <Recipes entry={entry} port={port} />}
        </section>
      </div>
    </div>
  );
}

/** Drawn anew with every message: nothing else on the page is. */
function Check() {
  version.value;
  const node = nodeAt(topic.value);
  const seen = node !== undefined && node.lastAt >= since.value ? node.last : undefined;
  if (refused.value) return <WatchState />;
  if (seen === undefined)
    return (
      <div class="card check-card" role="status">
        <i class="lamp busy" />
        <span>
          Waiting for a message on <code>{topic.value}</code> …
        </span>
      </div>
    );
  return (
    <div class="card check-card yes" role="status">
      <Icon name="tick" size={20} />
      <span class="spread">
        It works. <code>{summary(seen.payload, seen.contentType)}</code> came at {instant(node!.lastAt)}.
      </span>
      <button
        type="button"
        onClick={() => {
          since.value = Date.now() + 1;
        }}
      >
        Check again
      </button>
    </div>
  );
}

function NotListening({ entry }: { readonly entry: ProtocolEntry }) {
  return (
    <>
      <Notice kind="plain">
        The hub does not listen for this. These lines of waymeet.yaml and a restart turn it on:
      </Notice>
      <Paste text={entry.enable} label="Copy the lines" />
    </>
  );
}

function Recipes({ entry, port }: { readonly entry: ProtocolEntry; readonly port: number }) {
  const tools = entry.tools({
    host: location.hostname.replace(/^\[|\]$/g, ''),
    port,
    web: location.origin,
    paths: hub.value!.paths,
    topic: topic.value,
    user: user.value,
    password: password.value || 'PASSWORD',
  });
  const shown = tools.find((t) => t.name === tool.value) ?? tools[0]!;
  return (
    <>
      <Choice
        label="Tool"
        options={Object.fromEntries(tools.map((t) => [t.name, t.name]))}
        value={shown.name}
        choose={(name) => {
          tool.value = name;
        }}
      />
      <p class="quiet small">{shown.install}</p>
      <div class="stack tight">
        {shown.subscribe !== '' && <h3>Publish</h3>}
        <Paste text={shown.publish} label="Copy" />
        {shown.subscribe !== '' && (
          <>
            <h3>Subscribe</h3>
            <Paste text={shown.subscribe} label="Copy" />
          </>
        )}
      </div>
    </>
  );
}
