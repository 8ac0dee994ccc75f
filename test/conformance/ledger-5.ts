// Every normative statement of MQTT 5.0 (appendix B of the OASIS standard of 7 March 2019), one row each.

import { both, client, type Row, server } from './row.ts';

const SIZE = 'within the Maximum Packet Size of the receiver';

export const LEDGER_5: readonly Row[] = [
  // 1.5 Data representation
  both('MQTT5-1.5.4-1', 'Text is well-formed UTF-8 without surrogates'),
  both('MQTT5-1.5.4-2', 'Text holds no U+0000'),
  both('MQTT5-1.5.4-3', 'EF BB BF is the character U+FEFF anywhere and is never stripped'),
  both('MQTT5-1.5.5-1', 'A variable byte integer uses as few octets as can be'),
  both('MQTT5-1.5.7-1', 'Both texts of a string pair obey the rules of text'),

  // 2.1.3 Flags
  both('MQTT5-2.1.3-1', 'Reserved flag bits carry the listed value'),

  // 2.2 Variable header (there is no 2.2.1-1)
  both('MQTT5-2.2.1-2', 'A PUBLISH at QoS 0 has no packet id'),
  server('MQTT5-2.2.1-3', 'A client numbers each new packet with an unused, non-zero id; zero is refused'),
  server('MQTT5-2.2.1-4', 'The server numbers each new PUBLISH above QoS 0 with an unused, non-zero id'),
  both('MQTT5-2.2.1-5', 'PUBACK, PUBREC, PUBREL and PUBCOMP carry the id of their PUBLISH'),
  server('MQTT5-2.2.1-6', 'SUBACK and UNSUBACK carry the id of their request'),
  both('MQTT5-2.2.2-1', 'No properties are written as a property length of zero'),

  // 3.1 CONNECT
  server('MQTT5-3.1.0-1', 'The first packet is CONNECT; any other first packet closes'),
  server('MQTT5-3.1.0-2', 'A second CONNECT is a protocol error and closes'),
  server('MQTT5-3.1.2-1', 'A wrong protocol name may get CONNACK 0x84, and is closed'),
  server('MQTT5-3.1.2-2', 'A version that is not served may get CONNACK 0x84, and is closed'),
  server('MQTT5-3.1.2-3', 'The reserved connect flag is checked to be 0'),
  both('MQTT5-3.1.2-4', 'Clean start 1 discards the session that was and starts a new one'),
  server('MQTT5-3.1.2-5', 'Clean start 0 resumes the session where there is one'),
  server('MQTT5-3.1.2-6', 'Clean start 0 makes a session where there is none'),
  server('MQTT5-3.1.2-7', 'A will is stored with the session'),
  server('MQTT5-3.1.2-8', 'The will is published after the loss, once its delay is over or the session ends'),
  server('MQTT5-3.1.2-9', 'Will flag 1: will properties, topic and payload must be there'),
  server('MQTT5-3.1.2-10', 'The will is gone once published, or after DISCONNECT 0x00'),
  server('MQTT5-3.1.2-11', 'Will flag 0: will QoS is 0'),
  server('MQTT5-3.1.2-12', 'Will QoS is never 3'),
  server('MQTT5-3.1.2-13', 'Will flag 0: will retain is 0'),
  server('MQTT5-3.1.2-14', 'Will retain 0: the will is published as not retained'),
  server('MQTT5-3.1.2-15', 'Will retain 1: the will is published as retained'),
  server('MQTT5-3.1.2-16', 'User name flag 0: no user name in the payload'),
  server('MQTT5-3.1.2-17', 'User name flag 1: a user name in the payload'),
  server('MQTT5-3.1.2-18', 'Password flag 0: no password in the payload'),
  server('MQTT5-3.1.2-19', 'Password flag 1: a password in the payload'),
  client(
    'MQTT5-3.1.2-20',
    'A client keeps its packets within the keep alive, with PINGREQ if need be',
    'the server only sees the silence, which 3.1.2-22 answers',
  ),
  server('MQTT5-3.1.2-21', 'A server keep alive replaces the one that the client asked for'),
  server('MQTT5-3.1.2-22', 'One and a half keep alives of silence close, as a network failure'),
  both('MQTT5-3.1.2-23', 'The session is kept after the connection while its expiry is above 0'),
  server('MQTT5-3.1.2-24', 'The server sends nothing above the Maximum Packet Size of the client'),
  server('MQTT5-3.1.2-25', 'What is too large to send is dropped as if it had been delivered'),
  server('MQTT5-3.1.2-26', 'No topic alias above the Topic Alias Maximum of the client'),
  server('MQTT5-3.1.2-27', 'No topic alias at all where that maximum is absent or 0'),
  server('MQTT5-3.1.2-28', 'Request Response Information 0: no Response Information'),
  server('MQTT5-3.1.2-29', 'Request Problem Information 0: reasons only in PUBLISH, CONNACK and DISCONNECT'),
  server('MQTT5-3.1.2-30', 'With an authentication method only AUTH or DISCONNECT come before CONNACK'),
  server('MQTT5-3.1.3-1', 'Payload order: client id, will properties, topic, payload, user name, password'),
  both('MQTT5-3.1.3-2', 'The client id is what a session is found by'),
  server('MQTT5-3.1.3-3', 'The client id is there, and first in the payload'),
  server('MQTT5-3.1.3-4', 'The client id is UTF-8'),
  server('MQTT5-3.1.3-5', 'Client ids of 1 to 23 letters and digits are welcome'),
  server('MQTT5-3.1.3-6', 'An empty client id gets a unique one'),
  server('MQTT5-3.1.3-7', 'An assigned client id is told in CONNACK and used like any other'),
  server('MQTT5-3.1.3-8', 'A refused client id may get CONNACK 0x85, and is closed'),
  server('MQTT5-3.1.3-9', 'A connection to the session within the will delay stops the will'),
  server('MQTT5-3.1.3-10', 'The user properties of a will keep their order'),
  server('MQTT5-3.1.3-11', 'The will topic is UTF-8'),
  server('MQTT5-3.1.3-12', 'The user name is UTF-8'),
  server('MQTT5-3.1.4-1', 'A CONNECT that breaks the format is closed'),
  server('MQTT5-3.1.4-2', 'A CONNECT that fails a further check is closed'),
  server('MQTT5-3.1.4-3', 'A client id that is connected already: DISCONNECT 0x8E to the older, closed'),
  server('MQTT5-3.1.4-4', 'Clean start is obeyed'),
  server('MQTT5-3.1.4-5', 'A good CONNECT gets CONNACK 0x00'),
  server('MQTT5-3.1.4-6', 'Nothing after a refused CONNECT is acted upon'),

  // 3.2 CONNACK
  server('MQTT5-3.2.0-1', 'Nothing but AUTH leaves before CONNACK 0x00'),
  server('MQTT5-3.2.0-2', 'One CONNACK a connection'),
  server('MQTT5-3.2.2-1', 'The upper seven bits of the CONNACK flags are 0'),
  server('MQTT5-3.2.2-2', 'Clean start 1: session present 0'),
  server('MQTT5-3.2.2-3', 'Clean start 0: session present tells whether there was a session'),
  client(
    'MQTT5-3.2.2-4',
    'A client without the session that CONNACK claims closes',
    'what a client remembers is not known to the server',
  ),
  client(
    'MQTT5-3.2.2-5',
    'A client whose session is gone at the server discards its own half',
    'what a client remembers is not known to the server',
  ),
  server('MQTT5-3.2.2-6', 'A refusal has session present 0'),
  server('MQTT5-3.2.2-7', 'A refusal is followed by the close'),
  server('MQTT5-3.2.2-8', 'CONNACK carries one of the listed reason codes'),
  server('MQTT5-3.2.2-9', 'A server below QoS 2 says its Maximum QoS'),
  server('MQTT5-3.2.2-10', 'A server below QoS 2 still accepts subscriptions of any QoS'),
  server('MQTT5-3.2.2-11', 'A client stays within the Maximum QoS; beyond it is refused'),
  server('MQTT5-3.2.2-12', 'A will above the Maximum QoS is refused'),
  server('MQTT5-3.2.2-13', 'A retained will is refused where retain is not available'),
  server(
    'MQTT5-3.2.2-14',
    'A client does not retain where retain is not available; one that does is refused',
  ),
  server(
    'MQTT5-3.2.2-15',
    'A client stays within the Maximum Packet Size of the server; beyond it is refused',
  ),
  server('MQTT5-3.2.2-16', 'An assigned client id belongs to no other session'),
  server('MQTT5-3.2.2-17', 'A client stays within the Topic Alias Maximum; beyond it is refused'),
  server('MQTT5-3.2.2-18', 'No topic alias from a client where that maximum is absent or 0'),
  server('MQTT5-3.2.2-19', 'The Reason String leaves CONNACK within the Maximum Packet Size of the client'),
  server('MQTT5-3.2.2-20', 'User properties leave CONNACK within the Maximum Packet Size of the client'),
  server('MQTT5-3.2.2-21', 'The server keep alive is the one that counts'),
  server('MQTT5-3.2.2-22', 'Without a server keep alive the one of the client counts'),

  // 3.3 PUBLISH
  both('MQTT5-3.3.1-1', 'A redelivered PUBLISH has DUP 1'),
  both('MQTT5-3.3.1-2', 'DUP is 0 at QoS 0'),
  server('MQTT5-3.3.1-3', 'DUP going out tells about this delivery alone, not about what came in'),
  both('MQTT5-3.3.1-4', 'QoS 3 does not exist'),
  server('MQTT5-3.3.1-5', 'RETAIN 1 replaces what is retained by the message and its QoS'),
  server('MQTT5-3.3.1-6', 'An empty retained message is delivered and clears what was retained'),
  server('MQTT5-3.3.1-7', 'An empty retained message is not itself retained'),
  server('MQTT5-3.3.1-8', 'RETAIN 0 neither keeps nor replaces a retained message'),
  server('MQTT5-3.3.1-9', 'Retain handling 0 sends what is retained'),
  server('MQTT5-3.3.1-10', 'Retain handling 1 sends what is retained to a new subscription only'),
  server('MQTT5-3.3.1-11', 'Retain handling 2 sends nothing retained'),
  server('MQTT5-3.3.1-12', 'Without retain as published RETAIN goes out as 0'),
  server('MQTT5-3.3.1-13', 'With retain as published RETAIN goes out as it came'),
  both('MQTT5-3.3.2-1', 'The topic name comes first and is UTF-8'),
  both('MQTT5-3.3.2-2', 'A topic name has no wildcards'),
  server('MQTT5-3.3.2-3', 'What a subscriber gets has a topic that its filter matches'),
  server('MQTT5-3.3.2-4', 'The payload format indicator arrives as sent'),
  server('MQTT5-3.3.2-5', 'A message that expired before its delivery began is dropped'),
  server('MQTT5-3.3.2-6', 'The expiry that goes out is less by the time spent waiting'),
  both('MQTT5-3.3.2-7', 'Topic aliases end with their connection'),
  both('MQTT5-3.3.2-8', 'A topic alias is never 0'),
  server('MQTT5-3.3.2-9', 'A client stays within the Topic Alias Maximum of the server'),
  client(
    'MQTT5-3.3.2-10',
    'A client accepts every alias up to the maximum that it gave',
    'how a client reads aliases is its own affair',
  ),
  server('MQTT5-3.3.2-11', 'The server stays within the Topic Alias Maximum of the client'),
  server('MQTT5-3.3.2-12', 'The server accepts every alias up to the maximum that it gave'),
  both('MQTT5-3.3.2-13', 'The response topic is UTF-8'),
  both('MQTT5-3.3.2-14', 'The response topic has no wildcards'),
  server('MQTT5-3.3.2-15', 'The response topic arrives as sent'),
  server('MQTT5-3.3.2-16', 'The correlation data arrive as sent'),
  server('MQTT5-3.3.2-17', 'All user properties arrive as sent'),
  server('MQTT5-3.3.2-18', 'User properties keep their order'),
  both('MQTT5-3.3.2-19', 'The content type is UTF-8'),
  server('MQTT5-3.3.2-20', 'The content type arrives as sent'),
  both('MQTT5-3.3.4-1', 'PUBLISH is answered as its QoS asks: nothing, PUBACK or PUBREC'),
  server('MQTT5-3.3.4-2', 'Overlapping subscriptions deliver at the highest of their QoS'),
  server('MQTT5-3.3.4-3', 'What overlapping subscriptions deliver carries their identifiers'),
  server('MQTT5-3.3.4-4', 'One copy carries the identifiers of all the subscriptions that match'),
  server('MQTT5-3.3.4-5', 'Of several copies each carries the identifier of its subscription'),
  server('MQTT5-3.3.4-6', 'A subscription identifier in a PUBLISH from a client is refused'),
  server('MQTT5-3.3.4-7', 'A client stays within the Receive Maximum of the server; beyond it is refused'),
  client(
    'MQTT5-3.3.4-8',
    'A full window of a client holds back nothing but PUBLISH',
    'whether a client waited, and why, cannot be seen',
  ),
  server('MQTT5-3.3.4-9', 'The server stays within the Receive Maximum of the client'),
  server('MQTT5-3.3.4-10', 'A full window of the server holds back nothing but PUBLISH'),

  // 3.4 to 3.7 PUBACK, PUBREC, PUBREL, PUBCOMP
  both('MQTT5-3.4.2-1', 'PUBACK carries one of its reason codes'),
  both('MQTT5-3.4.2-2', `The Reason String leaves PUBACK ${SIZE}`),
  both('MQTT5-3.4.2-3', `User properties leave PUBACK ${SIZE}`),
  both('MQTT5-3.5.2-1', 'PUBREC carries one of its reason codes'),
  both('MQTT5-3.5.2-2', `The Reason String leaves PUBREC ${SIZE}`),
  both('MQTT5-3.5.2-3', `User properties leave PUBREC ${SIZE}`),
  server('MQTT5-3.6.1-1', 'PUBREL flags are 0010; anything else closes'),
  both('MQTT5-3.6.2-1', 'PUBREL carries one of its reason codes'),
  both('MQTT5-3.6.2-2', `The Reason String leaves PUBREL ${SIZE}`),
  both('MQTT5-3.6.2-3', `User properties leave PUBREL ${SIZE}`),
  both('MQTT5-3.7.2-1', 'PUBCOMP carries one of its reason codes'),
  both('MQTT5-3.7.2-2', `The Reason String leaves PUBCOMP ${SIZE}`),
  both('MQTT5-3.7.2-3', `User properties leave PUBCOMP ${SIZE}`),

  // 3.8 SUBSCRIBE
  server('MQTT5-3.8.1-1', 'SUBSCRIBE flags are 0010; anything else closes'),
  server('MQTT5-3.8.3-1', 'The filters in SUBSCRIBE are UTF-8'),
  server('MQTT5-3.8.3-2', 'SUBSCRIBE has at least one filter'),
  server('MQTT5-3.8.3-3', 'No local: nothing comes back to the client id that published it'),
  server('MQTT5-3.8.3-4', 'No local on a shared subscription is a protocol error'),
  server('MQTT5-3.8.3-5', 'Reserved bits of the subscription options are malformed'),
  server('MQTT5-3.8.4-1', 'SUBSCRIBE is answered by SUBACK'),
  server('MQTT5-3.8.4-2', 'SUBACK has the packet id of its SUBSCRIBE'),
  server('MQTT5-3.8.4-3', 'The same filter again replaces the subscription'),
  server('MQTT5-3.8.4-4', 'A replacing subscription resends retained at handling 0 and loses nothing'),
  server('MQTT5-3.8.4-5', 'Several filters act as several SUBSCRIBEs with one SUBACK'),
  server('MQTT5-3.8.4-6', 'SUBACK has one code a filter'),
  server('MQTT5-3.8.4-7', 'A SUBACK code is the granted QoS or a failure'),
  server('MQTT5-3.8.4-8', 'A message arrives at the lower of its own and the granted QoS'),

  // 3.9 SUBACK
  server('MQTT5-3.9.2-1', `The Reason String leaves SUBACK ${SIZE}`),
  server('MQTT5-3.9.2-2', `User properties leave SUBACK ${SIZE}`),
  server('MQTT5-3.9.3-1', 'SUBACK codes are in the order of the filters'),
  server('MQTT5-3.9.3-2', 'SUBACK carries one of its reason codes for each filter'),

  // 3.10 UNSUBSCRIBE
  server('MQTT5-3.10.1-1', 'UNSUBSCRIBE flags are 0010; anything else closes'),
  server('MQTT5-3.10.3-1', 'The filters in UNSUBSCRIBE are UTF-8'),
  server('MQTT5-3.10.3-2', 'UNSUBSCRIBE has at least one filter'),
  server('MQTT5-3.10.4-1', 'A filter is removed only by its exact characters'),
  server('MQTT5-3.10.4-2', 'After UNSUBSCRIBE nothing new is queued for the filter'),
  server('MQTT5-3.10.4-3', 'After UNSUBSCRIBE deliveries under way are completed'),
  server('MQTT5-3.10.4-4', 'UNSUBSCRIBE is answered by UNSUBACK'),
  server('MQTT5-3.10.4-5', 'UNSUBACK has its packet id and comes even where nothing was subscribed'),
  server('MQTT5-3.10.4-6', 'Several filters act as several UNSUBSCRIBEs with one UNSUBACK'),

  // 3.11 UNSUBACK
  server('MQTT5-3.11.2-1', `The Reason String leaves UNSUBACK ${SIZE}`),
  server('MQTT5-3.11.2-2', `User properties leave UNSUBACK ${SIZE}`),
  server('MQTT5-3.11.3-1', 'UNSUBACK codes are in the order of the filters'),
  server('MQTT5-3.11.3-2', 'UNSUBACK carries one of its reason codes for each filter'),

  // 3.12 PINGREQ
  server('MQTT5-3.12.4-1', 'PINGREQ is answered by PINGRESP'),

  // 3.14 DISCONNECT
  server('MQTT5-3.14.0-1', 'No DISCONNECT from the server before a successful CONNACK'),
  both('MQTT5-3.14.1-1', 'DISCONNECT flags are 0000; anything else is malformed'),
  both('MQTT5-3.14.2-1', 'DISCONNECT carries one of its reason codes'),
  server('MQTT5-3.14.2-2', 'The server sends no Session Expiry Interval in DISCONNECT'),
  both('MQTT5-3.14.2-3', `The Reason String leaves DISCONNECT ${SIZE}`),
  both('MQTT5-3.14.2-4', `User properties leave DISCONNECT ${SIZE}`),
  both('MQTT5-3.14.4-1', 'Nothing is sent after DISCONNECT'),
  both('MQTT5-3.14.4-2', 'The sender of DISCONNECT closes'),
  server('MQTT5-3.14.4-3', 'DISCONNECT 0x00 drops the will unpublished'),

  // 3.15 AUTH
  both('MQTT5-3.15.1-1', 'AUTH flags are 0000; anything else closes'),
  both('MQTT5-3.15.2-1', 'AUTH carries one of its reason codes'),
  both('MQTT5-3.15.2-2', `The Reason String leaves AUTH ${SIZE}`),
  both('MQTT5-3.15.2-3', `User properties leave AUTH ${SIZE}`),

  // 4.1 Session state
  both('MQTT5-4.1.0-1', 'Session state is not discarded while its connection is open'),
  server('MQTT5-4.1.0-2', 'Session state is discarded when its expiry has passed after the connection'),

  // 4.2 Network connections
  both('MQTT5-4.2.0-1', 'There is a transport of ordered, lossless octets both ways'),

  // 4.3 Quality of service
  both('MQTT5-4.3.1-1', 'QoS 0 is sent with QoS 0 and DUP 0'),
  both('MQTT5-4.3.2-1', 'QoS 1: each new message has an unused packet id'),
  both('MQTT5-4.3.2-2', 'QoS 1: the first PUBLISH has that id and DUP 0'),
  both('MQTT5-4.3.2-3', 'QoS 1: a PUBLISH is open until its PUBACK'),
  both('MQTT5-4.3.2-4', 'QoS 1: the receiver answers PUBACK with the id'),
  both('MQTT5-4.3.2-5', 'QoS 1: after PUBACK the id means a new message, whatever DUP says'),
  both('MQTT5-4.3.3-1', 'QoS 2: each new message has an unused packet id'),
  both('MQTT5-4.3.3-2', 'QoS 2: the first PUBLISH has that id and DUP 0'),
  both('MQTT5-4.3.3-3', 'QoS 2: a PUBLISH is open until its PUBREC'),
  both('MQTT5-4.3.3-4', 'QoS 2: PUBREC below 0x80 is answered by PUBREL with the id'),
  both('MQTT5-4.3.3-5', 'QoS 2: a PUBREL is open until its PUBCOMP'),
  both('MQTT5-4.3.3-6', 'QoS 2: no PUBLISH again once PUBREL was sent'),
  both('MQTT5-4.3.3-7', 'QoS 2: a PUBLISH once sent does not expire'),
  both('MQTT5-4.3.3-8', 'QoS 2: the receiver answers PUBREC with the id'),
  both('MQTT5-4.3.3-9', 'QoS 2: after PUBREC of 0x80 or more the id means a new message'),
  both('MQTT5-4.3.3-10', 'QoS 2: until PUBREL a repeated PUBLISH gets PUBREC and is not delivered again'),
  both('MQTT5-4.3.3-11', 'QoS 2: PUBREL is answered by PUBCOMP with the id'),
  both('MQTT5-4.3.3-12', 'QoS 2: after PUBCOMP the id means a new message'),
  both('MQTT5-4.3.3-13', 'QoS 2: the exchange is completed even if the message has expired'),

  // 4.4 Message delivery retry
  both('MQTT5-4.4.0-1', 'Open PUBLISH and PUBREL are resent when a session is resumed, and never else'),
  both('MQTT5-4.4.0-2', 'A PUBLISH that got 0x80 or more is settled and not resent'),

  // 4.5 Message receipt
  server('MQTT5-4.5.0-1', 'A message taken is added to every session with a matching subscription'),
  client(
    'MQTT5-4.5.0-2',
    'A client acknowledges whatever it receives',
    'a client that never acknowledges is only slow to the broker',
  ),

  // 4.6 Message ordering
  both('MQTT5-4.6.0-1', 'Resent PUBLISH packets keep their first order'),
  both('MQTT5-4.6.0-2', 'PUBACKs leave in the order of the PUBLISH packets'),
  both('MQTT5-4.6.0-3', 'PUBRECs leave in the order of the PUBLISH packets'),
  both('MQTT5-4.6.0-4', 'PUBRELs leave in the order of the PUBREC packets'),
  server('MQTT5-4.6.0-5', 'One publisher, one topic and QoS: delivered in the order received'),
  server('MQTT5-4.6.0-6', 'Every topic is ordered for subscriptions that are not shared'),

  // 4.7 Topic names and topic filters
  both('MQTT5-4.7.0-1', 'Wildcards stand in filters only, not in topic names'),
  server('MQTT5-4.7.1-1', '# stands alone or after / and comes last'),
  server('MQTT5-4.7.1-2', '+ fills a whole level'),
  server('MQTT5-4.7.2-1', 'A leading wildcard does not match topics that begin with $'),
  server('MQTT5-4.7.3-1', 'Topics and filters have at least one character'),
  server('MQTT5-4.7.3-2', 'Topics and filters hold no U+0000'),
  server('MQTT5-4.7.3-3', 'Topics and filters have at most 65,535 octets'),
  server('MQTT5-4.7.3-4', 'Topics match as they are, character by character'),

  // 4.8 Subscriptions
  server('MQTT5-4.8.2-1', 'A shared filter begins with $share/ and names a group'),
  server('MQTT5-4.8.2-2', 'A group name has no / + #, and a filter follows it'),
  server('MQTT5-4.8.2-3', 'Each member of a group gets at most the QoS that it was granted'),
  server('MQTT5-4.8.2-4', 'A QoS 2 delivery to a member is completed when that member comes back'),
  server('MQTT5-4.8.2-5', 'A QoS 2 delivery to a member whose session ends goes to no other'),
  server('MQTT5-4.8.2-6', 'A delivery that a member refuses is dropped and goes to no other'),

  // 4.9 Flow control
  both('MQTT5-4.9.0-1', 'The send quota begins above 0 and within the Receive Maximum'),
  both('MQTT5-4.9.0-2', 'At quota 0 no PUBLISH above QoS 0 leaves'),
  both('MQTT5-4.9.0-3', 'At quota 0 everything else goes on'),

  // 4.12 Enhanced authentication
  server('MQTT5-4.12.0-1', 'An unknown method may get CONNACK 0x8C or 0x87, and is closed'),
  server('MQTT5-4.12.0-2', 'An AUTH that asks for more carries 0x18'),
  server('MQTT5-4.12.0-3', 'A client answers AUTH by AUTH 0x18; another code is refused'),
  server('MQTT5-4.12.0-4', 'A refused exchange may get CONNACK of 0x80 or more, and is closed'),
  both('MQTT5-4.12.0-5', 'Every AUTH, and CONNACK 0x00, repeat the method of CONNECT'),
  server('MQTT5-4.12.0-6', 'No method in CONNECT: no AUTH, and no method in CONNACK'),
  server('MQTT5-4.12.0-7', 'No method in CONNECT: an AUTH from the client is refused'),
  server('MQTT5-4.12.1-1', 'Re-authentication uses the same method; another is refused'),
  server('MQTT5-4.12.1-2', 'A failed re-authentication closes, with a DISCONNECT that says why'),

  // 4.13 Handling errors
  server('MQTT5-4.13.1-1', 'A malformed packet or protocol error closes its connection'),
  both('MQTT5-4.13.2-1', 'A CONNACK or DISCONNECT of 0x80 or more goes with the close'),

  // 6 WebSocket
  both('MQTT5-6.0.0-1', 'MQTT travels in binary frames; any other frame closes'),
  both('MQTT5-6.0.0-2', 'Frames and packets need not align'),
  client(
    'MQTT5-6.0.0-3',
    'A client offers the subprotocol mqtt',
    'whom to serve without it is left to the server; 6.0.0-4 tests its answer',
  ),
  server('MQTT5-6.0.0-4', 'The server selects the subprotocol mqtt'),
];
