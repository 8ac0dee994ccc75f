// A hub with a web port, for the tests of HTTP, the admin API and the dashboard.

import { resolveConfig } from '../../src/server/config/resolve.ts';
import { formatProblem } from '../../src/server/config/source.ts';
import { createLog } from '../../src/server/log.ts';
import { type Server, startServer } from '../../src/server/start.ts';

/** Starts one in this process, in memory, on free ports; `settings` over that. `announce` gets what is for the person at the terminal. */
export async function startHub(
  settings: Readonly<Record<string, unknown>> = {},
  announce: (line: string) => void = () => undefined,
): Promise<Server> {
  const {
    config,
    problems,
    settings: all,
  } = resolveConfig({
    settings: {
      host: '127.0.0.1',
      listeners: [
        { name: 'mqtt', type: 'tcp', port: 0 },
        { name: 'web', type: 'ws', port: 0 },
        { name: 'coap', type: 'udp', port: 0 },
      ],
      store: { durability: 'memory' },
      sys: { interval: 'never' },
      ...settings,
    },
  });
  if (config === undefined) throw new Error(problems.map(formatProblem).join('\n'));
  const log = createLog({ level: 'warn', format: 'json' }, process.stderr);
  return startServer(config, { log, version: '0.0.0-test', settings: all, announce });
}

/** Reads server-sent events one by one. */
export async function* events(
  response: Response,
): AsyncGenerator<{ readonly type: string; readonly id: string | undefined; readonly data: never }> {
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      text = text.slice(end + 2);
      const data = fields.get('data');
      if (data !== undefined)
        yield {
          type: fields.get('event') ?? 'message',
          id: fields.get('id'),
          data: JSON.parse(data) as never,
        };
    }
  }
}
