// `waymeet work`: takes jobs from a queue, one worker among many.

import { work as workOn } from '../client/patterns/pipeline.ts';
import { type ConnectionFlags, connectClient } from './connection.ts';
import { type FormatFlags, formatter } from './format.ts';
import { EXIT, Failure, type Io, say } from './io.ts';
import { runFor } from './shell.ts';

export interface WorkFlags extends ConnectionFlags, FormatFlags {
  queue?: string;
  exec?: string;
  tries: number;
  atOnce: number;
  dead?: string;
  count?: number;
  wait?: number;
}

export async function work(io: Io, flags: WorkFlags): Promise<number> {
  const { queue, exec, count = Number.POSITIVE_INFINITY } = flags;
  if (queue === undefined) throw new Failure('no queue: waymeet work jobs', EXIT.usage);
  const format = formatter(flags);
  const client = await connectClient(io, flags, { reconnect: true, receiveMaximum: flags.atOnce });
  let late: NodeJS.Timeout | undefined;
  try {
    let left = count;
    let enough: (code: number) => void = () => {};
    const ended = new Promise<number>((resolve) => {
      enough = resolve;
    });
    const shop = await workOn(
      client,
      queue,
      async (job, tries) => {
        if (exec === undefined) io.output.write(format(job, new Date()));
        else {
          try {
            io.output.write(await runFor(io, exec, job));
          } catch (why) {
            say(io, `${(why as Error).message} (try ${tries + 1} of ${flags.tries})`);
            throw why;
          }
        }
        if (--left === 0) enough(EXIT.fine);
      },
      {
        tries: flags.tries,
        atOnce: flags.atOnce,
        ...(flags.dead === undefined ? {} : { deadLetters: flags.dead }),
      },
    );
    if (flags.wait !== undefined) late = setTimeout(() => enough(EXIT.timeout), flags.wait * 1_000);
    const code = await Promise.race([
      ended,
      shop.over.then(() => EXIT.fine),
      io.stopAsked().then(() => EXIT.fine),
    ]);
    await shop.stop();
    return code;
  } finally {
    clearTimeout(late);
    await client.close();
  }
}
