# Cases for python3-uamqp, Azure's client library, each a function: `uamqp-cases.py CASE PORT CA` prints ok. It speaks TLS only.

import sys
import uuid

from uamqp import Message, ReceiveClient, SendClient, address, authentication, errors
from uamqp.message import MessageProperties


def login(port, ca):
    return authentication.SASLPlain("localhost", "guest", "guest", port=int(port), verify=ca)


def url(port, name):
    return "amqps://localhost:%s/%s" % (port, name)


def queue(port, ca):
    """Batches in, batches out; ids are uuids, as Azure's clients send them."""
    one = uuid.uuid4()
    target = url(port, "$queue/uamqp")
    client = SendClient(target, auth=login(port, ca))
    for i in range(20):
        properties = MessageProperties(message_id=one, correlation_id=one, subject="s%d" % i)
        client.queue_message(Message(b"body %d" % i, properties=properties, application_properties={b"i": i}))
    states = client.send_all_messages()
    assert len(states) == 20 and all(str(s) == "MessageState.SendComplete" for s in states), states
    receiver = ReceiveClient(target, auth=login(port, ca), prefetch=10)
    got = []
    while len(got) < 20:
        for message in receiver.receive_message_batch(max_batch_size=10, timeout=5000):
            assert message.properties.message_id == one, message.properties
            got.append((b"".join(message.get_data()), message.application_properties[b"i"]))
            message.accept()
    assert got == [(b"body %d" % i, i) for i in range(20)], got
    receiver.close()


def large(port, ca):
    target = url(port, "$queue/uamqp-large")
    body = bytes(range(256)) * 2000
    # Its own limit of frames (65,536) is not regarded when it splits: it has to be as large as the hub's.
    client = SendClient(target, auth=login(port, ca), max_frame_size=131072)
    client.queue_message(Message(body))
    client.send_all_messages()
    receiver = ReceiveClient(target, auth=login(port, ca), prefetch=1)
    [message] = receiver.receive_message_batch(max_batch_size=1, timeout=10000)
    assert b"".join(message.get_data()) == body
    message.accept()
    receiver.close()


def outcomes(port, ca):
    target = url(port, "$queue/uamqp-outcomes")
    client = SendClient(target, auth=login(port, ca))
    for body in [b"released", b"rejected", b"modified"]:
        client.queue_message(Message(body))
    client.send_all_messages()
    receiver = ReceiveClient(target, auth=login(port, ca), prefetch=3, auto_complete=False)
    seen = []
    released = False
    while len(seen) < 4:
        for message in receiver.receive_message_batch(max_batch_size=1, timeout=5000):
            body = b"".join(message.get_data())
            seen.append(body)
            if body == b"released" and not released:
                released = True
                message.release()
            elif body == b"rejected":
                message.reject(condition=b"app:bad", description="no")
            else:
                message.accept()
    assert sorted(seen) == [b"modified", b"rejected", b"released", b"released"], seen
    receiver.close()


def refused(port, ca):
    source = address.Source(url(port, "$queue/uamqp-refused"))
    source.set_filter(b"colour = = 1", name=b"apache.org:selector-filter:string", descriptor=b"apache.org:selector-filter:string")
    receiver = ReceiveClient(source, auth=login(port, ca))
    try:
        receiver.receive_message_batch(timeout=5000)
    except errors.LinkDetach as why:
        assert "InvalidField" in str(why), why
    else:
        raise AssertionError("that is a selector")
    receiver.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], sys.argv[3])
    print("ok")
