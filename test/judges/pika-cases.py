# Cases for Pika, each a function: `pika-cases.py CASE PORT` prints ok.

import sys

import pika


def connect(port, password="guest"):
    credentials = pika.PlainCredentials("guest", password)
    parameters = pika.ConnectionParameters("127.0.0.1", port, heartbeat=5, credentials=credentials)
    return pika.BlockingConnection(parameters)


def there_and_back(port):
    connection = connect(port)
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    headers = {"n": 1, "big": 1 << 40, "list": [1, "two"], "table": {"a": True}, "none": None}
    properties = pika.BasicProperties(headers=headers, delivery_mode=2, correlation_id="c", type="t")
    channel.basic_publish("", queue, b"hi", properties, mandatory=True)
    method, got, body = channel.basic_get(queue)
    assert (body, got.headers, got.delivery_mode) == (b"hi", headers, 2), (body, got)
    assert (got.correlation_id, got.type) == ("c", "t"), got
    channel.basic_ack(method.delivery_tag)
    connection.close()


def unroutable(port):
    connection = connect(port)
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        channel.basic_publish("", "nowhere", b"x", mandatory=True)
    except pika.exceptions.UnroutableError:
        connection.close()
        return
    raise AssertionError("it was routed")


def large(port):
    connection = connect(port)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", "a.#")
    body = bytes(range(256)) * 2000
    channel.basic_publish("amq.topic", "a.b", body)
    for method, _, got in channel.consume(queue):
        assert got == body and method.routing_key == "a.b"
        channel.basic_ack(method.delivery_tag)
        break
    connection.close()


def transaction(port):
    connection = connect(port)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.tx_select()
    channel.basic_publish("", queue, b"never")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"once")
    channel.tx_commit()
    assert channel.basic_get(queue, auto_ack=True)[2] == b"once"
    assert channel.basic_get(queue, auto_ack=True)[0] is None
    connection.close()


def faults(port):
    connection = connect(port)
    channel = connection.channel()
    try:
        channel.queue_declare("not-there", passive=True)
    except pika.exceptions.ChannelClosedByBroker as why:
        assert why.reply_code == 404, why
    else:
        raise AssertionError("it is there")
    connection.channel().queue_declare("", exclusive=True)
    connection.close()


globals()[sys.argv[1]](int(sys.argv[2]))
print("ok")
