// The form of a run: what is sent, over which networks, by which variants; and how much that is.

import type { ComponentChildren } from 'preact';
import { api, role } from '../api.ts';
import { linkTo } from '../frame/route.ts';
import { Icon } from '../parts/icons.tsx';
import { Notice } from '../parts/parts.tsx';
import { change, type Draft, draft, likeNetwork, sizeOf, toggled, workloadOf } from './draft.ts';
import { type Catalogue, fault, type RunFacts, trying } from './runs.ts';
import { VariantList } from './variant-list.tsx';

interface FormProps {
  readonly of: Catalogue;
  readonly draft: Draft;
  readonly running: RunFacts | undefined;
}

export function RunForm({ of, draft: d, running }: FormProps) {
  const size = sizeOf(d, of);
  const start = async (event: SubmitEvent) => {
    event.preventDefault();
    await trying(async () => {
      const { run } = await api<RunFacts>('/lab/runs', 'POST', workloadOf(draft.value!, of));
      location.hash = linkTo('lab', 'run', run);
    });
  };
  return (
    <form class="lab-form stack" onSubmit={start} aria-label="New run">
      <Workload of={d} />
      <Networks of={of} draft={d} />
      <VariantList of={of} draft={d} />
      <div class="card stack tight lab-go">
        <p class={size.wrong === undefined ? 'quiet small' : 'saying bad'} role="status">
          {size.wrong ??
            `${size.variants} variants × ${size.networks} networks${d.sweeps.size > 0 ? `, with sweeps ${size.cells} cells,` : ''} × ${d.messages * d.fanOut} messages: ${size.messages.toLocaleString('en')} of at most ${of.maxMessages.toLocaleString('en')}.`}
        </p>
        {fault.value !== '' && <Notice kind="bad">{fault.value}</Notice>}
        {role.value === 'viewer' && (
          <Notice kind="plain">A viewer may look at runs; to make one, log in as admin.</Notice>
        )}
        <button
          type="submit"
          class="main"
          disabled={size.wrong !== undefined || running !== undefined || role.value === 'viewer'}
        >
          <Icon name="play" /> Run
        </button>
        {running !== undefined && (
          <p class="quiet small">
            One run at a time: <a href={linkTo('lab', 'run', running.run)}>{running.run}</a> is on its way.
          </p>
        )}
      </div>
    </form>
  );
}

interface NumberProps {
  readonly label: ComponentChildren;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number | 'any';
  change(value: number): void;
}

function NumberField({ label, value, min, max, step = 1, change: changed }: NumberProps) {
  return (
    <label>
      {label}
      <input
        type="number"
        required
        min={min}
        max={max}
        step={step}
        value={value}
        onInput={(e) => {
          const { valueAsNumber } = e.currentTarget;
          if (!Number.isNaN(valueAsNumber)) changed(valueAsNumber);
        }}
      />
    </label>
  );
}

interface PickProps<T extends string> {
  readonly label: string;
  readonly options: Readonly<Record<T, string>>;
  readonly value: T;
  choose(value: T): void;
}

