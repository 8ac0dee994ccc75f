// The answer to which protocol: the first one, why, what comes after it, what would change it, and the code to start with.

import { useSignal } from '@preact/signals';
import type { Advice, Ranked, Reason } from '../../../src/lab/choose/advice.ts';
import { format } from '../../../src/lab/report/columns.ts';
import { linkTo } from '../frame/route.ts';
import { Icon } from '../parts/icons.tsx';
import { Notice, Paste } from '../parts/parts.tsx';
import { msInWords } from './bars.tsx';
import type { Catalogue } from './runs.ts';

interface AdviceProps {
  readonly advice: Advice;
  readonly of: Catalogue;
  /** Asks again with another answer to one question. */
  turn(question: string, answer: string): void;
}

export function AdviceView({ advice, of, turn }: AdviceProps) {
  const [first] = advice.ranking;
  return (
    <>
      {first === undefined ? (
        <Notice kind="warn">
          Nothing fits: every variant is left out. Below is by which rule, and which other answer would help.
        </Notice>
      ) : (
        <First ranked={first} advice={advice} />
      )}
      {advice.ranking.length > 1 && <Ranking ranking={advice.ranking} />}
      <Turns advice={advice} of={of} turn={turn} />
      {advice.start !== undefined && <StartWith start={advice.start} />}
      <LeftOut excluded={advice.excluded} />
    </>
  );
}

function First({ ranked: r, advice }: { readonly ranked: Ranked; readonly advice: Advice }) {
  const f = r.figures;
  const figures: readonly (readonly [value: string, name: string])[] = [
    [format(f.bytesPerMessage, 0), 'octets a message'],
    [msInWords(f.p99Ms), 'latency, 99th percentile'],
    [`${format(f.deliveredPercent, 1)} %`, 'delivered'],
    [format(f.setupBytes, 0), 'octets to set up'],
    [format(f.idleBytesPerHour, 0), 'octets an idle hour'],
    // Of what hangs on the mains there is none.
    ...(f.energyProxyMj > 0
      ? [[`${format(f.energyProxyMj, 1)} mJ`, 'a message, energy proxy'] as const]
      : []),
  ];
  return (
    <section class="card stack tight lab-first" aria-label="The answer">
      <h2>
        <Icon name="tick" size={20} /> {r.title}
      </h2>
      <dl class="lab-figures">
        {figures.map(([value, name]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="tabular">{value}</dd>
          </div>
        ))}
      </dl>
      <Reasons of={r.reasons} />
      <p class="small">
        Measured on {advice.network}:{' '}
        {advice.runs.map((run, i) => (
          <span key={run}>
            {i > 0 && ', '}
            <a href={linkTo('lab', 'run', run)}>
              run <code>{run}</code>
            </a>
          </span>
        ))}
        .
      </p>
    </section>
  );
}

