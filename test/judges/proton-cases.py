# Cases for python3-qpid-proton, each a function: `proton-cases.py CASE PORT` prints ok.

import sys
import threading
import uuid

from proton import Array, ConnectionException, Data, Delivery, Message, UNDESCRIBED, byte, char, decimal32, decimal64, decimal128
from proton import float32, int32, short, symbol, timestamp, ubyte, uint, ulong, ushort
from proton import Described
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import AtLeastOnce, AtMostOnce, Container, Copy, DurableSubscription, Selector
from proton.utils import BlockingConnection, LinkDetached, SendException, SyncRequestResponse


def connect(port, **options):
    return BlockingConnection("amqp://127.0.0.1:%s" % port, timeout=10, **options)


def same_name(port):
    """Sender and receiver of one address have one link name, in both directions."""
    connection = connect(port)
    receiver = connection.create_receiver("proton/same", credit=10)
    sender = connection.create_sender("proton/same")
    assert receiver.link.name == sender.link.name
    sender.send(Message(body="x"))
    assert receiver.receive().body == "x"
    receiver.accept()
    connection.close()


def browse(port):
    """Who copies leaves everything where it is."""
    connection = connect(port)
    sender = connection.create_sender("queue://proton-browse")
    for body in ("one", "two"):
        sender.send(Message(body=body))
    for options in (Copy(), None):
        receiver = connection.create_receiver("queue://proton-browse", credit=10, options=options, name=str(options))
        for body in ("one", "two"):
            assert receiver.receive().body == body
            receiver.accept()
        receiver.close()
    connection.close()


def types(port):
    connection = connect(port)
    receiver = connection.create_receiver("proton/types", credit=100)
    sender = connection.create_sender("proton/types")
    values = [
        None,
        True,
        ubyte(255),
        ushort(65535),
        uint(4294967295),
        ulong(18446744073709551615),
        byte(-128),
        short(-32768),
        int32(-2147483648),
        -9223372036854775808,
        float32(1.5),
        3.141592653589793,
        decimal32(575668225),
        decimal64(2468429284932845568),
        decimal128(bytes(range(16))),
        char("\U0001f321"),
        timestamp(1700000000000),
        uuid.uuid4(),
        b"\x00\xff",
        "W\u00e4rme",
        symbol("symbol"),
        [1, "two", [3.0]],
        {"map": {"deep": True}},
        Array(UNDESCRIBED, Data.LONG, 1, 2, 3),
        Described(symbol("a:descriptor"), [1, 2]),
    ]
    for value in values:
        # Application properties are simple types. [AMQP1-3.2.5]
        properties = {} if isinstance(value, (list, dict, Array, Described)) else {"value": value}
        sender.send(Message(body=value, properties=properties))
        message = receiver.receive()
        receiver.accept()
        assert message.body == value and type(message.body) is type(value), (message.body, value)
        assert type(message.properties.get("value")) is type(properties.get("value")), message.properties
    connection.close()


def ids(port):
    connection = connect(port)
    receiver = connection.create_receiver("proton/ids", credit=100)
    sender = connection.create_sender("proton/ids")
    for one in ["text", ulong(7), uuid.uuid4(), b"\x00\x01"]:
        sender.send(Message(id=one, correlation_id=one, body=b"x", inferred=True))
        message = receiver.receive()
        receiver.accept()
        assert (message.id, message.correlation_id) == (one, one), message
        assert message.body == b"x" and message.inferred
    connection.close()


def outcomes(port):
    connection = connect(port)
    address = "queue://proton-outcomes"
    sender = connection.create_sender(address)
    sender.send(Message(body="job", durable=True))
    receiver = connection.create_receiver(address, credit=1)
    for delivered in [True, False]:
        assert receiver.receive().body == "job"
        receiver.release(delivered=delivered)
    again = receiver.receive()
    assert (again.body, again.first_acquirer) == ("job", False), again
    receiver.reject()
    sender.send(Message(body="next"))
    assert receiver.receive().body == "next"
    receiver.accept()
    connection.close()


def settling(port):
    """At most once and at least once, sent and received."""
    connection = connect(port)
    receiver = connection.create_receiver("proton/settling", credit=10, options=AtMostOnce())
    for options in [AtMostOnce(), AtLeastOnce()]:
        sender = connection.create_sender("proton/settling", options=options, name="s-%s" % options.__class__.__name__)
        sender.send(Message(body=options.__class__.__name__))
        assert receiver.receive().body == options.__class__.__name__
    connection.close()


def large(port):
    connection = connect(port)
    receiver = connection.create_receiver("proton/large", credit=2)
    sender = connection.create_sender("proton/large")
    body = bytes(range(256)) * 4000
    sender.send(Message(body=body, inferred=True))
    assert bytes(receiver.receive().body) == body
    receiver.accept()
    connection.close()


