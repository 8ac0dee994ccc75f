import { expect, test } from 'vitest';
import { parseAcl } from './acl-text.ts';
import type { TextFault } from './text.ts';

test('every kind of line', () => {
  const model = parseAcl(
    `\ufeff# who may do what
group ops: alice, bob
all
allow subscribe public/#

user alice
  allow publish sensors/%c/#
  deny subscribe secret/#
user bob the builder
allow both with space/a b
group ops
allow both ops/#\r
group ops: carol
client sensor-1
allow publish s1
anonymous
allow subscribe news
# as mosquitto writes it
topic readwrite t/1
topic read t/2
topic write t/3
topic t/4
topic deny t/5
topic two words
pattern write users/%u/#
`,
    'acl',
  );
  expect(model.groups).toEqual({ ops: ['alice', 'bob', 'carol'] });
  const anonymous = { anonymous: true };
  expect(model.rules.map(({ at: _, ...rule }) => rule)).toEqual([
    { who: {}, allow: 'subscribe', filter: 'public/#' },
    { who: { user: 'alice' }, allow: 'publish', filter: 'sensors/%c/#' },
    { who: { user: 'alice' }, deny: 'subscribe', filter: 'secret/#' },
    { who: { user: 'bob the builder' }, allow: 'both', filter: 'with space/a b' },
    { who: { group: 'ops' }, allow: 'both', filter: 'ops/#' },
    { who: { client: 'sensor-1' }, allow: 'publish', filter: 's1' },
    { who: anonymous, allow: 'subscribe', filter: 'news' },
    { who: anonymous, allow: 'both', filter: 't/1' },
    { who: anonymous, allow: 'subscribe', filter: 't/2' },
    { who: anonymous, allow: 'publish', filter: 't/3' },
    { who: anonymous, allow: 'both', filter: 't/4' },
    { who: anonymous, deny: 'both', filter: 't/5' },
    { who: anonymous, allow: 'both', filter: 'two words' },
    { who: {}, allow: 'publish', filter: 'users/%u/#' },
  ]);
});

const rows: [text: string, fault: string][] = [
  ['usr alice', 'acl:1: unknown word `usr`; did you mean `user`?'],
  ['frobnicate x', 'acl:1: unknown word `frobnicate`; a line starts with user, group, client'],
  ['\n\nallow publish a', 'acl:3: no section says for whom; write `all`, `anonymous` or `user alice`'],
  ['topic read a', 'acl:1: no section says for whom'],
  ['user', 'acl:1: `user` needs a name: `user alice`'],
  ['all people', 'acl:1: `all` stands alone on its line'],
  [
    'all\nallow pubish a/b',
    'acl:2: `allow` is followed by publish, subscribe or both, not by `pubish`; did you mean `publish`?',
  ],
  [
    'all\nallow constructor a',
    'acl:2: `allow` is followed by publish, subscribe or both, not by `constructor`',
  ],
  ['all\nallow a/b', 'acl:2: `allow` is followed by publish'],
  ['all\nallow publish', 'acl:2: the filter is missing: `allow publish sensors/#`'],
  ['all\ntopic', 'acl:2: the filter is missing'],
  ['all\nallow both a/#/b', 'acl:2: `#` must be the last level'],
  ['all\nallow both a+', 'acl:2: `+` and `#` must be whole levels'],
  [
    'group ops: a\ngroup opps\nallow both a',
    'acl:3: group `opps` has no members: say who they are; did you mean `ops`?',
  ],
  [
    'group staff\nallow both a',
    'acl:2: group `staff` has no members: say who they are, `group staff: alice, bob`',
  ],
  ['user anonymous\nallow both a', 'acl:2: no user is called `anonymous`: write `anonymous` alone'],
];
for (const [text, fault] of rows) {
  test(`${JSON.stringify(text)} is refused with its line and a way out`, () => {
    expect(() => parseAcl(text, 'acl')).toThrow(fault);
  });
}

test('all faults are told at once', () => {
  try {
    parseAcl('usr a\nall\nallow both a#\nallow both ok\nfoo', 'f');
    expect.unreachable();
  } catch (why) {
    expect((why as TextFault).faults.map((f) => f.slice(0, 4))).toEqual(['f:1:', 'f:3:', 'f:5:']);
  }
});
