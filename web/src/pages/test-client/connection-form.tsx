// The form for a new connection: protocol and client id in sight, everything else behind folds.

import { useSignal } from '@preact/signals';
import { addConnection, freshClientId } from '../../client/connections.ts';
import { pairsOf } from '../../client/publishing.ts';
import { DIALECTS, type Dialect, type LinkOptions, type Qos, type WillOptions } from '../../links/link.ts';
import { Fault } from '../../parts/parts.tsx';

interface Props {
  readonly first: boolean;
  done(): void;
}

const ABOUT: Readonly<Record<Dialect, string>> = {
  mqtt5: 'Properties, expiry, reasons: the whole protocol, over WebSocket.',
  mqtt311: 'What most devices speak.',
  coap: 'RFC 8323 over WebSocket: subscriptions are observations.',
  waymeet: 'JSON frames that anybody can write by hand.',
  http: 'POST to publish, server-sent events to listen.',
};

export function ConnectionForm({ first, done }: Props) {
  const dialect = useSignal<Dialect>('mqtt5');
  const fault = useSignal('');
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    try {
      addConnection(optionsOf(dialect.value, new FormData(event.currentTarget as HTMLFormElement)));
      done();
    } catch (error) {
      fault.value = (error as Error).message;
    }
  };
  const d = dialect.value;
  return (
    <form class="card stack tight" onSubmit={submit} aria-label="New connection">
      <h2>New connection</h2>
      <label>
        Protocol
        <select
          value={d}
          onChange={(e) => {
            dialect.value = e.currentTarget.value as Dialect;
          }}
        >
          {Object.entries(DIALECTS).map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <p class="quiet small">{ABOUT[d]}</p>
      {d !== 'http' && (
        <label>
          Client id
          <input name="clientId" class="mono" spellcheck={false} defaultValue={freshClientId()} />
        </label>
      )}
      <details>
        <summary>Login</summary>
        <div class="stack tight">
          <label>
            User <input name="username" autocomplete="username" autocapitalize="none" />
          </label>
          <label>
            Password or token
            <input name="password" type="password" autocomplete="current-password" />
          </label>
        </div>
      </details>
      {d !== 'http' && <SessionFields dialect={d} />}
      {d !== 'http' && d !== 'coap' && <WillFields rich={d !== 'mqtt311'} />}
      <Fault says={fault.value} />
      <div class="row">
        <button type="submit" class="main spread">
          Connect
        </button>
        {!first && (
          <button type="button" onClick={done}>
            Cancel
          </button>
        )}
      </div>
    </form>
  );
}

function SessionFields({ dialect }: { readonly dialect: Dialect }) {
  const five = dialect === 'mqtt5';
  return (
    <details>
      <summary>Session</summary>
      <div class="stack tight">
        {dialect !== 'coap' && (
          <label class="check">
            <input name="clean" type="checkbox" defaultChecked />{' '}
            {dialect === 'mqtt311' ? 'Clean session' : 'Clean start'}
          </label>
        )}
        <div class="pair">
          <NumberField name="keepAlive" title="Keep alive, s" most={65_535} value={30} />
          {(five || dialect === 'waymeet') && (
            <NumberField name="expiry" title="Session expiry, s" most={4_294_967_295} />
          )}
          {five && <NumberField name="receiveMaximum" title="Receive maximum" most={65_535} />}
          {five && (
            <NumberField name="maximumPacketBytes" title="Largest packet, octets" most={268_435_455} />
          )}
          {five && <NumberField name="topicAliasMaximum" title="Topic aliases" most={65_535} />}
        </div>
        {five && <UserProperties name="user" />}
      </div>
    </details>
  );
}

/** `rich`: a will has properties. */
function WillFields({ rich }: { readonly rich: boolean }) {
  return (
    <details>
      <summary>Will</summary>
      <div class="stack tight">
        <label>
          Topic <input name="willTopic" class="mono" spellcheck={false} placeholder="none" />
        </label>
        <label>
          Payload <textarea name="willPayload" class="mono" rows={2} />
        </label>
        <div class="row">
          <label class="check">
            QoS
            <select name="willQos" class="narrow">
              {[0, 1, 2].map((qos) => (
                <option key={qos}>{qos}</option>
              ))}
            </select>
          </label>
          <label class="check">
            <input name="willRetain" type="checkbox" /> Retain
          </label>
        </div>
        {rich && (
          <>
            <div class="pair">
              <NumberField name="willDelay" title="Delay, s" most={4_294_967_295} />
              <NumberField name="willExpiry" title="Expiry, s" most={4_294_967_295} />
            </div>
            <label>
              Content type <input name="willContentType" class="mono" />
            </label>
            <div class="pair">
              <label>
                Response topic <input name="willResponseTopic" class="mono" />
              </label>
              <label>
                Correlation <input name="willCorrelation" class="mono" />
              </label>
            </div>
            <UserProperties name="willUser" />
          </>
        )}
      </div>
    </details>
  );
}

interface NumberProps {
  readonly name: string;
  readonly title: string;
  readonly most: number;
  readonly value?: number;
}

/** Left empty, nothing is said. */
function NumberField({ name, title, most, value }: NumberProps) {
  return (
    <label>
      {title}
      <input
        name={name}
        type="number"
        min="0"
        max={most}
        {...(value !== undefined && { defaultValue: value })}
      />
    </label>
  );
}

function UserProperties({ name }: { readonly name: string }) {
  return (
    <label>
      User properties, name=value, one a line
      <textarea name={name} class="mono" rows={2} spellcheck={false} />
    </label>
  );
}

function optionsOf(dialect: Dialect, form: FormData): LinkOptions {
  const text = (name: string) => String(form.get(name) ?? '');
  const number = (name: string) => Number(text(name) || 0);
  return {
    dialect,
    clientId: text('clientId'),
    username: text('username'),
    password: text('password'),
    clean: form.has('clean'),
    expirySeconds: number('expiry'),
    keepAliveSeconds: number('keepAlive'),
    receiveMaximum: number('receiveMaximum'),
    maximumPacketBytes: number('maximumPacketBytes'),
    topicAliasMaximum: number('topicAliasMaximum'),
    user: pairsOf(text('user')),
    will: text('willTopic') === '' ? undefined : willOf(text, number, form.has('willRetain')),
  };
}

function willOf(
  text: (name: string) => string,
  number: (name: string) => number,
  retain: boolean,
): WillOptions {
  return {
    topic: text('willTopic'),
    payload: text('willPayload'),
    qos: number('willQos') as Qos,
    retain,
    delaySeconds: number('willDelay'),
    expirySeconds: number('willExpiry'),
    contentType: text('willContentType'),
    responseTopic: text('willResponseTopic'),
    correlation: text('willCorrelation'),
    user: pairsOf(text('willUser')),
  };
}
