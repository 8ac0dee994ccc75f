// The form for a new connection: dialect and client id in sight, everything else behind a fold.

import { useSignal } from '@preact/signals';
import { DIALECTS, type Dialect, type Qos } from '../links/link.ts';
import { addConnection } from '../store.ts';

interface Props {
  readonly first: boolean;
  done(): void;
}

export function ConnectionForm({ first, done }: Props) {
  const dialect = useSignal<Dialect>('mqtt5');
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? '');
    const will = text('willTopic');
    addConnection({
      dialect: dialect.value,
      clientId: text('clientId'),
      username: text('username'),
      password: text('password'),
      clean: form.has('clean'),
      expirySeconds: Number(text('expiry') || 0),
      keepAliveSeconds: Number(text('keepAlive') || 0),
      will:
        will === ''
          ? undefined
          : {
              topic: will,
              payload: text('willPayload'),
              qos: Number(text('willQos')) as Qos,
              retain: form.has('willRetain'),
            },
    });
    done();
  };
  const session = dialect.value !== 'http';
  return (
    <form class="card" onSubmit={submit} aria-label="New connection">
      {first && (
        <p>
          Connect to this hub, subscribe to <code>demo/#</code>, publish to <code>demo/hello</code>.
        </p>
      )}
      <label>
        Protocol
        <select
          value={dialect.value}
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
      {session && (
        <label>
          Client id
          <input
            name="clientId"
            defaultValue={`browser-${crypto.getRandomValues(new Uint16Array(1))[0]!.toString(36)}`}
          />
        </label>
      )}
      <details>
        <summary>Options</summary>
        <label>
          User <input name="username" autocomplete="username" />
        </label>
        <label>
          Password <input name="password" type="password" autocomplete="current-password" />
        </label>
        {session && (
          <>
            <label class="check">
              <input name="clean" type="checkbox" defaultChecked /> Clean start
            </label>
            {dialect.value !== 'mqtt311' && (
              <label>
                Session expiry, seconds <input name="expiry" type="number" min="0" defaultValue="0" />
              </label>
            )}
            <label>
              Keep alive, seconds{' '}
              <input name="keepAlive" type="number" min="0" max="65535" defaultValue="30" />
            </label>
            <label>
              Will topic <input name="willTopic" />
            </label>
            <label>
              Will payload <input name="willPayload" />
            </label>
            <label>
              Will QoS{' '}
              <select name="willQos">
                <option>0</option>
                <option>1</option>
                <option>2</option>
              </select>
            </label>
            <label class="check">
              <input name="willRetain" type="checkbox" /> Will retained
            </label>
          </>
        )}
      </details>
      <p class="actions">
        <button type="submit">Connect</button>
        {!first && (
          <button type="button" class="plain" onClick={done}>
            Cancel
          </button>
        )}
      </p>
    </form>
  );
}
