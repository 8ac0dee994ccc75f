// The commands of a client, with their flags: publishing, listening, asking, answering, working, and trying a broker out.

import { type Command, Option } from 'commander';
import { type ConnectionFlags, qos, whole, withConnection } from './connection.ts';
import type { Io } from './io.ts';
import type { Done, Make } from './program.ts';

const QOS = new Option('-q, --qos <qos>', 'how surely: 0, 1 or 2').argParser(qos);
const WAIT = () =>
  new Option('-W, --wait <seconds>', 'give up after so long; the exit code is 3').argParser(
    whole(1, 2_000_000),
  );

/** Adds them all to the program. */
export function client(command: Make, io: Io, done: Done): void {
  const make = (name: string, about: string) => withConnection(command(name, about));
  pub(make('pub', 'Publish messages.'), io, done);
  sub(make('sub', 'Print the messages of topics.'), io, done);
  req(make('req', 'Ask at a topic, and print the answer.'), io, done);
  respond(make('respond', 'Answer what is asked at a topic.'), io, done);
  survey(make('survey', 'Ask all who listen, and print who answers what, and who does not.'), io, done);
  work(make('work', 'Take jobs from a queue, one worker among many.'), io, done);
  test(make('test', 'Find out what a broker supports.'), io, done);
}

/** What is sent. */
function withMessage(command: Command): Command {
  return command
    .option('-t, --topic <topic>', 'where to')
    .option('-m, --message <text>', 'what')
    .option('-f, --file <file>', 'what: the content of a file')
    .option('-s, --stdin', 'what: all of the input')
    .option('-n, --null', 'what: nothing; with -r it clears the retained message')
    .addOption(QOS)
    .optionsGroup('Properties, where the protocol has them:')
    .option('--text', 'the payload is UTF-8 text')
    .option('--content-type <type>', 'such as application/json')
    .addOption(
      new Option('--expiry <seconds>', 'how long it is worth delivering').argParser(whole(0, 4_294_967_295)),
    )
    .option('--user-property <name=value...>', 'a property of your own')
    .optionsGroup('Options:');
}

/** How what comes is printed. */
function withFormat(command: Command): Command {
  return command
    .option('-v, --with-topic', 'print the topic before the payload')
    .option('-N, --no-newline', 'print nothing after the payload')
    .option('--json', 'print each message as a line of JSON')
    .option(
      '-F, --format <template>',
      'print so: %t topic, %p payload, %x hex, %b base64, %l length, %q QoS, %r retain, %I time, %j JSON',
    );
}

interface Said extends ConnectionFlags, Record<string, unknown> {
  newline?: boolean;
  withTopic?: boolean;
}

/** In the words of FormatFlags. */
function formatFlags(flags: Said) {
  const { newline, withTopic, ...same } = flags;
  return { ...same, noNewline: newline === false, verbose: withTopic === true };
}

function at(url: string | undefined, said: Said): ConnectionFlags & Record<string, unknown> {
  return formatFlags(url === undefined ? said : { ...said, url });
}

function pub(command: Command, io: Io, done: Done): void {
  withMessage(command)
    .argument('[url]', 'the same as --url')
    .option('-l, --lines', 'what: each line of the input is a message')
    .option('-r, --retain', "keep it as the topic's last value")
    .option('--outbox <folder>', 'keep what is not acknowledged there, and send it when the broker is back')
    .addOption(new Option('--repeat <times>', 'send it so often').argParser(whole(1, 1_000_000_000)))
    .option('--quiet', 'do not say that nobody has subscribed')
    .option('--response-topic <topic>', 'where answers go')
    .option('--correlation <text>', 'what answers carry')
    .action(async (url: string | undefined, said: import('./pub.ts').PubFlags) => {
      const flags = url === undefined ? said : { ...said, url };
      const { checkPub, pub: publish } = await import('./pub.ts');
      checkPub(flags);
      done(await publish(io, flags));
    });
}

