// `waymeet lab`: runs, what is kept of them, reports, lists and choices, as a person types them.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Io } from './io.ts';
import { run } from './program.ts';

const root = mkdtempSync(path.join(tmpdir(), 'waymeet-lab-cli-'));
let folder: string;
let count = 0;
beforeEach(() => {
  folder = mkdtempSync(path.join(root, `${count++}-`));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

async function waymeet(
  args: readonly string[],
  options: { stop?: Promise<string>; typed?: string[] } = {},
): Promise<Said> {
  const collect = (): { stream: PassThrough; text: () => string } => {
    const stream = new PassThrough();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return { stream, text: () => Buffer.concat(chunks).toString() };
  };
  const [output, errors] = [collect(), collect()];
  const input: Io['input'] = Readable.from(options.typed ?? []);
  if (options.typed !== undefined) input.isTTY = true;
  const io: Io = {
    input,
    output: output.stream,
    errors: errors.stream,
    environment: {},
    folder,
    stopAsked: () => options.stop ?? new Promise(() => {}),
    onReload: () => {},
    onStop: () => {},
  };
  const code = await run(['lab', ...args], '9.9.9', io);
  return { code, output: output.text(), errors: errors.text() };
}

const TINY = ['--threads', '0', '--messages', '5', '--networks', 'lan', '--variants', 'coap-non,mqtt5-qos0'];
/** Without a look at memory, which takes most of the time. */
const SMALL = [...TINY, '--set', 'memoryClients=0'];

describe('run', () => {
  test('a table on the output, the run kept, and shown again by its id', async () => {
    const ran = await waymeet(['run', ...SMALL]);
    expect([ran.code, ran.output]).toEqual([0, expect.stringMatching(/coap-non +100\.0/)]);
    const [kept] = readdirSync(path.join(folder, 'waymeet-lab'));
    expect(ran.errors).toContain(`2 of 2 cells`);
    expect(ran.errors).toContain(`kept in waymeet-lab/${kept}`);
    const id = kept!.replace('.ndjson', '');
    for (const name of [[], [id], [path.join('waymeet-lab', kept!)]])
      expect((await waymeet(['report', ...name])).output).toBe(ran.output);
    expect((await waymeet(['list', 'runs'])).output).toContain(`${id}  2 of 2  lan`);
  });

  test('lines of JSON, CSV and a page, with what a client takes in memory', async () => {
    const ran = await waymeet(['run', ...TINY, '--json', '--no-save', '--csv', 'a.csv', '--html', 'a.html']);
    const kinds = ran.output
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { kind: string }).kind);
    expect(kinds).toEqual(['run', 'cell', 'cell', 'end']);
    expect(ran.output.match(/"bytesPerClient":\d{4}/g)).toHaveLength(2);
    expect(readFileSync(path.join(folder, 'a.csv'), 'utf8').split('\n')).toHaveLength(4);
    expect(readFileSync(path.join(folder, 'a.html'), 'utf8')).toContain('<svg');
    expect(readdirSync(folder).sort()).toEqual(['a.csv', 'a.html']);
  });

  test('flags come on top of the file', async () => {
    writeFileSync(
      path.join(folder, 'w.yaml'),
      'messages: 7\nrate: 3\ntls: { version: "1.3" }\nnetworks: [wifi]\nvariants: [mqtt5-qos1-tls]\nidleMinutes: 0\n',
    );
    const { output } = await waymeet([
      'run',
      'w.yaml',
      '--json',
      '--no-save',
      '--rate',
      '2',
      '--set',
      'tls.version=1.2',
      'memoryClients=0',
      '--loss',
      '0.05',
      '--outage',
      '1+0.5',
    ]);
    const [head] = output
      .split('\n')
      .map((line) => line && (JSON.parse(line) as { workload: unknown; networks: unknown[] }));
    expect(head).toMatchObject({
      workload: { messages: 7, rate: 2, tls: { version: '1.2' }, outage: { after: 1, seconds: 0.5 } },
      networks: [{ name: 'wifi, 5 % loss', loss: 0.05, burst: 2 }],
    });
  });

  test('who interrupts keeps what was finished', async () => {
    const ran = await waymeet(['run', ...SMALL], { stop: Promise.resolve('SIGINT') });
    expect(ran.code).toBe(1);
    expect(ran.output).toContain('of 2 cells are missing: the run was interrupted');
    expect((await waymeet(['report'])).output).toBe(ran.output);
  });

  test.each([
    [['run', '--variants', 'mqtt'], "there is no variant 'mqtt'"],
    [['run', 'none.yaml'], 'none.yaml cannot be read'],
    [['run', '--outage', '5'], 'it is two numbers of seconds, as 60+30'],
    [['run', '--set', 'x'], '--set x has no value'],
    [['run', '--set', 'x=1'], "a workload has no 'x'"],
    [['run', '--devices', '9', '--messages', '3'], '9 devices cannot share 3 messages'],
    [['report'], 'there is no run in waymeet-lab'],
    [['report', 'none.ndjson'], 'none.ndjson cannot be read: there is no such file'],
    [['list', 'things'], "there is no list 'things'; there are variants"],
    [['choose', '--cloud', 'mine'], "'mine' is no answer to 'cloud'"],
  ])('a mistake: %j', async (args, sentence) => {
    const said = await waymeet(args);
    expect([said.code, said.errors]).toEqual([2, expect.stringContaining(sentence)]);
    expect(said.output).toBe('');
  });
});

