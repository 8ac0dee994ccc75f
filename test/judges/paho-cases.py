"""Paho for Python as a judge: runs one case by name against the broker at a port, prints `ok`, and fails with what was wrong."""

import queue
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 10
PORT = int(sys.argv[2])
LEVEL = {"3": mqtt.MQTTv31, "4": mqtt.MQTTv311, "5": mqtt.MQTTv5}[sys.argv[3]]
SOCKET = int(sys.argv[4]) if len(sys.argv) > 4 else 0
NAME = "paho-%s-%s" % (sys.argv[1], sys.argv[3])


def props(kind, **values):
    found = Properties(kind)
    for name, value in values.items():
        setattr(found, name, value)
    return found


class Judge:
    """A client that keeps what arrives."""

    def __init__(self, name, clean=True, expiry=None, transport="tcp", connect=True, **options):
        self.inbox = queue.Queue()
        self.answers = queue.Queue()
        self.welcome = queue.Queue()
        self.gone = queue.Queue()
        self.clean = clean
        self.connection = props(PacketTypes.CONNECT, **options) if LEVEL == mqtt.MQTTv5 else None
        if expiry is not None and LEVEL == mqtt.MQTTv5:
            self.connection.SessionExpiryInterval = expiry
        rest = {} if LEVEL == mqtt.MQTTv5 else {"clean_session": clean}
        self.c = mqtt.Client(NAME + name if name is not None else "", protocol=LEVEL, transport=transport, **rest)
        self.c.reconnect_delay_set(1, 1)
        self.c.max_queued_messages_set(0)
        self.c.max_inflight_messages_set(200)
        self.c.on_message = lambda c, u, m: self.inbox.put(m)
        self.c.on_subscribe = lambda c, u, mid, *rest: self.answers.put(rest[0])
        self.c.on_unsubscribe = lambda c, u, mid, *rest: self.answers.put(rest[-1] if rest else None)
        self.c.on_connect = lambda c, u, flags, rc, *p: self.welcome.put((flags["session present"], int(getattr(rc, "value", rc)), p))
        self.c.on_disconnect = lambda c, u, rc, *p: self.gone.put(rc)
        if transport == "websockets":
            self.c.ws_set_options("/mqtt")
        if connect:
            self.connect()

    def connect(self, keepalive=60):
        more = {"clean_start": self.clean, "properties": self.connection} if LEVEL == mqtt.MQTTv5 else {}
        port = SOCKET if self.c._transport == "websockets" else PORT
        self.c.connect("127.0.0.1", port, keepalive, **more)
        self.c.loop_start()
        self.present, self.code, self.told = self.welcome.get(timeout=PATIENCE)
        assert self.code == 0, self.code
        return self

    def subscribe(self, *filters, **options):
        self.c.subscribe(list(filters), **options)
        return [int(getattr(code, "value", code)) for code in self.answers.get(timeout=PATIENCE)]

    def publish(self, topic, payload, qos=1, retain=False, **properties):
        p = props(PacketTypes.PUBLISH, **properties) if properties else None
        info = self.c.publish(topic, payload, qos, retain, properties=p)
        info.wait_for_publish(PATIENCE)
        assert info.is_published(), "%s is not acknowledged" % payload
        return info

    def next(self):
        return self.inbox.get(timeout=PATIENCE)

    def take(self, count):
        return [self.next().payload.decode() for _ in range(count)]

    def leave(self):
        self.c.disconnect()
        self.gone.get(timeout=PATIENCE)
        self.c.loop_stop()

    def cut(self):
        """Loses the connection without a word."""
        self.c.loop_stop()
        self.c._sock_close()


def entry(filter, qos):
    return (filter, SubscribeOptions(qos=qos)) if LEVEL == mqtt.MQTTv5 else (filter, qos)


def same(found, expected):
    assert found == expected, "%r is not %r" % (found, expected)


def there_and_back(transport="tcp"):
    judge = Judge("", transport=transport)
    for qos in (0, 1, 2):
        topic = "%s/%s/%d" % (NAME, transport, qos)
        same(judge.subscribe(entry(topic, qos)), [qos])
        sent = [str(i) for i in range(200)]
        for text in sent:
            judge.c.publish(topic, text, qos)
        same(judge.take(200), sent)
    judge.publish(NAME + "/big", b"", 1)
    judge.subscribe(entry(NAME + "/large", 2))
    payload = b"0123456789" * 200_000
    judge.publish(NAME + "/large", payload, 2)
    same(judge.next().payload, payload)
    judge.leave()


def websockets():
    there_and_back("websockets")


def many():
    """10,000 at QoS 1 to another client, in order."""
    taker, giver = Judge("-taker"), Judge("-giver")
    taker.subscribe(entry(NAME, 1))
    sent = [str(i) for i in range(10_000)]
    for text in sent:
        giver.c.publish(NAME, text, 1)
    same([m for m in (taker.inbox.get(timeout=PATIENCE).payload.decode() for _ in sent)], sent)


