// Server-sent events read with fetch, which can carry a login where EventSource cannot.

export interface ServerEvent {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: string;
  /** The event as it came. */
  readonly raw: string;
}

export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = eventOf(text.slice(0, end));
      text = text.slice(end + 2);
      if (event !== undefined) yield event;
    }
  }
}

function eventOf(raw: string): ServerEvent | undefined {
  let type = 'message';
  let id: string | undefined;
  let data: string | undefined;
  for (const line of raw.split('\n')) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).trimStart();
    if (line.startsWith('event:')) type = value;
    else if (line.startsWith('id:')) id = value;
    else if (line.startsWith('data:')) data = data === undefined ? value : `${data}\n${value}`;
  }
  return data === undefined ? undefined : { type, id, data, raw };
}