describe('choose', () => {
  const QUICK = ['--messages', '3', '--run'];

  async function kept(): Promise<string> {
    await waymeet([
      'run',
      '--threads',
      '0',
      '--messages',
      '3',
      '--networks',
      'lan',
      '--variants',
      'mqtt5-qos1-tls,coap-con-dtls,http-tls',
      '--set',
      'memoryClients=0',
      '--out',
      'r.ndjson',
    ]);
    return 'r.ndjson';
  }

  test('from a run that there is: the first, why, what would change it, and code', async () => {
    const { code, output } = await waymeet([
      'choose',
      ...QUICK,
      await kept(),
      '--cloud',
      'aws',
      '--network',
      'lan',
    ]);
    expect(code).toBe(0);
    expect(output).toMatch(/^MQTT 5 QoS 1, TLS \(mqtt5-qos1-tls\)/);
    expect(output).toContain('AWS IoT Core does not speak it');
    expect(output).toMatch(/What would change the answer\n {2}\w+/);
    expect(output).toContain("import { connect } from 'waymeet/client';");
    expect(output).toMatch(/seed 1, waymeet 9\.9\.9; run [0-9a-f]{12}\.$/m);
  });

  test('as JSON, for a page', async () => {
    const { output } = await waymeet([
      'choose',
      ...QUICK,
      await kept(),
      '--network',
      'lan',
      '--restful',
      'yes',
      '--json',
    ]);
    expect(JSON.parse(output)).toMatchObject({
      answers: { restful: 'yes', delivery: 'at-least-once' },
      ranking: [{ variant: 'coap-con-dtls' }, { variant: 'http-tls' }],
    });
  });

  test('on a terminal what no flag says is asked; a number, a word or nothing answers', async () => {
    const typed = ['1\n', 'best-effort\n', 'nonsense\n', '2\n', '\n', '\n', '\n', '\n', '\n', '\n', '\n'];
    const { output, errors } = await waymeet(['choose', ...QUICK, await kept(), '--network', 'lan'], {
      typed,
    });
    expect(errors).toContain('What must be true of each message?');
    expect(errors).not.toContain('What network is it on?');
    expect(output).toContain('it has no resources and methods'); // restful: 2
  });

  test('who interrupts keeps what was measured, and is told that the next time goes on from there', async () => {
    const stop = Promise.resolve('SIGINT');
    const said = await waymeet(['choose', '--network', 'lan', '--messages', '2'], { stop });
    expect([said.code, said.output]).toEqual([1, '']);
    expect(said.errors).toMatch(/interrupted after \d+ of \d{3} cells: they are kept/);
    const [kept] = readdirSync(path.join(folder, 'waymeet-lab', 'choose'));
    expect((await waymeet(['report', kept!.replace('.ndjson', '')])).output).toContain(
      'the run was interrupted',
    );
    const none = await waymeet(['choose', '--network', 'lan', '--no-save'], { stop });
    expect(none.errors).toContain('nothing can be said yet');
  });

  test('questions and rules', async () => {
    const { output } = await waymeet(['choose', '--list']);
    expect(output).toContain('--cloud');
    expect(output).toContain('AWS IoT Core has no QoS 2');
  });
});

test('lists', async () => {
  const { output } = await waymeet(['list']);
  for (const word of ['mqtt5-qos2-tls', 'coap-non', 'nb-iot', 'nrf9160-lte-m'])
    expect(output).toContain(word);
  const { output: json } = await waymeet(['list', 'networks', '--json']);
  for (const line of json.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('source');
});
