# CoAP octet by octet, written from the RFCs alone: the ETSI plugtests' cases and hostile datagrams; a line a case, `name: ok` or what is wrong.
import socket
import struct
import sys
import time
import traceback

ADDRESS = (sys.argv[1], int(sys.argv[2]))
CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE = 1, 2, 3, 4
IF_MATCH, ETAG, IF_NONE_MATCH, OBSERVE, LOCATION_PATH, URI_PATH, FORMAT, URI_QUERY = 1, 4, 5, 6, 8, 11, 12, 15
HOP_LIMIT, ACCEPT, LOCATION_QUERY, BLOCK2, BLOCK1, SIZE2, PROXY_URI, SIZE1 = 16, 17, 20, 23, 27, 28, 35, 60
NO_RESPONSE, REQUEST_TAG = 258, 292


def nibble(n):
    if n < 13:
        return n, b""
    return (13, bytes([n - 13])) if n < 269 else (14, struct.pack(">H", n - 269))


def octets(value):
    if isinstance(value, int):
        return value.to_bytes((value.bit_length() + 7) // 8, "big")
    return value.encode() if isinstance(value, str) else value


def encode(kind, code, mid, token=b"", options=(), payload=b""):
    length, more = nibble(len(token))
    out = bytes([0x40 | kind << 4 | length, code]) + struct.pack(">H", mid) + more + token
    last = 0
    for number, value in sorted(((n, octets(v)) for n, v in options), key=lambda o: o[0]):
        delta, wide = nibble(number - last)
        length, long = nibble(len(value))
        out += bytes([delta << 4 | length]) + wide + long + value
        last = number
    return out + (b"\xff" + payload if payload else b"")


def wide(data, at, value):
    if value < 13:
        return value, at
    if value == 13:
        return data[at] + 13, at + 1
    return struct.unpack(">H", data[at : at + 2])[0] + 269, at + 2


class Message:
    def __init__(self, data):
        self.kind, self.code = data[0] >> 4 & 3, data[1]
        self.mid = struct.unpack(">H", data[2:4])[0]
        length, at = wide(data, 4, data[0] & 15)
        self.token, at = data[at : at + length], at + length
        self.options, number = [], 0
        while at < len(data) and data[at] != 0xFF:
            head = data[at]
            delta, at = wide(data, at + 1, head >> 4)
            length, at = wide(data, at, head & 15)
            number += delta
            self.options.append((number, data[at : at + length]))
            at += length
        self.payload = data[at + 1 :]
        self.text = f"{self.code >> 5}.{self.code & 31:02}"

    def all(self, number):
        return [value for n, value in self.options if n == number]

    def one(self, number):
        values = self.all(number)
        return values[0] if values else None

    def block(self, number):
        value = int.from_bytes(self.one(number), "big")
        return value >> 4, bool(value & 8), value & 7


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(ADDRESS)
        self.mid = 0x1000

    def send(self, data):
        self.socket.send(data)

    def hear(self, seconds=5.0):
        self.socket.settimeout(seconds)
        try:
            return Message(self.socket.recv(65535))
        except TimeoutError:
            return None

    # Nothing came: a ping that is answered shows that whatever was sent before has been looked at.
    def quiet(self):
        self.send(encode(CON, 0, 0xFFFF))
        found = self.hear()
        return found is not None and (found.kind, found.mid) == (RST, 0xFFFF)

    def ask(self, code, path, options=(), payload=b"", kind=CON, token=b"k", query="", mid=None):
        self.mid += 1
        where = [(URI_PATH, one) for one in path.split("/")[1:]] + [(URI_QUERY, one) for one in query.split("&") if one]
        self.send(encode(kind, code, self.mid if mid is None else mid, token, [*where, *options], payload))

    def get(self, *args, **more):
        self.ask(*args, **more)
        found = self.hear()
        assert found is not None, "no answer"
        return found

    def acknowledge(self, message, kind=ACK):
        self.send(encode(kind, 0, message.mid))


def same(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


CASES = {}


def case(name):
    def keep(run):
        CASES[name] = run

    return keep


@case("TD_COAP_CORE_01 to 08, GET PUT POST DELETE, confirmable and not")
def methods():
    c = Client()
    for kind, answered in ((CON, ACK), (NON, NON)):
        for method, codes in ((PUT, ("2.01", "2.04")), (GET, ("2.05",)), (POST, ("2.01", "2.04")), (DELETE, ("2.02",))):
            m = c.get(method, "/test", [(FORMAT, 0)] if method in (PUT, POST) else [], b"x" if method in (PUT, POST) else b"", kind)
            assert m.text in codes, m.text
            same((m.kind, m.token), (answered, b"k"))
            if kind == CON:
                same(m.mid, c.mid)
    c.get(PUT, "/test", [(FORMAT, 0)], b"test")


@case("TD_COAP_CORE_09 and 16, a separate response")
def separate():
    c, other = Client(), Client()
    c.ask(GET, "/separate")
    other.ask(GET, "/separate", kind=NON)
    promise = c.hear()
    same((promise.kind, promise.code, promise.mid), (ACK, 0, c.mid))
    for one, kind in ((c, CON), (other, NON)):
        m = one.hear()
        same((m.kind, m.text, m.token, m.payload), (kind, "2.05", b"k", b"later"))
        if kind == CON:
            one.acknowledge(m)


@case("TD_COAP_CORE_10 and 11, tokens of any length; RFC 8974, extended ones")
def tokens():
    c = Client()
    for length in (0, 1, 8, 9, 12, 13, 14, 268, 269, 1024):
        token = bytes(i & 0xFF for i in range(length))
        m = c.get(GET, "/test", token=token)
        same((m.text, m.token), ("2.05", token))


@case("TD_COAP_CORE_12 and 13, several segments and query terms")
def uris():
    c = Client()
    same(c.get(GET, "/seg1/seg2/seg3").text, "2.05")
    same(c.get(GET, "/query", query="first=1&second=2&third=3").payload, b"first=1&second=2&third=3")


@case("TD_COAP_CORE_18 and 19, Location-Path and Location-Query")
def locations():
    c = Client()
    m = c.get(POST, "/test", [(FORMAT, 0)], b"x")
    same((m.text, m.all(LOCATION_PATH)), ("2.01", [b"location1", b"location2", b"location3"]))
    m = c.get(POST, "/location-query", [(FORMAT, 0)], b"x")
    same((m.text, m.all(LOCATION_QUERY)), ("2.01", [b"first=1", b"second=2"]))


@case("TD_COAP_CORE_20, Accept")
def accept():
    c = Client()
    found = [c.get(GET, "/multi-format", [(ACCEPT, format)]) for format in (0, 41, 50)]
    same([m.text for m in found], ["2.05", "2.05", "4.06"])
    same([m.one(FORMAT) for m in found[:2]], [b"", b"\x29"])


@case("TD_COAP_CORE_21 to 23, ETag, If-Match, If-None-Match")
def conditions():
    c = Client()
    tag = c.get(GET, "/validate").one(ETAG)
    m = c.get(GET, "/validate", [(ETAG, tag)])
    same((m.text, m.one(ETAG), m.payload), ("2.03", tag, b""))
    c.get(PUT, "/validate", [(FORMAT, 0)], str(time.time()).encode())
    m = c.get(GET, "/validate", [(ETAG, tag)])
    same(m.text, "2.05")
    assert m.one(ETAG) != tag, "the same ETag"
    same(c.get(PUT, "/validate", [(IF_MATCH, m.one(ETAG)), (FORMAT, 0)], b"one").text, "2.04")
    same(c.get(PUT, "/validate", [(IF_MATCH, m.one(ETAG)), (FORMAT, 0)], b"two").text, "4.12")
    c.get(DELETE, "/create1")
    same([c.get(PUT, "/create1", [(IF_NONE_MATCH, b""), (FORMAT, 0)], b"x").text for _ in "12"], ["2.01", "4.12"])


@case("TD_COAP_LINK_01 to 12, filters of /.well-known/core")
def links():
    c = Client()

    def found(query):
        m = c.get(GET, "/.well-known/core", query=query)
        same((m.text, m.one(FORMAT)), ("2.05", b"\x28"))
        targets = [one.split(b">")[0].lstrip(b"</").decode() for one in m.payload.split(b",<")]
        return sorted(targets) if m.payload else []

    assert "test" in found(""), "no /test"
    same(found("rt=Type1"), ["link1", "link3"])
    same(found("rt=Type2"), ["link1", "link2"])
    same(found("if=If*"), ["link1", "link2"])
    same(found("if=foo"), ["link3"])
    same(found("sz=*"), ["large"])
    same(found("href=/link1"), ["link1"])
    same(found("href=/link*"), ["link1", "link2", "link3"])
    same(found("rt=none"), [])


@case("TD_COAP_BLOCK_01 and 02, answers in blocks, early and late, any block first")
def downloads():
    c = Client()
    m = c.get(GET, "/large")
    same((m.block(BLOCK2), len(m.payload)), ((0, True, 6), 1024))
    whole = m.payload + c.get(GET, "/large", [(BLOCK2, 1 << 4 | 6)]).payload
    same((len(whole), m.one(SIZE2)), (1700, b"\x06\xa4"))
    for szx in range(7):
        size = 16 << szx
        last = (len(whole) - 1) // size
        for number in (0, last // 2, last):
            m = c.get(GET, "/large", [(BLOCK2, number << 4 | szx)])
            same((m.block(BLOCK2), m.payload), ((number, number < last, szx), whole[number * size : (number + 1) * size]))
    same([c.get(GET, "/large", [(BLOCK2, v)]).text for v in (200 << 4 | 6, 7)], ["4.00", "4.00"])


@case("TD_COAP_BLOCK_03 to 06, requests in blocks, answers too")
def uploads():
    c = Client()
    body = bytes(i % 251 for i in range(1500))

    def upload(method, path, szx, more=()):
        size = 16 << szx
        for number in range(-(-len(body) // size)):
            piece = body[number * size : (number + 1) * size]
            last = (number + 1) * size >= len(body)
            m = c.get(method, path, [(BLOCK1, number << 4 | (not last) << 3 | szx), (FORMAT, 42), *more], piece)
            same(m.block(BLOCK1)[0], number)
            if not last:
                same(m.text, "2.31")
        return m

    def read(path):
        found = b""
        while True:
            m = c.get(GET, path, [(BLOCK2, len(found) // 1024 << 4 | 6)])
            found += m.payload
            if not m.block(BLOCK2)[1]:
                return found

    for szx in range(7):
        same(upload(PUT, "/large-update", szx).text, "2.04")
        same(read("/large-update"), body)
    m = upload(POST, "/large-create", 5)
    same(m.text, "2.01")
    same(read("/" + "/".join(one.decode() for one in m.all(LOCATION_PATH))), body)
    m = upload(POST, "/large-post", 4, [(BLOCK2, 2)])
    same((m.text, m.block(BLOCK2), len(m.payload)), ("2.04", (0, True, 2), 64))
    same(c.get(POST, "/large-post", [(BLOCK2, 1 << 4 | 2), (FORMAT, 42)]).block(BLOCK2), (1, True, 2))


@case("RFC 7959, blocks that are missing, doubled, of a wrong size, too many; RFC 9175, two bodies at a time")
def broken_blocks():
    c = Client()

    def put(number, more, payload, szx=4, extra=()):
        return c.get(PUT, "/large-update", [(BLOCK1, number << 4 | more << 3 | szx), *extra], payload).text

    full = b"x" * 256
    same([put(0, 1, full), put(2, 0, b"x"), put(1, 0, b"x")], ["2.31", "4.08", "4.08"])
    same([put(0, 1, full), put(1, 1, full), put(1, 1, full), put(2, 0, b"x")], ["2.31", "2.31", "2.31", "2.04"])
    same([put(0, 1, b"x" * 100), put(0, 0, b"x" * 300), put(0, 1, b"x" * 1024, 7)], ["4.00"] * 3)
    same(put(0, 1, full, 4, [(SIZE1, 1 << 31)]), "4.13")
    for number in range(3):
        for tag in (b"1", b"2"):
            more = number < 2
            expected = "2.31" if more else "2.04"
            same(put(number, more, tag * 256 if more else tag, 4, [(REQUEST_TAG, tag)]), expected)
    same(c.get(GET, "/large-update").payload, b"2" * 513)


@case("TD_COAP_OBS_01 to 09, registering, both ways to cancel, changes, formats, DELETE")
def observing():
    c, other = Client(), Client()
    other.get(PUT, "/obs", [(FORMAT, 0)], b"one")

    def register():
        m = c.get(GET, "/obs", [(OBSERVE, 0)], token=b"w")
        same((m.text, m.token), ("2.05", b"w"))
        return int.from_bytes(m.one(OBSERVE), "big")

    first = register()
    other.get(PUT, "/obs", [(FORMAT, 0)], b"two")
    m = c.hear()
    same((m.kind, m.token, m.payload), (CON, b"w", b"two"))
    assert int.from_bytes(m.one(OBSERVE), "big") > first, "no newer number"
    c.acknowledge(m)
    same(c.get(GET, "/obs", [(OBSERVE, 1)], token=b"w").one(OBSERVE), None)
    other.get(PUT, "/obs", [(FORMAT, 0)], b"three")
    assert c.quiet(), "notified after Observe 1"
    register()
    other.get(PUT, "/obs", [(FORMAT, 0)], b"four")
    c.acknowledge(c.hear(), RST)
    assert c.quiet(), "not idle"
    other.get(PUT, "/obs", [(FORMAT, 0)], b"five")
    assert c.quiet(), "notified after RST"
    register()
    other.get(PUT, "/obs", [(FORMAT, 41)], b"<x/>")
    m = c.hear()
    same((m.text, m.token, m.one(OBSERVE)), ("4.06", b"w", None))
    other.get(PUT, "/obs", [(FORMAT, 0)], b"six")
    register()
    other.get(DELETE, "/obs")
    m = c.hear()
    same((m.text, m.token, m.one(OBSERVE)), ("4.04", b"w", None))
    other.get(PUT, "/obs", [(FORMAT, 0)], b"seven")
    assert c.quiet(), "notified after the end"


@case("RFC 7252, what is malformed or empty: reset when confirmable, else silence")
def malformed():
    c = Client()
    for data, answer in (
        ("40 00 aa 01", RST),  # a ping
        ("41 00 aa 02 09", RST),  # empty, with a token
        ("40 20 aa 03", RST),  # code 1.00
        ("40 c0 aa 04", RST),  # code 6.00
        ("40 01 aa 05 ff", RST),  # a marker without a payload
        ("40 01 aa 06 f1 01", RST),  # reserved delta
        ("40 01 aa 07 1f 01", RST),  # reserved length
        ("4f 01 aa 08", RST),  # reserved token length
        ("44 01 aa 09 01", RST),  # a token cut off
        ("41 45 aa 0a 09", RST),  # a response that nobody asked for
        ("51 45 aa 0b 09", None),
        ("50 20 aa 0c", None),
        ("50 01 aa 0d ff", None),
        ("61 01 aa 0e 09", None),  # a request in an acknowledgement
        ("71 01 aa 0f 09", None),  # and in a reset
        ("80 01 aa 10", None),  # another version
        ("40", None),
        ("", None),
    ):
        c.send(bytes.fromhex(data))
        if answer is None:
            assert c.quiet(), f"{data} was answered"
        else:
            m = c.hear()
            same((m.kind, m.code, m.mid), (answer, 0, int(data[6:11].replace(" ", ""), 16)))


@case("RFC 7252, critical options, methods, proxies; RFC 8768, Hop-Limit")
def options():
    c = Client()
    same(c.get(GET, "/test", [(65001, b"x")]).text, "4.02")
    c.ask(GET, "/test", [(65001, b"x")], kind=NON)
    assert c.quiet(), "a non-confirmable one was answered"
    same(c.get(GET, "/test", [(65000, b"x")]).text, "2.05")
    same(c.get(GET, "/test", [(PROXY_URI, "coap://elsewhere/x")]).text, "5.05")
    same(c.get(31, "/test").text, "4.05")
    same(c.get(PUT, "/large").text, "4.05")
    same(c.get(GET, "/nothing").text, "4.04")
    same([c.get(GET, "/test", [(HOP_LIMIT, bytes([n]))]).text for n in (0, 1, 255)], ["4.00", "2.05", "2.05"])


@case("RFC 7967, No-Response")
def no_response():
    c = Client()
    for value, path, wanted in ((2, "/test", False), (2, "/nothing", True), (8, "/test", True), (8, "/nothing", False), (26, "/test", False)):
        c.ask(GET, path, [(NO_RESPONSE, value)], kind=NON)
        if wanted:
            assert c.hear().code, "no answer"
        else:
            assert c.quiet(), f"{value} {path} was answered"
        m = c.get(GET, path, [(NO_RESPONSE, value)])
        same((m.kind, m.code != 0), (ACK, wanted))


@case("RFC 7252, a duplicate is answered as before, and done once")
def duplicates():
    c = Client()
    found = [c.get(POST, "/large-create", [(FORMAT, 0)], b"x", mid=0x7777) for _ in range(3)]
    same(len({tuple(m.all(LOCATION_PATH)) for m in found}), 1)
    other = c.get(POST, "/large-create", [(FORMAT, 0)], b"x", mid=0x7778)
    assert other.all(LOCATION_PATH) != found[0].all(LOCATION_PATH), "another request was taken for it"


for name, run in CASES.items():
    try:
        run()
        print(f"{name}: ok", flush=True)
    except Exception as why:
        print(f"{name}: {why or traceback.format_exc()}", flush=True)
