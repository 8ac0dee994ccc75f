// Who is kept out: the bans that hold, who lifts them, and the form that bans or sends away.

import { signal, useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { addressOf } from '../../../src/hub/address.ts';
import { api, mayChange } from '../api.ts';
import { when } from '../parts/numbers.ts';
import { Certain, Choice, Fault, Select } from '../parts/parts.tsx';
import type { Client } from './client-card.tsx';

const KINDS = { client: 'Client id', user: 'User', address: 'Address' } as const;
type Kind = keyof typeof KINDS;

const SPANS = {
  '600': '10 minutes',
  '3600': 'an hour',
  '86400': 'a day',
  '604800': 'a week',
  '': 'until it is lifted',
} as const;

interface Ban {
  readonly kind: Kind;
  readonly value: string;
  readonly since: number;
  readonly until: number | null;
  readonly why: string;
  readonly by: 'admin' | 'hub';
}

const bans = signal<readonly Ban[]>([]);

/** The form of one client changes the list of all. */
async function lookAtBans(): Promise<void> {
  bans.value = (await api<{ items: Ban[] }>('/bans')).items;
}

export function BansCard({ seconds }: { readonly seconds: number | undefined }) {
  const fault = useSignal('');
  const attempt = async (what: () => Promise<unknown>) => {
    try {
      await what();
      fault.value = '';
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  useEffect(() => void attempt(lookAtBans), [seconds]);
  const lift = (b: Ban) =>
    attempt(async () => {
      await api(`/bans/${b.kind}/${encodeURIComponent(b.value)}`, 'DELETE');
      await lookAtBans();
    });
  return (
    <section class="card scroll" aria-label="Kept out">
      <h2>
        Kept out <span class="quiet number">{bans.value.length}</span>
      </h2>
      <Fault says={fault.value} />
      {bans.value.length === 0 ? (
        <p class="quiet">Nobody is banned.</p>
      ) : (
        <table class="rows">
          <thead>
            <tr>
              <th>Who</th>
              <th>Until</th>
              <th>Why</th>
              {mayChange() && <th />}
            </tr>
          </thead>
          <tbody>
            {bans.value.map((b) => (
              <tr key={`${b.kind} ${b.value}`}>
                <td>
                  <span class="badge">{KINDS[b.kind]}</span> <code>{b.value}</code>
                </td>
                <td class="quiet tabular">{b.until === null ? 'it is lifted' : when(b.until)}</td>
                <td class="quiet">
                  {b.why}
                  {b.by === 'hub' && ' (the hub)'}
                </td>
                {mayChange() && (
                  <td class="number">
                    <button type="button" aria-label={`Lift the ban of ${b.value}`} onClick={() => lift(b)}>
                      Lift
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {mayChange() && (
        <details>
          <summary>Keep somebody out</summary>
          <BanForm />
        </details>
      )}
    </section>
  );
}

/** With a client, the form proposes what is known of it. */
export function BanFold({ client }: { readonly client: Pick<Client, 'client'> & Partial<Client> }) {
  if (!mayChange()) return null;
  return (
    <details>
      <summary>Keep out</summary>
      <BanForm client={client} />
    </details>
  );
}

function BanForm({ client }: { readonly client?: Pick<Client, 'client'> & Partial<Client> }) {
  const proposed = (kind: Kind): string =>
    kind === 'client'
      ? (client?.client ?? '')
      : kind === 'user'
        ? (client?.principal ?? '')
        : addressOf(client?.remote ?? '');
  const kind = useSignal<Kind>('client');
  const value = useSignal(proposed('client'));
  const seconds = useSignal<keyof typeof SPANS>('3600');
  const why = useSignal('');
  const said = useSignal('');
  const fault = useSignal('');

  const attempt = async (what: () => Promise<string>) => {
    try {
      said.value = await what();
      fault.value = '';
    } catch (error) {
      said.value = '';
      fault.value = (error as Error).message;
    }
  };
  const ban = () =>
    attempt(async () => {
      await api('/bans', 'POST', {
        kind: kind.value,
        value: value.value,
        ...(seconds.value !== '' && { seconds: Number(seconds.value) }),
        ...(why.value !== '' && { why: why.value }),
      });
      await lookAtBans();
      return `${value.value} is not let in.`;
    });
  const kick = () =>
    attempt(async () => {
      const { kicked } = await api<{ kicked: number }>('/kick', 'POST', { [kind.value]: value.value });
      return `${kicked} sent away; nothing keeps them from coming back.`;
    });
  return (
    <div class="stack tight">
      <Choice
        label="By"
        options={KINDS}
        value={kind.value}
        choose={(k) => {
          kind.value = k;
          value.value = proposed(k);
        }}
      />
      <div class="row wrap">
        <input
          class="mono spread"
          aria-label="Who"
          placeholder={KINDS[kind.value].toLowerCase()}
          spellcheck={false}
          autocapitalize="none"
          value={value.value}
          onInput={(e) => {
            value.value = e.currentTarget.value;
          }}
        />
        <Select
          label="How long"
          options={SPANS}
          value={seconds.value}
          choose={(s) => {
            seconds.value = s;
          }}
        />
      </div>
      <input
        aria-label="Why"
        placeholder="why, for those who read it later"
        value={why.value}
        onInput={(e) => {
          why.value = e.currentTarget.value;
        }}
      />
      <Fault says={fault.value} />
      <p class="saying good" role="status">
        {said.value}
      </p>
      {value.value !== '' && (
        <p class="row wrap">
          <Certain label="Ban" sure="Ban for sure?" act={ban} />
          <Certain label="Send away" sure="Send all of them away?" act={kick} />
        </p>
      )}
    </div>
  );
}