def selecting(port):
    connection = connect(port)
    receiver = connection.create_receiver("proton/selecting", credit=5, options=Selector("colour = 'green'"))
    sender = connection.create_sender("proton/selecting")
    for i, colour in enumerate(["green", "red", "green"]):
        sender.send(Message(body=i, properties={"colour": colour}))
    got = []
    for _ in range(2):
        got.append(receiver.receive().body)
        receiver.accept()
    assert got == [0, 2], got
    connection.close()


def durable(port):
    def come():
        container = Container()
        container.container_id = "proton-durable"
        connection = connect(port, container=container)
        options = DurableSubscription()
        return connection, connection.create_receiver("proton/durable", credit=1, name="sub", options=options)

    come()[0].close()
    other = connect(port)
    other.create_sender("proton/durable").send(Message(body="while away", durable=True))
    other.close()
    connection, receiver = come()
    assert receiver.receive().body == "while away"
    receiver.accept()
    receiver.close()
    connection.close()


def request(port):
    """A call by SyncRequestResponse, which listens on a dynamic node."""
    class Server(MessagingHandler):
        def on_start(self, event):
            connection = event.container.connect("amqp://127.0.0.1:%s" % port)
            event.container.create_receiver(connection, "queue://proton-calls")
            self.answers = event.container.create_sender(connection, None)
            self.connection = connection

        def on_link_opened(self, event):
            if event.link.is_receiver and not getattr(self, "asked", False):
                self.asked = True
                self.client = threading.Thread(target=ask)
                self.client.start()

        def on_message(self, event):
            m = event.message
            self.answers.send(Message(address=m.reply_to, body=m.body.upper(), correlation_id=m.correlation_id))

        def on_accepted(self, event):
            self.connection.close()

    answers = []

    def ask():
        connection = connect(port)
        answers.append(SyncRequestResponse(connection, "queue://proton-calls").call(Message(body="hello")).body)
        connection.close()

    server = Server()
    Container(server).run()
    server.client.join()
    assert answers == ["HELLO"], answers


def faults(port):
    connection = connect(port)
    try:
        connection.create_sender("a/#")
    except LinkDetached as why:
        assert "amqp:invalid-field" in str(why), why
    else:
        raise AssertionError("wildcards can be sent to")
    try:
        connection.create_sender(None).send(Message(body="nowhere"))
    except SendException as why:
        assert why.state == Delivery.REJECTED, why
    else:
        raise AssertionError("it went somewhere")
    connection.close()


def transactions(port):
    """Two messages are sent in each of two transactions: the first is aborted, the second committed."""

    class Sending(MessagingHandler, TransactionHandler):
        def __init__(self):
            super().__init__()
            self.transaction = None
            self.aborted = self.done = False

        def on_start(self, event):
            self.container = event.container
            self.connection = event.container.connect("amqp://127.0.0.1:%s" % port)
            self.sender = event.container.create_sender(self.connection, "queue://proton-tx")
            self.container.declare_transaction(self.connection, handler=self)

        def on_transaction_declared(self, event):
            self.transaction = event.transaction
            for i in range(2):
                self.transaction.send(self.sender, Message(body="%s %d" % ("kept" if self.aborted else "lost", i)))
            if self.aborted:
                self.transaction.commit()
            else:
                self.transaction.abort()

        def on_transaction_aborted(self, event):
            self.aborted = True
            self.container.declare_transaction(self.connection, handler=self)

        def on_transaction_committed(self, event):
            self.done = True
            self.connection.close()

    sending = Sending()
    Container(sending).run()
    assert sending.done
    connection = connect(port)
    receiver = connection.create_receiver("queue://proton-tx", credit=2)
    got = []
    for _ in range(2):
        got.append(receiver.receive().body)
        receiver.accept()
    assert got == ["kept 0", "kept 1"], got
    connection.close()


def login(port):
    """PLAIN, and what is refused. Debian's build has no SCRAM."""
    connection = connect(port, user="alice", password="wonderland", allowed_mechs="PLAIN")
    receiver = connection.create_receiver("proton/login", credit=1)
    sender = connection.create_sender("proton/login")
    sender.send(Message(body="in", user_id=b"alice"))
    assert receiver.receive().body == "in"
    try:
        sender.send(Message(body="in", user_id=b"bob"))
    except SendException as why:
        assert why.state == Delivery.REJECTED, why
    else:
        raise AssertionError("alice is bob")
    connection.close()
    for options in [dict(user="alice", password="wrong", allowed_mechs="PLAIN"), dict(allowed_mechs="ANONYMOUS")]:
        try:
            connect(port, **options)
        except ConnectionException as why:
            assert "amqp:unauthorized-access" in str(why), why
        else:
            raise AssertionError("it was let in: %s" % options)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
    print("ok")