function Reasons({ of }: { readonly of: readonly Reason[] }) {
  if (of.length === 0) return <p class="small">No rule speaks for or against it: its figures do.</p>;
  return (
    <ul class="lab-reasons">
      {of.map(({ rule, because, source, points = 0 }) => (
        <li key={rule}>
          <span class={`badge ${points > 0 ? 'good' : 'warn'}`}>{signed(points)}</span>
          <span>
            {because} <span class="quiet small">{source}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}

function signed(points: number): string {
  return `${points > 0 ? '+' : '−'}${format(Math.abs(points), 2)}`;
}

const SOME = 8;

function Ranking({ ranking }: { readonly ranking: readonly Ranked[] }) {
  const whole = useSignal(false);
  const shown = whole.value ? ranking : ranking.slice(0, SOME);
  const most = Math.max(...ranking.map((r) => Math.max(r.score, r.measured)));
  return (
    <section class="card" aria-label="Ranking">
      <h2>Ranking</h2>
      <p class="quiet small">What the figures are worth, 0 to 1, and what rules add or take.</p>
      <ol class="lab-ranking">
        {shown.map((r) => (
          <li key={r.variant}>
            <details>
              <summary>
                <span class="spread">{r.title}</span>
                <span class="lab-score" aria-hidden="true">
                  <i
                    class="paint-plain"
                    style={{ width: `${(100 * Math.max(0, Math.min(r.score, r.measured))) / most}%` }}
                  />
                  <i
                    class={r.score > r.measured ? 'paint-good' : 'paint-lack'}
                    style={{ width: `${(100 * Math.abs(r.score - r.measured)) / most}%` }}
                  />
                </span>
                <span class="tabular">{format(r.score, 2)}</span>
              </summary>
              <p class="small">
                {format(r.measured, 2)} by its figures: {format(r.figures.bytesPerMessage, 0)} octets a
                message, p99 {msInWords(r.figures.p99Ms)}, {format(r.figures.deliveredPercent, 1)} %
                delivered, {format(r.figures.idleBytesPerHour, 0)} octets an idle hour, energy proxy{' '}
                {format(r.figures.energyProxyMj, 1)} mJ.
              </p>
              <Reasons of={r.reasons} />
            </details>
          </li>
        ))}
      </ol>
      {ranking.length > SOME && (
        <button
          type="button"
          onClick={() => {
            whole.value = !whole.value;
          }}
        >
          {whole.value ? 'Fewer' : `All ${ranking.length}`}
        </button>
      )}
    </section>
  );
}

function Turns({ advice: { turns }, of, turn }: AdviceProps) {
  // A worse network is no answer that can be given.
  const isAnswer = (id: string, answer: string) =>
    of.questions.some((q) => q.id === id && q.choices.some((c) => c.value === answer));
  const titleOf = (id: string) => of.variants.find((v) => v.id === id)?.title ?? 'nothing';
  return (
    <section class="card stack tight" aria-label="What would change the answer">
      <h2>What would change the answer</h2>
      {turns.length === 0 && <p class="quiet">No other answer to one question alone.</p>}
      <ul class="lab-turns">
        {turns.map(({ question, answer, about, first, because }) => (
          <li key={`${question} ${answer}`}>
            {isAnswer(question, answer) ? (
              <button type="button" title="Ask again with it" onClick={() => turn(question, answer)}>
                {question}: {answer}
              </button>
            ) : (
              <span class="badge">
                {question} {answer}
              </span>
            )}
            <span class="small">
              {first === 'none' ? 'nothing fits' : titleOf(first)}
              <span class="quiet"> ({[about, because].filter((text) => text !== '').join('; ')})</span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function StartWith({ start }: { readonly start: NonNullable<Advice['start']> }) {
  return (
    <section class="card stack tight" aria-label="To start with">
      <h2>To start with</h2>
      <h3>Terminal</h3>
      <Paste text={start.shell} label="Copy the commands" />
      <h3>JavaScript</h3>
      <Paste text={start.javascript} label="Copy the code" />
      <p class="small">On devices, and in other languages: {start.libraries.join(', ')}.</p>
    </section>
  );
}

function LeftOut({ excluded }: { readonly excluded: Advice['excluded'] }) {
  const byRule = new Map<string, { reason: Reason; variants: string[] }>();
  for (const { variant, reasons } of excluded) {
    const [reason] = reasons;
    const same = byRule.get(reason!.rule) ?? { reason: reason!, variants: [] };
    same.variants.push(variant);
    byRule.set(reason!.rule, same);
  }
  if (byRule.size === 0) return null;
  return (
    <section class="card" aria-label="Left out">
      <h2>Left out</h2>
      <ul class="stack tight">
        {[...byRule].map(([rule, { reason, variants }]) => (
          <li key={rule}>
            <details>
              <summary>
                {variants.length} because {reason.because}
              </summary>
              <p class="small quiet">{reason.source}</p>
              <p class="mono small">{variants.join(', ')}</p>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