function Pick<T extends string>({ label, options, value, choose }: PickProps<T>) {
  return (
    <label>
      {label}
      <select value={value} onChange={(e) => choose(e.currentTarget.value as T)}>
        {(Object.entries(options) as [T, string][]).map(([name, title]) => (
          <option key={name} value={name}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

function Workload({ of: d }: { readonly of: Draft }) {
  const number = (
    label: string,
    name: 'messages' | 'bytes' | 'devices' | 'fanOut',
    min: number,
    max: number,
  ) => (
    <NumberField label={label} min={min} max={max} value={d[name]} change={(v) => change({ [name]: v })} />
  );
  return (
    <section class="card stack tight" aria-label="What is sent">
      <h2>What is sent</h2>
      <div class="lab-fields">
        {number('Messages in all', 'messages', 1, 100_000)}
        {number('Payload, octets', 'bytes', 8, 1_048_576)}
        <Pick
          label="Payload is"
          options={{ text: 'text', binary: 'binary', json: 'JSON' }}
          value={d.shape}
          choose={(shape) => change({ shape })}
        />
        <NumberField
          label="Messages a second, of each device (0: as fast as they go)"
          min={0}
          max={100_000}
          step="any"
          value={d.rate}
          change={(rate) => change({ rate })}
        />
        {number('Devices', 'devices', 1, 1_000)}
        {number('Subscribers of each message', 'fanOut', 1, 1_000)}
        <Pick
          label="Direction"
          options={{ up: 'devices publish', down: 'devices subscribe', both: 'both ways' }}
          value={d.direction}
          choose={(direction) => change({ direction })}
        />
        <Pick
          label="Guarantee"
          options={{ any: 'any', '0': '0: at most once', '1': '1: at least once', '2': '2: exactly once' }}
          value={d.qos}
          choose={(qos) => change({ qos })}
        />
        <Pick
          label="TLS or DTLS"
          options={{ any: 'with and without', none: 'without', some: 'with' }}
          value={d.security}
          choose={(security) => change({ security })}
        />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={d.retained}
          onChange={(e) => change({ retained: e.currentTarget.checked })}
        />
        Retained: the hub keeps the last value
      </label>
      <More of={d} />
    </section>
  );
}

function More({ of: d }: { readonly of: Draft }) {
  return (
    <details>
      <summary>Sleep, outage, sweeps, seed</summary>
      <div class="lab-fields">
        <NumberField
          label="Keep-alive, seconds"
          min={0}
          max={65_535}
          value={d.keepAliveSeconds}
          change={(keepAliveSeconds) => change({ keepAliveSeconds })}
        />
        <NumberField
          label="Connects anew after messages (1: it sleeps in between, 0: it stays)"
          min={0}
          max={1_000_000}
          value={d.reconnectEvery}
          change={(reconnectEvery) => change({ reconnectEvery })}
        />
        <NumberField
          label="Outage, seconds (0: none)"
          min={0}
          max={86_400}
          step="any"
          value={d.outageSeconds}
          change={(outageSeconds) => change({ outageSeconds })}
        />
        <NumberField
          label="It begins after seconds"
          min={0}
          max={86_400}
          step="any"
          value={d.outageAfter}
          change={(outageAfter) => change({ outageAfter })}
        />
        <NumberField
          label="Seed: the same one gives the same figures"
          min={0}
          max={4_294_967_295}
          value={d.seed}
          change={(seed) => change({ seed })}
        />
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={d.resume}
          onChange={(e) => change({ resume: e.currentTarget.checked })}
        />
        TLS and DTLS sessions are resumed
      </label>
      {(['loss', 'rate'] as const).map((sweep) => (
        <label key={sweep} class="check">
          <input
            type="checkbox"
            checked={d.sweeps.has(sweep)}
            onChange={(e) => change({ sweeps: toggled(d.sweeps, sweep, e.currentTarget.checked) })}
          />
          {sweep === 'loss' ? 'Sweep: also at 0 to 20 % loss' : 'Sweep: also at 1 to 3,600 messages an hour'}
        </label>
      ))}
    </details>
  );
}

function Networks({ of, draft: d }: { readonly of: Catalogue; readonly draft: Draft }) {
  const { own } = d;
  const changeOwn = (part: Partial<Draft['own']>) => change({ own: { ...own, ...part } });
  return (
    <section class="card stack tight" aria-label="Over which networks">
      <h2>Over which networks</h2>
      <ul class="lab-checks">
        {of.networks.map((n) => (
          <li key={n.name}>
            <label class="check" title={n.source}>
              <input
                type="checkbox"
                checked={d.networks.has(n.name)}
                onChange={(e) => change({ networks: toggled(d.networks, n.name, e.currentTarget.checked) })}
              />
              <span>
                {n.name} <span class="quiet small">{n.title}</span>
              </span>
            </label>
          </li>
        ))}
        <li>
          <label class="check">
            <input
              type="checkbox"
              checked={own.wanted}
              onChange={(e) => changeOwn({ wanted: e.currentTarget.checked })}
            />
            <span>
              own <span class="quiet small">with a delay, a loss and a rate of your own</span>
            </span>
          </label>
        </li>
      </ul>
      {own.wanted && (
        <div class="lab-fields">
          <Pick
            label="Else like"
            options={Object.fromEntries(of.networks.map((n) => [n.name, n.name]))}
            value={own.from}
            choose={(name) => changeOwn(likeNetwork(of, name))}
          />
          <NumberField
            label="Delay one way, ms"
            min={0}
            max={600_000}
            step="any"
            value={own.delayMs}
            change={(delayMs) => changeOwn({ delayMs })}
          />
          <NumberField
            label="Frames lost, %"
            min={0}
            max={90}
            step="any"
            value={own.loss}
            change={(loss) => changeOwn({ loss })}
          />
          <NumberField
            label="Up, kbit/s"
            min={0.1}
            max={100_000_000}
            step="any"
            value={own.upKbps}
            change={(upKbps) => changeOwn({ upKbps })}
          />
          <NumberField
            label="Down, kbit/s"
            min={0.1}
            max={100_000_000}
            step="any"
            value={own.downKbps}
            change={(downKbps) => changeOwn({ downKbps })}
          />
        </div>
      )}
    </section>
  );
}
