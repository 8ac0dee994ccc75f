"""Cases for Kombu, with which Celery speaks AMQP 0-9-1: `kombu-cases.py CASE PORT` prints ok."""

import sys
import threading

from kombu import Connection, Exchange, Queue
from kombu.pidbox import Mailbox


def connect(port):
    return Connection(f"pyamqp://guest:guest@127.0.0.1:{port}//", heartbeat=10)


def there_and_back(port):
    exchange = Exchange("kombu", "topic", durable=True)
    queue = Queue("kombu", exchange, routing_key="a.#", max_priority=3, expires=60)
    with connect(port) as connection:
        # The first message makes exchange, queue and binding.
        connection.Producer(serializer="json").publish(
            {"n": [1, "two"]},
            exchange=exchange,
            routing_key="a.b",
            declare=[queue],
            compression="zlib",
            priority=2,
            retry=True,
            headers={"h": {"deep": True}},
        )
        got = []

        def take(body, message):
            got.append((body, message.headers["h"], message.properties["priority"], message.delivery_info["routing_key"]))
            message.ack()

        with connection.Consumer(queue, callbacks=[take]):
            connection.drain_events(timeout=10)
        assert got == [({"n": [1, "two"]}, {"deep": True}, 2, "a.b")], got


def simple_queue(port):
    with connect(port) as connection:
        queue = connection.SimpleQueue("kombu-simple")
        queue.put("job")
        first = queue.get(timeout=10)
        first.requeue()
        again = queue.get(timeout=10)
        assert (again.payload, again.delivery_info["redelivered"]) == ("job", True), again
        again.ack()
        try:
            queue.get(timeout=0.1)
        except queue.Empty:
            queue.close()
            return
    raise AssertionError("it was there twice")


def mailbox(port):
    """How Celery asks all its workers: a fanout exchange, and a queue for the answers."""
    box = Mailbox("kombu-box", type="fanout")
    listening = threading.Event()

    def work():
        with connect(port) as connection:
            handlers = {"ping": lambda state: {"ok": "pong"}}
            node = box(connection).Node("worker", channel=connection.default_channel, handlers=handlers, state={})
            with node.listen():
                listening.set()
                connection.drain_events(timeout=10)

    worker = threading.Thread(target=work)
    worker.start()
    assert listening.wait(10)
    with connect(port) as connection:
        answers = box(connection)._broadcast("ping", reply=True, timeout=10, limit=1, channel=connection.default_channel)
    worker.join(10)
    assert answers == [{"worker": {"ok": "pong"}}], answers


globals()[sys.argv[1]](int(sys.argv[2]))
print("ok")
