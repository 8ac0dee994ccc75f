// Every normative statement of MQTT 3.1.1 (appendix B of the OASIS standard of 29 October 2014), one row each.

import { both, client, type Row, server } from './row.ts';

export const LEDGER_311: readonly Row[] = [
  // 1.5.3 UTF-8 encoded strings
  both('MQTT311-1.5.3-1', 'Text is well-formed UTF-8 without surrogates; anything else closes'),
  both('MQTT311-1.5.3-2', 'Text holds no U+0000; one that does closes'),
  both('MQTT311-1.5.3-3', 'EF BB BF is the character U+FEFF anywhere and is never stripped'),

  // 2.2.2 Flags
  both('MQTT311-2.2.2-1', 'Reserved flag bits carry the listed value'),
  both('MQTT311-2.2.2-2', 'Wrong flag bits close the connection'),

  // 2.3.1 Packet identifier
  both('MQTT311-2.3.1-1', 'SUBSCRIBE, UNSUBSCRIBE and PUBLISH above QoS 0 have a non-zero packet id'),
  client(
    'MQTT311-2.3.1-2',
    'A client numbers each new packet with an unused packet id',
    'a reused id is indistinguishable from a resent packet',
  ),
  client(
    'MQTT311-2.3.1-3',
    'A client resends a packet under its first packet id',
    'a resent packet under another id is indistinguishable from a new one',
  ),
  server('MQTT311-2.3.1-4', 'The server numbers, and resends, its PUBLISH by the same rules'),
  both('MQTT311-2.3.1-5', 'A PUBLISH at QoS 0 has no packet id'),
  both('MQTT311-2.3.1-6', 'PUBACK, PUBREC and PUBREL carry the id of their PUBLISH'),
  server('MQTT311-2.3.1-7', 'SUBACK and UNSUBACK carry the id of their request'),

  // 3.1 CONNECT
  server('MQTT311-3.1.0-1', 'The first packet is CONNECT; any other first packet closes'),
  server('MQTT311-3.1.0-2', 'A second CONNECT is a violation and closes'),
  server('MQTT311-3.1.2-1', 'A wrong protocol name is not served as MQTT'),
  server('MQTT311-3.1.2-2', 'An unknown protocol level gets CONNACK 0x01, then the connection closes'),
  server('MQTT311-3.1.2-3', 'The reserved connect flag is checked; 1 closes'),
  both('MQTT311-3.1.2-4', 'Clean session 0 resumes the stored session, or makes one that is kept'),
  server('MQTT311-3.1.2-5', 'A kept session collects QoS 1 and 2 messages while its client is away'),
  both('MQTT311-3.1.2-6', 'Clean session 1 discards what was and lasts as long as the connection'),
  server('MQTT311-3.1.2-7', 'Retained messages outlive the session that published them'),
  server('MQTT311-3.1.2-8', 'A will is kept with the connection and published when that is lost'),
  server('MQTT311-3.1.2-9', 'Will flag 1: will QoS and retain are used; topic and message must be there'),
  server('MQTT311-3.1.2-10', 'A will is gone once published, or after DISCONNECT'),
  server('MQTT311-3.1.2-11', 'Will flag 0: no will QoS, no will retain, no will fields'),
  server('MQTT311-3.1.2-12', 'Will flag 0: nothing is published when the connection ends'),
  server('MQTT311-3.1.2-13', 'Will flag 0: will QoS is 0'),
  server('MQTT311-3.1.2-14', 'Will QoS is never 3'),
  server('MQTT311-3.1.2-15', 'Will flag 0: will retain is 0'),
  server('MQTT311-3.1.2-16', 'Will retain 0: the will is published as not retained'),
  server('MQTT311-3.1.2-17', 'Will retain 1: the will is published as retained'),
  server('MQTT311-3.1.2-18', 'User name flag 0: no user name in the payload'),
  server('MQTT311-3.1.2-19', 'User name flag 1: a user name in the payload'),
  server('MQTT311-3.1.2-20', 'Password flag 0: no password in the payload'),
  server('MQTT311-3.1.2-21', 'Password flag 1: a password in the payload'),
  server('MQTT311-3.1.2-22', 'No password without a user name'),
  client(
    'MQTT311-3.1.2-23',
    'A client keeps its packets within the keep alive, with PINGREQ if need be',
    'the server only sees the silence, which 3.1.2-24 answers',
  ),
  server('MQTT311-3.1.2-24', 'One and a half keep alives of silence close, as a network failure'),
  server('MQTT311-3.1.3-1', 'Payload order: client id, will topic, will message, user name, password'),
  both('MQTT311-3.1.3-2', 'The client id is what a session is found by'),
  server('MQTT311-3.1.3-3', 'The client id is there, and first in the payload'),
  server('MQTT311-3.1.3-4', 'The client id is UTF-8'),
  server('MQTT311-3.1.3-5', 'Client ids of 1 to 23 letters and digits are welcome'),
  server('MQTT311-3.1.3-6', 'An empty client id gets a unique one and is then served as any other'),
  server('MQTT311-3.1.3-7', 'An empty client id needs clean session 1'),
  server('MQTT311-3.1.3-8', 'An empty client id with clean session 0: CONNACK 0x02, then close'),
  server('MQTT311-3.1.3-9', 'A refused client id: CONNACK 0x02, then close'),
  server('MQTT311-3.1.3-10', 'The will topic is UTF-8'),
  server('MQTT311-3.1.3-11', 'The user name is UTF-8'),
  server('MQTT311-3.1.4-1', 'A CONNECT that breaks the format is closed without CONNACK'),
  server('MQTT311-3.1.4-2', 'A client id that is connected already: the older connection is closed'),
  server('MQTT311-3.1.4-3', 'A good CONNECT has its clean session obeyed'),
  server('MQTT311-3.1.4-4', 'A good CONNECT gets CONNACK 0'),
  server('MQTT311-3.1.4-5', 'Nothing after a refused CONNECT is acted upon'),

  // 3.2 CONNACK
  server('MQTT311-3.2.0-1', 'The first packet of the server is CONNACK'),
  server('MQTT311-3.2.2-1', 'Clean session 1: session present 0'),
  server('MQTT311-3.2.2-2', 'Clean session 0 with a stored session: session present 1'),
  server('MQTT311-3.2.2-3', 'No stored session: session present 0'),
  server('MQTT311-3.2.2-4', 'A refusal has session present 0'),
  server('MQTT311-3.2.2-5', 'A refusal is followed by the close'),
  server('MQTT311-3.2.2-6', 'Where no return code fits: close without CONNACK'),

  // 3.3 PUBLISH
  both('MQTT311-3.3.1-1', 'A redelivered PUBLISH has DUP 1'),
  both('MQTT311-3.3.1-2', 'DUP is 0 at QoS 0'),
  server('MQTT311-3.3.1-3', 'DUP going out tells about this delivery alone, not about what came in'),
  both('MQTT311-3.3.1-4', 'QoS 3 closes the connection'),
  server('MQTT311-3.3.1-5', 'RETAIN 1: message and QoS are kept for later subscribers'),
  server('MQTT311-3.3.1-6', 'A new subscription gets the last retained message of each matching topic'),
  server('MQTT311-3.3.1-7', 'A retained QoS 0 message replaces what was retained'),
  server('MQTT311-3.3.1-8', 'RETAIN is 1 on what a new subscription gets from the retained store'),
  server('MQTT311-3.3.1-9', 'RETAIN is 0 on what an established subscription gets'),
  server('MQTT311-3.3.1-10', 'An empty retained message is delivered and clears what was retained'),
  server('MQTT311-3.3.1-11', 'An empty retained message is not itself retained'),
  server('MQTT311-3.3.1-12', 'RETAIN 0 neither keeps nor replaces a retained message'),
  both('MQTT311-3.3.2-1', 'The topic name comes first and is UTF-8'),
  both('MQTT311-3.3.2-2', 'A topic name has no wildcards'),
  server('MQTT311-3.3.2-3', 'What a subscriber gets has a topic that its filter matches'),
  both('MQTT311-3.3.4-1', 'PUBLISH is answered as its QoS asks: nothing, PUBACK or PUBREC'),
  server('MQTT311-3.3.5-1', 'Overlapping subscriptions deliver at the highest of their QoS'),
  server('MQTT311-3.3.5-2', 'A PUBLISH that is not allowed is acknowledged as usual, or closes'),

  // 3.6 PUBREL
  server('MQTT311-3.6.1-1', 'PUBREL flags are 0010; anything else closes'),

  // 3.8 SUBSCRIBE
  server('MQTT311-3.8.1-1', 'SUBSCRIBE flags are 0010; anything else closes'),
  server('MQTT311-3.8.3-1', 'The filters in SUBSCRIBE are UTF-8'),
  server('MQTT311-3.8.3-2', 'A server without wildcards would refuse them: this one serves them'),
  server('MQTT311-3.8.3-3', 'SUBSCRIBE has at least one filter'),
  server('MQTT311-3.8.3-4', 'Reserved bits of the requested QoS, or QoS 3, close'),
  server('MQTT311-3.8.4-1', 'SUBSCRIBE is answered by SUBACK'),
  server('MQTT311-3.8.4-2', 'SUBACK has the packet id of its SUBSCRIBE'),
  server(
    'MQTT311-3.8.4-3',
    'The same filter again replaces the subscription, resends retained, loses nothing',
  ),
  server('MQTT311-3.8.4-4', 'Several filters act as several SUBSCRIBEs with one SUBACK'),
  server('MQTT311-3.8.4-5', 'SUBACK has one code a filter: the granted QoS or failure'),
  server('MQTT311-3.8.4-6', 'A message arrives at the lower of its own and the granted QoS'),

  // 3.9 SUBACK
  server('MQTT311-3.9.3-1', 'SUBACK codes are in the order of the filters'),
  server('MQTT311-3.9.3-2', 'SUBACK codes are 0, 1, 2 or 0x80'),

  // 3.10 UNSUBSCRIBE
  server('MQTT311-3.10.1-1', 'UNSUBSCRIBE flags are 0010; anything else closes'),
  server('MQTT311-3.10.3-1', 'The filters in UNSUBSCRIBE are UTF-8'),
  server('MQTT311-3.10.3-2', 'UNSUBSCRIBE has at least one filter'),
  server('MQTT311-3.10.4-1', 'A filter is removed only by its exact characters'),
  server('MQTT311-3.10.4-2', 'After UNSUBSCRIBE nothing new is queued for the filter'),
  server('MQTT311-3.10.4-3', 'After UNSUBSCRIBE deliveries under way are completed'),
  server('MQTT311-3.10.4-4', 'UNSUBSCRIBE is answered by UNSUBACK with its packet id'),
  server('MQTT311-3.10.4-5', 'UNSUBACK comes even where nothing was subscribed'),
  server('MQTT311-3.10.4-6', 'Several filters act as several UNSUBSCRIBEs with one UNSUBACK'),

  // 3.12 PINGREQ
  server('MQTT311-3.12.4-1', 'PINGREQ is answered by PINGRESP'),

  // 3.14 DISCONNECT
  server('MQTT311-3.14.1-1', 'DISCONNECT flags are 0000; anything else closes as a failure'),
  client(
    'MQTT311-3.14.4-1',
    'A client closes after its DISCONNECT',
    'the broker closes on DISCONNECT itself, so it never learns',
  ),
  client(
    'MQTT311-3.14.4-2',
    'A client sends nothing after its DISCONNECT',
    'the broker reads nothing after DISCONNECT, so it never learns',
  ),
  server('MQTT311-3.14.4-3', 'DISCONNECT drops the will unpublished'),

  // 4.1 Session state
  both('MQTT311-4.1.0-1', 'Session state is kept for the whole session'),
  both('MQTT311-4.1.0-2', 'A session lasts at least as long as its connection'),

  // 4.3 Quality of service
  both('MQTT311-4.3.1-1', 'QoS 0 is sent with QoS 0 and DUP 0'),
  both('MQTT311-4.3.2-1', 'QoS 1 is sent under an unused id, DUP 0, and is open until its PUBACK'),
  both('MQTT311-4.3.2-2', 'QoS 1 is answered by PUBACK; after it the id means a new message'),
  both(
    'MQTT311-4.3.3-1',
    'QoS 2 is sent under an unused id, DUP 0; PUBREL follows PUBREC, never PUBLISH again',
  ),
  both('MQTT311-4.3.3-2', 'QoS 2 is received once: PUBREC until PUBREL, then PUBCOMP, then the id is new'),

  // 4.4 Message delivery retry
  both(
    'MQTT311-4.4.0-1',
    'On reconnect with clean session 0 open PUBLISH and PUBREL are resent under their ids',
  ),

  // 4.5 Message receipt
  server('MQTT311-4.5.0-1', 'A message taken is added to every session with a matching subscription'),
  client(
    'MQTT311-4.5.0-2',
    'A client acknowledges whatever it receives',
    'a client that never acknowledges is only slow to the broker',
  ),

  // 4.6 Message ordering
  both('MQTT311-4.6.0-1', 'Resent PUBLISH packets keep their first order'),
  both('MQTT311-4.6.0-2', 'PUBACKs leave in the order of the PUBLISH packets'),
  both('MQTT311-4.6.0-3', 'PUBRECs leave in the order of the PUBLISH packets'),
  both('MQTT311-4.6.0-4', 'PUBRELs leave in the order of the PUBREC packets'),
  server('MQTT311-4.6.0-5', 'Every topic is ordered unless somebody says otherwise'),
  server('MQTT311-4.6.0-6', 'One publisher, one topic and QoS: delivered in the order received'),

  // 4.7 Topic names and topic filters
  server('MQTT311-4.7.1-1', 'Wildcards stand in filters only, not in topic names'),
  server('MQTT311-4.7.1-2', '# stands alone or after / and comes last'),
  server('MQTT311-4.7.1-3', '+ fills a whole level'),
  server('MQTT311-4.7.2-1', 'A leading wildcard does not match topics that begin with $'),
  server('MQTT311-4.7.3-1', 'Topics and filters have at least one character'),
  server('MQTT311-4.7.3-2', 'Topics and filters hold no U+0000'),
  server('MQTT311-4.7.3-3', 'Topics and filters have at most 65,535 octets'),
  server('MQTT311-4.7.3-4', 'Topics match as they are, character by character'),

  // 4.8 Handling errors
  both('MQTT311-4.8.0-1', 'A protocol violation closes its connection'),
  both('MQTT311-4.8.0-2', 'A transient error while working on a packet closes its connection'),

  // 6 WebSocket
  both('MQTT311-6.0.0-1', 'MQTT travels in binary frames; any other frame closes'),
  both('MQTT311-6.0.0-2', 'Frames and packets need not align'),
  server('MQTT311-6.0.0-3', 'A client offers the subprotocol mqtt; without it none is spoken'),
  server('MQTT311-6.0.0-4', 'The server selects the subprotocol mqtt'),

  // 7 Conformance
  client(
    'MQTT311-7.0.0-1',
    'A server that dials other servers conforms as a client too',
    'the broker dials nobody; a bridge is a client with tests of its own',
  ),
  both('MQTT311-7.0.0-2', 'Nothing beyond the standard is needed to be served'),
  server('MQTT311-7.1.1-1', 'The server has a transport of ordered, lossless octets both ways'),
  client(
    'MQTT311-7.1.2-1',
    'The client has a transport of ordered, lossless octets both ways',
    'says what a client must be built on',
  ),
];
