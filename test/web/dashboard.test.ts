// The dashboard in a real Chromium: the test client over every protocol, messages by the thousand, hubs that go and come back.

import { createSocket } from 'node:dgram';
import { connectAsync, type MqttClient } from 'mqtt';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Server } from '../../src/server/start.ts';
import { octets } from '../hex.ts';
import { hasChromium, openBrowser, openPage } from './browser.ts';
import { startHub } from './hub.ts';

describe.skipIf(!hasChromium)('test client in Chromium', () => {
  let browser: Browser;
  let hub: Server;
  let page: Page;
  let device: MqttClient;
  let complaints: string[];

  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    hub = await startHub();
    device = await connectAsync(hub.address('mqtt'), { clientId: 'device-1', protocolVersion: 5 });
    ({ page, complaints } = await openPage(browser, hub.address('web')));
  });
  afterEach(async () => {
    await page.close();
    await device.endAsync();
    await hub.stop();
    expect(complaints).toEqual([]);
  });

  const cards = () => page.getByRole('region', { name: /^Connection #/ });
  const connect = async (protocol: string, fill?: () => Promise<void>) => {
    const add = page.getByRole('button', { name: 'Add a connection' });
    if (await add.isVisible()) await add.click();
    const form = page.getByRole('form', { name: 'New connection' });
    await form.getByLabel('Protocol').selectOption({ label: protocol });
    await fill?.();
    await form.getByRole('button', { name: 'Connect' }).click();
    await page.getByText('connected', { exact: true }).last().waitFor();
  };
  const subscribe = async (filter: string, number = 0) => {
    const card = cards().nth(number);
    await card.getByLabel('Topic filter').fill(filter);
    await card.getByRole('button', { name: 'Subscribe', exact: true }).click();
    await card
      .getByRole('listitem')
      .filter({ hasText: filter })
      .getByText(/^QoS [012]$/)
      .waitFor();
  };
  const publishForm = () => page.getByRole('form', { name: 'Publish' });
  const publish = () => publishForm().getByRole('button', { name: 'Publish' }).click();
  const lines = () => page.getByRole('listbox', { name: 'Messages' }).getByRole('option');
  const line = (text: string) => lines().filter({ hasText: text });

  const PROTOCOLS: readonly [protocol: string, field: string][] = [
    ['MQTT 5', 'Topic name'],
    ['MQTT 3.1.1', 'Topic name'],
    ['CoAP', 'Location-Path'],
    ['waymeet.v1', 'topic'],
    ['HTTP + SSE', 'data'],
  ];
  test.each(PROTOCOLS)(
    '%s: subscribes by wildcard, hears a device, publishes and hears itself, shows the packet',
    async (protocol, field) => {
      await connect(protocol);
      await subscribe('demo/#');
      await device.publishAsync('demo/from-device', '{"t":21.5}', {
        qos: 1,
        properties: { contentType: 'application/json' },
      });
      await line('demo/from-device').waitFor();
      await publish();
      await expect.poll(() => line('demo/hello').count()).toBe(2);
      await line('demo/from-device').click();
      const json = protocol === 'MQTT 3.1.1' ? 'JSON' : 'Auto'; // which has no content type
      await page.getByRole('radiogroup', { name: 'View' }).getByRole('radio', { name: json }).click();
      await page.locator('pre.payload').filter({ hasText: '"t": 21.5' }).waitFor();
      await page.getByRole('radio', { name: 'Packet anatomy' }).click();
      await page.getByRole('rowheader', { name: field, exact: true }).first().waitFor();
      expect(await page.getByRole('rowheader', { name: 'The rest' }).count()).toBe(0);
      await page.keyboard.press('Escape');
      await page.getByRole('radio', { name: 'Packets', exact: true }).click();
      await page.getByRole('listbox', { name: 'Packets' }).getByRole('option').nth(1).click();
      await page
        .getByRole('region', { name: 'Packet', exact: true })
        .getByRole('rowheader')
        .first()
        .waitFor();
    },
  );

  test('one button opens three protocols, and a message crosses', async () => {
    await page.getByRole('button', { name: 'Show me' }).click();
    await expect.poll(() => page.getByText('connected', { exact: true }).count()).toBe(3);
    await expect
      .poll(() => page.getByText('QoS 0', { exact: true }).filter({ visible: true }).count())
      .toBe(3);
    await publish();
    await expect.poll(() => line('demo/hello').count()).toBe(4);
  });

  test('every property and the will of MQTT 5 reach an MQTT client', async () => {
    await device.subscribeAsync(['demo/#', 'will/#'], { qos: 1 });
    const heard: { topic: string; text: string; properties: unknown }[] = [];
    device.on('message', (topic, payload, { properties }) =>
      heard.push({ topic, text: String(payload), properties }),
    );
    await connect('MQTT 5', async () => {
      const form = page.getByRole('form', { name: 'New connection' });
      await form.getByText('Will', { exact: true }).click();
      const will = form.locator('details').filter({ has: page.locator('[name=willTopic]') });
      await will.getByLabel('Topic', { exact: true }).fill('will/gone');
      await will.getByLabel('Payload').fill('bye');
      await will.getByLabel('Content type').fill('text/plain');
      await will.getByLabel(/User properties/).fill('a=1');
    });
    const form = publishForm();
    await form.getByLabel('Payload is').selectOption('cbor');
    await form.getByLabel('Payload', { exact: true }).fill('{"t":1}');
    await form.getByLabel('QoS').selectOption('2');
    await form.getByText('Properties', { exact: true }).click();
    await form.getByLabel('Expiry, seconds').fill('60');
    await form.getByLabel('Response topic').fill('demo/re');
    await form.getByLabel('Correlation data').fill('c1');
    await form.getByLabel(/User properties/).fill('k=v\nk=w=x');
    await publish();
    await page.getByText('The hub has it').waitFor();
    await page.reload(); // nobody says goodbye: the will is published
    await expect.poll(() => heard.map((m) => m.topic)).toEqual(['demo/hello', 'will/gone']);
    expect(heard[0]!.text).toBe(Buffer.from('a1617401', 'hex').toString());
    expect(heard[0]!.properties).toMatchObject({
      contentType: 'application/cbor',
      responseTopic: 'demo/re',
      correlationData: Buffer.from('c1'),
      userProperties: { k: ['v', 'w=x'] },
    });
    expect(heard[1]).toMatchObject({
      text: 'bye',
      properties: { contentType: 'text/plain', userProperties: { a: '1' } },
    });
  });

  test('the login says its properties and shows the answer; a packet for two subscriptions is one line', async () => {
    await connect('MQTT 5', async () => {
      const form = page.getByRole('form', { name: 'New connection' });
      await form.getByText('Session', { exact: true }).click();
      await form.getByLabel('Keep alive, s').fill('77');
      await form.getByLabel('Topic aliases').fill('5');
      await form
        .locator('details')
        .filter({ has: page.locator('[name=user]') })
        .getByLabel(/User properties/)
        .fill('site=north');
    });
    await cards().getByText('What the hub said').click();
    await cards().getByText('77 s').waitFor();
    await subscribe('demo/#');
    await cards().getByText('Subscription options').click();
    await cards().getByLabel('Identifier').fill('42');
    await subscribe('demo/+');
    await device.publishAsync('demo/both', 'once', { qos: 1 });
    await line('demo/both').waitFor();
    await cards().getByText('1 received').waitFor();
    for (const filter of ['demo/#', 'demo/+'])
      await cards()
        .getByRole('listitem')
        .filter({ hasText: filter })
        .getByText('1', { exact: true })
        .waitFor();
    expect(await line('demo/both').count()).toBe(1);
    await line('demo/both').click();
    await page.getByRole('radio', { name: 'Packet anatomy' }).click();
    await page.getByRole('cell', { name: '42', exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('radio', { name: 'Packets', exact: true }).click();
    await page
      .getByRole('listbox', { name: 'Packets' })
      .getByRole('option')
      .filter({ hasText: 'CONNECT' })
      .click();
    await page.getByRole('cell', { name: /site.*north/ }).waitFor();
  });

  test.each(['MQTT 5', 'MQTT 3.1.1', 'waymeet.v1'])('%s: exactly once, both ways', async (protocol) => {
    await connect(protocol);
    await cards().getByLabel('QoS').selectOption('2');
    await subscribe('demo/#');
    await cards().getByText('QoS 2', { exact: true }).first().waitFor();
    await publishForm().getByLabel('QoS').selectOption('2');
    await publish();
    await page.getByText('The hub has it').waitFor();
    await expect.poll(() => line('demo/hello').count()).toBe(2);
    await page.getByRole('radio', { name: 'Packets', exact: true }).click();
    const last = protocol === 'waymeet.v1' ? /^.*(?:ack|published).*$/ : /PUBCOMP/;
    await expect
      .poll(() =>
        page.getByRole('listbox', { name: 'Packets' }).getByRole('option').filter({ hasText: last }).count(),
      )
      .toBeGreaterThanOrEqual(2);
  });

  test('connections, their subscriptions and drafts outlive a reload of the page', async () => {
    await connect('MQTT 5');
    await subscribe('demo/#');
    await publishForm().getByLabel('Topic', { exact: true }).fill('demo/kept');
    await publish();
    await line('demo/kept').first().waitFor();
    await page.reload();
    await cards().getByRole('listitem').filter({ hasText: 'demo/#' }).getByText('QoS 0').waitFor();
    expect(await publishForm().getByLabel('Topic', { exact: true }).inputValue()).toBe('demo/kept');
    await publishForm().getByText('History').click();
    await publishForm()
      .getByRole('button', { name: /demo\/kept/ })
      .waitFor();
  });

  test('a hub that restarts is found again, with the subscriptions and the messages of before', async () => {
    await connect('MQTT 5');
    await connect('CoAP');
    await subscribe('demo/#', 0);
    await subscribe('demo/#', 1);
    await device.publishAsync('demo/before', '1', { qos: 1 });
    await expect.poll(() => line('demo/before').count()).toBe(2);
    const { port } = new URL(hub.address('web'));
    await device.endAsync();
    await hub.stop();
    await page.getByText('lost, trying again').first().waitFor();
    await page.getByRole('status').getByText('Hub not reachable, trying again').first().waitFor();
    await page.getByText('the hub does not answer').first().waitFor();
    hub = await startHub({
      listeners: [
        { name: 'mqtt', type: 'tcp', port: 0 },
        { name: 'web', type: 'ws', port: Number(port) },
      ],
    });
    await expect.poll(() => page.getByText('connected', { exact: true }).count()).toBe(2);
    device = await connectAsync(hub.address('mqtt'));
    await expect
      .poll(async () => {
        await device.publishAsync('demo/after', '2', { qos: 1 });
        return new Set(await line('demo/after').locator('.who').allTextContents()).size;
      })
      .toBe(2);
    expect(await line('demo/before').count()).toBe(2);
  });

  test('5,000 messages: all counted, few drawn, found by search and by filter, paused, chosen by keys', async () => {
    await connect('MQTT 5');
    await subscribe('many/#');
    for (let i = 0; i < 5_000; i++) device.publish(`many/${i % 500}`, `value ${i}`);
    await page.getByText('5000 of 5000 messages').waitFor();
    expect(await lines().count()).toBeLessThan(100);
    await page.getByLabel('Show topics').fill('many/+/x');
    await page.getByText('0 of 5000 messages').waitFor();
    await page.getByLabel('Show topics').fill('many/499');
    await page.getByText('10 of 5000 messages').waitFor();
    await page.getByLabel('Search messages').fill('value 4999');
    await page.getByText('1 of 5000 messages').waitFor();
    await page.getByRole('listbox', { name: 'Messages' }).focus();
    await page.keyboard.press('ArrowDown');
    await page.getByRole('region', { name: 'Message', exact: true }).waitFor();
    await page.keyboard.press('p');
    await device.publishAsync('many/499', 'value 4999 again', { qos: 1 });
    await page.getByRole('button', { name: 'Go on (1)' }).click();
    await page.getByText('2 of 5001 messages').waitFor();
  });

  test('messages are saved as JSON and as CSV', async () => {
    await connect('MQTT 5');
    await subscribe('demo/#');
    await device.publishAsync('demo/x', '=1+1,"quoted"', { qos: 1 });
    await line('demo/x').waitFor();
    const saved = async (name: string) => {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name, exact: true }).click();
      let text = '';
      for await (const chunk of await (await download).createReadStream()) text += chunk;
      return text;
    };
    expect(JSON.parse(await saved('JSON'))).toMatchObject([{ topic: 'demo/x', payload: '=1+1,"quoted"' }]);
    expect((await saved('CSV')).split('\r\n')[1]).toMatch(
      /,in,#1,mqtt5,demo\/x,0,false,"'=1\+1,""quoted"""$/,
    );
  });

  test('what CoAP and HTTP publish is seen in the page', async () => {
    await connect('MQTT 5');
    await subscribe('demo/#');
    const socket = createSocket('udp4');
    const { hostname, port } = new URL(hub.address('coap'));
    // NON PUT /t/demo/coap  0x50 | code | message id | Uri-Path ×3 | 0xff | payload
    socket.send(octets("50 03 00 01 b1 't' 04 'demo' 04 'coap' ff 'from CoAP'"), Number(port), hostname);
    await line('demo/coap').filter({ hasText: 'from CoAP' }).waitFor();
    socket.close();
    await fetch(`${hub.address('web')}/topics/demo/http`, { method: 'POST', body: 'from HTTP' });
    await line('demo/http').filter({ hasText: 'from HTTP' }).waitFor();
  });

  test('a client id that is taken: said, and not tried again against the other', async () => {
    await connect('MQTT 5');
    const clientId = await cards().locator('code.id').textContent();
    const other = await connectAsync(hub.address('mqtt'), { clientId: clientId! });
    await page.getByText(/the hub said goodbye: /).waitFor();
    await page.getByText('not connected', { exact: true }).waitFor();
    await other.endAsync();
  });

  test('a filter that is none is said before it is sent; a payload that is no JSON too', async () => {
    await connect('MQTT 5');
    await cards().getByLabel('Topic filter').fill('a/#/b');
    await page.getByText("'#' must be a whole level, and the last one: level 2 is '#'").waitFor();
    expect(await cards().getByRole('button', { name: 'Subscribe', exact: true }).isDisabled()).toBe(true);
    await publishForm().getByLabel('Payload is').selectOption('json');
    await publish();
    await page.getByText(/this is no JSON/).waitFor();
    expect(await lines().count()).toBe(0);
  });
});