def offline():
    """A persistent session queues, in order, exactly once."""
    sleeper = Judge("-sleeper", clean=False, expiry=600)
    same(sleeper.present, 0)
    sleeper.subscribe(entry(NAME, 2))
    sleeper.cut()
    giver = Judge("-giver")
    sent = [str(i) for i in range(1_000)]
    for text in sent:
        giver.c.publish(NAME, text, 1 + int(text) % 2)
    giver.publish(NAME, "end", 1)
    again = Judge("-sleeper", clean=False, expiry=600, connect=False)
    again.connect()
    if LEVEL != mqtt.MQTTv31:
        same(again.present, 1)
    got = again.take(1_001)
    same(sorted(got), sorted(sent + ["end"]))
    again.leave()
    last = Judge("-sleeper", clean=True, expiry=0)
    same(last.present, 0)
    assert last.inbox.empty()


def reconnecting():
    """Paho comes back by itself after its delay, with what it had not finished, and nothing at QoS 2 comes twice."""
    taker = Judge("-taker")
    taker.subscribe(entry(NAME, 2))
    giver = Judge("-giver", clean=False, expiry=600)
    sent = [str(i) for i in range(500)]
    last = None
    for text in sent:
        last = giver.c.publish(NAME, text, 2)
        if text in ("100", "300"):
            giver.c._sock.shutdown(2)
            giver.welcome.get(timeout=PATIENCE)
    same(sorted(taker.take(500)), sorted(sent))
    last.wait_for_publish(PATIENCE)
    giver.publish(NAME, "end", 2)
    same(taker.take(1), ["end"])


def will():
    watcher = Judge("-watcher")
    watcher.subscribe(entry(NAME, 2))
    mortal = Judge("-mortal", expiry=30, connect=False)
    mortal.clean = True
    p = None
    if LEVEL == mqtt.MQTTv5:
        p = props(PacketTypes.WILLMESSAGE, WillDelayInterval=1, ContentType="text/x", MessageExpiryInterval=77)
        p.UserProperty = ("why", "lost")
    mortal.c.will_set(NAME, "gone", 2, True, properties=p)
    mortal.connect()
    mortal.cut()
    m = watcher.next()
    same((m.payload, m.qos, m.retain), (b"gone", 2, 0))
    if LEVEL == mqtt.MQTTv5:
        same((m.properties.ContentType, m.properties.UserProperty), ("text/x", [("why", "lost")]))
    late = Judge("-late")
    late.subscribe(entry(NAME, 0))
    same(late.next().retain, 1)


def properties():
    judge = Judge("", TopicAliasMaximum=0, ReceiveMaximum=3, MaximumPacketSize=100_000)
    p = props(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=42)
    judge.subscribe(entry(NAME, 2), properties=p)
    user = [("b", "2"), ("a", "1"), ("b", "2"), ("\u00fc", "\U0001f30d")]
    p = props(
        PacketTypes.PUBLISH,
        PayloadFormatIndicator=1,
        MessageExpiryInterval=100,
        ContentType="text/plain",
        ResponseTopic="answers",
        CorrelationData=bytes(range(256)),
        TopicAlias=1,
    )
    p.UserProperty = user
    for topic in (NAME, ""):
        judge.c.publish(topic, "x", 2, properties=p)
        got = judge.next().properties
        same(got.UserProperty, user)
        same(got.SubscriptionIdentifier, [42])
        same(got.CorrelationData, bytes(range(256)))
        same((got.ContentType, got.ResponseTopic, got.PayloadFormatIndicator), ("text/plain", "answers", 1))
        assert got.MessageExpiryInterval in (99, 100), got.MessageExpiryInterval
    nobody = Judge(None)
    assert nobody.told[0].AssignedClientIdentifier != ""


def keepalive():
    """A client that stays silent is sent away after one and a half times its keep alive, and its will is sent."""
    watcher = Judge("-watcher")
    watcher.subscribe(entry(NAME, 0))
    silent = Judge("-silent", connect=False)
    silent.c.will_set(NAME, "silent")
    silent.connect(keepalive=1)
    silent.c.loop_stop()
    same(watcher.next().payload, b"silent")


def survive():
    """Reads commands, a line each, because the broker dies in between: `start`, `send N`, `take N`."""
    taker = giver = None
    for line in sys.stdin:
        command = line.split()
        if command[0] == "start":
            taker, giver = Judge("-taker", clean=False, expiry=600), Judge("-giver", clean=False, expiry=600)
            taker.subscribe(entry(NAME, 2))
        elif command[0] == "send":
            for i in range(int(command[1]), int(command[2])):
                giver.c.publish(NAME, str(i), 2)
        elif command[0] == "take":
            got = taker.take(int(command[1]))
            same(sorted(int(text) for text in got), list(range(int(command[1]))))
            giver.publish(NAME, "end", 2)
            same(taker.take(1), ["end"])
        print("done " + command[0], flush=True)


threading.excepthook = lambda args: sys.__excepthook__(*args[:3])
globals()[sys.argv[1]]()
print("ok")
