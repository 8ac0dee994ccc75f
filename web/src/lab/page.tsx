// The Lab: small runs of one workload over many protocols, runs of before, one of them whole, two over each other.

import { useEffect } from 'preact/hooks';
import { linkTo, route } from '../frame/route.ts';
import { Fault, Head } from '../parts/parts.tsx';
import { draft, firstDraft } from './draft.ts';
import { RunForm } from './form.tsx';
import { Overlay } from './overlay.tsx';
import { PastRuns } from './past.tsx';
import { RunView } from './run-view.tsx';
import { catalogue, fault, loadCatalogue, loadRuns, runs, trying } from './runs.ts';
import './lab.css';

export function LabPage() {
  const [, what, one, other] = route.value;
  useEffect(() => {
    fault.value = ''; // of the page before
  }, [what, one]);
  const inside = (what === 'run' || what === 'overlay') && one !== undefined;
  return (
    <div class="page">
      <Head
        title="Lab"
        about="One workload through many protocols, over simulated networks, in figures. What runs is the real protocol code; links, TCP and TLS are a model. The same seed gives the same figures."
      >
        {inside ? (
          <a class="button-like" href={linkTo('lab')}>
            All runs
          </a>
        ) : (
          <a class="button-like" href={linkTo('choose')}>
            Which protocol?
          </a>
        )}
      </Head>
      {what === 'run' && one !== undefined ? (
        <RunView key={one} run={one} />
      ) : what === 'overlay' && one !== undefined && other !== undefined ? (
        <Overlay key={`${one} ${other}`} one={one} other={other} />
      ) : (
        <Start />
      )}
    </div>
  );
}

/** How often the list is asked while a run is on its way. */
const POLL_MS = 1_000;

function Start() {
  useEffect(() => {
    void trying(async () => {
      await Promise.all([loadCatalogue(), loadRuns()]);
      draft.value ??= firstDraft(catalogue.value!);
    });
  }, []);
  const running = runs.value?.items.find((r) => r.state === 'running');
  useEffect(() => {
    if (running === undefined) return;
    const timer = setInterval(() => void loadRuns().catch(() => undefined), POLL_MS); // the next one tells
    return () => clearInterval(timer);
  }, [running?.run]);
  if (catalogue.value === undefined || draft.value === undefined || runs.value === undefined)
    return fault.value === '' ? <p class="quiet">Loading …</p> : <Fault says={fault.value} />;
  return (
    <div class="main-and-side">
      <RunForm of={catalogue.value} draft={draft.value} running={running} />
      <PastRuns of={runs.value} />
    </div>
  );
}