function sub(command: Command, io: Io, done: Done): void {
  withFormat(command)
    .argument('[url]', 'the same as --url')
    .option('-t, --topic <filter...>', 'what to hear; + is any level, # all below')
    .option('-T, --filter-out <filter...>', 'and what not to show')
    .addOption(QOS)
    .addOption(new Option('-C, --count <messages>', 'stop after so many').argParser(whole(1, 1e15)))
    .addOption(
      new Option('-W, --wait <seconds>', 'stop after so long; the exit code is 3').argParser(
        whole(1, 2_000_000),
      ),
    )
    .option('-E, --exit-after-subscribe', 'stop once subscribed')
    .option('-R, --no-retained-messages', 'not the retained messages')
    .option('--retained-only', 'only the retained messages; stop at the first other')
    .option('--no-local', 'not what this client published (MQTT 5)')
    .option('--retain-as-published', 'keep the retain flag (MQTT 5)')
    .option('--quiet', 'say nothing but messages')
    .action(async (url: string | undefined, said: ConnectionFlags & Record<string, unknown>) => {
      const { sub: subscribe } = await import('./sub.ts');
      const flags = url === undefined ? said : { ...said, url };
      const { retainedMessages, local, ...same } = flags;
      const asked = {
        ...formatFlags(same),
        noRetained: retainedMessages === false,
        noLocal: local === false,
      };
      done(await subscribe(io, asked as unknown as import('./sub.ts').SubFlags));
    });
}

function req(command: Command, io: Io, done: Done): void {
  withFormat(withMessage(command))
    .argument('[url]', 'the same as --url')
    .addOption(WAIT())
    .option('--stream', 'print all parts of an answer that comes in several')
    .action(async (url: string | undefined, said: Said) => {
      const flags = at(url, said) as unknown as import('./request.ts').RequestFlags;
      const [{ req: ask }, { checkPub }] = await Promise.all([import('./request.ts'), import('./pub.ts')]);
      checkPub(flags);
      done(await ask(io, flags));
    });
}

function survey(command: Command, io: Io, done: Done): void {
  withFormat(withMessage(command))
    .argument('[url]', 'the same as --url')
    .addOption(WAIT())
    .option('--expect <ids>', 'client ids, apart by commas: who of them does not answer is told')
    .action(async (url: string | undefined, said: Said) => {
      const flags = at(url, said) as unknown as import('./request.ts').RequestFlags;
      const [{ survey: ask }, { checkPub }] = await Promise.all([import('./request.ts'), import('./pub.ts')]);
      checkPub(flags);
      done(await ask(io, flags));
    });
}

function respond(command: Command, io: Io, done: Done): void {
  command
    .argument('[url]', 'the same as --url')
    .option('-t, --topic <filter>', 'what to answer; $share/group/filter to take turns')
    .option('-m, --message <text>', 'the answer')
    .option(
      '-e, --exec <command>',
      'the answer is what this writes; it reads the request, and its topic is WAYMEET_TOPIC',
    )
    .option('--echo', 'the answer is the request')
    .addOption(QOS)
    .addOption(new Option('-C, --count <requests>', 'stop after so many').argParser(whole(1, 1e15)))
    .action(async (url: string | undefined, said: Said) => {
      const { respond: answer } = await import('./request.ts');
      done(await answer(io, at(url, said) as unknown as import('./request.ts').RespondFlags));
    });
}

function work(command: Command, io: Io, done: Done): void {
  withFormat(command)
    .argument('<queue>', 'publish jobs to $queue/NAME')
    .option('-e, --exec <command>', 'run this for each job; it reads the payload. Else jobs are printed')
    .addOption(
      new Option('--tries <times>', 'a job that failed so often is dead')
        .argParser(whole(1, 1_000))
        .default(3),
    )
    .addOption(new Option('--at-once <jobs>', 'so many at a time').argParser(whole(1, 1_000)).default(1))
    .option('--dead <topic>', 'where dead jobs are published; dead/QUEUE unless said')
    .addOption(new Option('-C, --count <jobs>', 'stop after so many').argParser(whole(1, 1e15)))
    .addOption(WAIT())
    .action(async (queue: string, said: Said) => {
      const { work: take } = await import('./work.ts');
      done(await take(io, { ...at(undefined, said), queue } as unknown as import('./work.ts').WorkFlags));
    });
}

function test(command: Command, io: Io, done: Done): void {
  command
    .argument('[url]', 'the same as --url')
    .option('--json', 'a line of JSON for each question')
    .addOption(WAIT())
    .action(async (url: string | undefined, said: Said) => {
      const { test: probe } = await import('./test.ts');
      done(await probe(io, at(url, said)));
    });
}
