"""Cases that stomp.py plays against the broker: `stomp-cases.py CASE PORT VERSION`. Prints ok, or the reason why not."""

import queue
import sys

import stomp

PATIENCE = 10
PORT = int(sys.argv[2])
VERSION = sys.argv[3]
CONNECTION = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}[VERSION]


class Inbox(stomp.ConnectionListener):
    def __init__(self):
        self.messages = queue.Queue()
        self.receipts = queue.Queue()
        self.errors = queue.Queue()

    def on_message(self, frame):
        self.messages.put(frame)

    def on_receipt(self, frame):
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame):
        self.errors.put(frame)

    def next(self):
        return self.messages.get(timeout=PATIENCE)

    def receipt(self, wanted):
        while self.receipts.get(timeout=PATIENCE) != wanted:
            pass


def connect(**more):
    settings = {} if VERSION == "1.0" else {"heartbeats": more.pop("heartbeats", (0, 0))}
    connection = CONNECTION([("127.0.0.1", PORT)], **settings)
    inbox = Inbox()
    connection.set_listener("inbox", inbox)
    connection.connect("user", "pass", wait=True, **more)
    return connection, inbox


def subscribe(connection, inbox, destination, ack="auto", **headers):
    if VERSION == "1.0":
        connection.subscribe(destination, ack=ack, headers={"id": "s", "receipt": "sub"}, **headers)
    else:
        connection.subscribe(destination, "s", ack=ack, headers={"receipt": "sub"}, **headers)
    inbox.receipt("sub")


def answer(connection, frame, nack=False):
    do = connection.nack if nack else connection.ack
    if VERSION == "1.0":
        connection.ack(frame.headers["message-id"])
    elif VERSION == "1.1":
        do(frame.headers["message-id"], "s")
    else:
        do(frame.headers["ack"])


def equal(got, wanted):
    if got != wanted:
        raise AssertionError(f"{got!r}, not {wanted!r}")


def there_and_back():
    connection, inbox = connect()
    destination = f"/topic/stomp.py/{VERSION}"
    subscribe(connection, inbox, destination)
    body = "W\u00e4rme \U0001f321"
    connection.send(destination, body, content_type="text/plain", headers={"custom": "a b"})
    frame = inbox.next()
    equal(frame.body, body)
    equal(frame.headers["custom"], "a b")
    equal(frame.headers["content-type"], "text/plain")
    connection.disconnect()


def acknowledging():
    connection, inbox = connect()
    destination = f"/queue/stomp.py/ack/{VERSION}"
    for n in range(3):
        connection.send(destination, str(n))
    subscribe(connection, inbox, destination, ack="client")
    frames = [inbox.next() for _ in range(3)]
    equal([frame.body for frame in frames], ["0", "1", "2"])
    answer(connection, frames[1])
    connection.disconnect(receipt="bye")
    inbox.receipt("bye")
    connection, inbox = connect()
    subscribe(connection, inbox, destination)
    frame = inbox.next()
    equal(frame.body, "2")
    equal(frame.headers["redelivered"], "true")
    connection.disconnect()


def refusing():
    connection, inbox = connect()
    destination = f"/queue/stomp.py/nack/{VERSION}"
    subscribe(connection, inbox, destination, ack="client-individual")
    connection.send(destination, "again")
    answer(connection, inbox.next(), nack=True)
    frame = inbox.next()
    equal(frame.headers["redelivered"], "true")
    answer(connection, frame)
    connection.disconnect()


def transactions():
    connection, inbox = connect()
    destination = f"/topic/stomp.py/tx/{VERSION}"
    subscribe(connection, inbox, destination)
    lost = connection.begin()
    connection.send(destination, "never", transaction=lost)
    connection.abort(lost)
    kept = connection.begin()
    connection.send(destination, "1", transaction=kept)
    connection.send(destination, "2", transaction=kept)
    connection.send(destination, "0")
    equal(inbox.next().body, "0")
    connection.commit(kept)
    equal([inbox.next().body, inbox.next().body], ["1", "2"])
    connection.disconnect()


def heartbeats():
    connection, inbox = connect(heartbeats=(1000, 1000))
    destination = f"/topic/stomp.py/beat/{VERSION}"
    subscribe(connection, inbox, destination)
    try:
        inbox.messages.get(timeout=4)
    except queue.Empty:
        pass
    if not connection.is_connected():
        raise AssertionError("lost, though both sides beat")
    connection.send(destination, "alive")
    equal(inbox.next().body, "alive")
    connection.disconnect()


def errors():
    connection, inbox = connect()
    connection.send("/nowhere", "x", receipt="r")
    frame = inbox.errors.get(timeout=PATIENCE)
    equal(frame.headers["message"], "bad-destination")
    equal(frame.headers["receipt-id"], "r")


try:
    globals()[sys.argv[1]]()
    print("ok", flush=True)
except Exception as why:  # the test prints it
    print(f"{type(why).__name__}: {why}", flush=True)
