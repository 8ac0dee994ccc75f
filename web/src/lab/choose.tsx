// Which protocol? The questions as a form, what is measured for them, and the answer.

import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Advice } from '../../../src/lab/choose/advice.ts';
import { api, role } from '../api.ts';
import { Icon } from '../parts/icons.tsx';
import { Empty, Fault, Head, Notice } from '../parts/parts.tsx';
import { AdviceView } from './advice-view.tsx';
import { Progress } from './run-view.tsx';
import { type Catalogue, catalogue, fault, loadCatalogue, loadRuns, runs, trying } from './runs.ts';
import './lab.css';

const answers = signal<Readonly<Record<string, string>>>({});
/** Messages an hour of each device, and octets of each. */
const pace = signal(60);
const bytes = signal(20);
const advice = signal<Advice | undefined>(undefined);
const asking = signal(false);

const POLL_MS = 500;
const MESSAGES = 100;
const HOURS = 24;

/** Slow devices are watched for a day, not for four. */
function workload(): object {
  const messages = Math.min(MESSAGES, Math.ceil(pace.value * HOURS));
  return { messages, rate: pace.value / 3_600, payload: { bytes: bytes.value } };
}

async function ask(): Promise<void> {
  if (asking.value) return;
  asking.value = true;
  // Nobody waits for it: it shows how far the measurement is.
  const timer = setInterval(() => void loadRuns().catch(() => undefined), POLL_MS);
  await trying(async () => {
    advice.value = await api<Advice>('/lab/choose', 'POST', {
      answers: answers.value,
      workload: workload(),
    });
  });
  clearInterval(timer);
  asking.value = false;
}

export function ChoosePage() {
  useEffect(() => void trying(loadCatalogue), []);
  return (
    <div class="page">
      <Head
        title="Which protocol?"
        about="Rules leave out what cannot be, measurements rank the rest. Each reason has its source."
      />
      {catalogue.value === undefined ? (
        <Fault says={fault.value} />
      ) : (
        <div class="lab-choose">
          <Questions of={catalogue.value} />
          <div class="stack" aria-live="polite">
            {advice.value === undefined ? (
              <Empty icon="compass" title="Say what you know">
                The rest may stay as it is. Variants are then measured on that network, on others and on worse
                ones, which takes half a minute for the first time, and the answer says what would change it.
              </Empty>
            ) : (
              <AdviceView
                advice={advice.value}
                of={catalogue.value}
                turn={(question, answer) => {
                  answers.value = { ...answers.value, [question]: answer };
                  void ask();
                }}
              />
            )}
          </div>
        </div>
      )}
    </div>
  );
}

function Questions({ of }: { readonly of: Catalogue }) {
  const running = asking.value ? runs.value?.items.find((r) => r.state === 'running') : undefined;
  return (
    <form
      class="card stack"
      aria-label="Questions"
      onSubmit={(event) => {
        event.preventDefault();
        void ask();
      }}
    >
      {of.questions.map(({ id, asks, choices }) => (
        <label key={id}>
          {asks}
          <select
            value={answers.value[id] ?? choices[0]!.value}
            onChange={(e) => {
              answers.value = { ...answers.value, [id]: e.currentTarget.value };
            }}
          >
            {choices.map(({ value, about }) => (
              <option key={value} value={value}>
                {about === '' ? value : `${value}: ${about}`}
              </option>
            ))}
          </select>
        </label>
      ))}
      <div class="pair">
        <label>
          Messages an hour of each device
          <input
            type="number"
            required
            min={1}
            max={36_000}
            step="any"
            value={pace.value}
            onInput={(e) => {
              pace.value = e.currentTarget.valueAsNumber;
            }}
          />
        </label>
        <label>
          Octets of each
          <input
            type="number"
            required
            min={8}
            max={10_000}
            value={bytes.value}
            onInput={(e) => {
              bytes.value = e.currentTarget.valueAsNumber;
            }}
          />
        </label>
      </div>
      <Fault says={fault.value} />
      {role.value === 'viewer' && (
        <Notice kind="plain">A viewer may look; what is measured for an answer, an admin measures.</Notice>
      )}
      {asking.value ? (
        running === undefined ? (
          <p class="quiet" role="status">
            Asking …
          </p>
        ) : (
          <div class="stack tight">
            <p class="quiet small" role="status">
              What is not known yet is measured: {running.variants.length} variants on{' '}
              {running.networks.join(', ')}. It is kept: another question takes less.
            </p>
            <Progress facts={running} />
          </div>
        )
      ) : (
        <button type="submit" class="main" disabled={role.value === 'viewer'}>
          <Icon name="compass" /> Say which
        </button>
      )}
    </form>
  );
}
