# A small MQTT-SN 1.2 device over UDP, written from the specification's tables: it goes through a session and prints what it finds.
import socket
import struct
import sys

host, port, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]


class Device:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.socket.settimeout(5)

    def say(self, kind, body=b""):
        length = len(body) + 2
        head = bytes([length]) if length < 256 else b"\x01" + struct.pack(">H", length + 2)
        self.socket.send(head + bytes([kind]) + body)

    def hear(self, kind):
        octets = self.socket.recv(65535)
        if octets[0] == 1:
            length, start = struct.unpack(">H", octets[1:3])[0], 3
        else:
            length, start = octets[0], 1
        assert length == len(octets), octets
        assert octets[start] == kind, f"expected {kind:#x}, got {octets.hex()}"
        return octets[start + 1 :]

    def connect(self, client, flags=0x04, keep_alive=60):
        self.say(0x04, bytes([flags, 1]) + struct.pack(">H", keep_alive) + client.encode())
        assert self.hear(0x05) == b"\x00"


d = Device()
d.say(0x01, b"\x00")  # SEARCHGW, GWINFO
assert d.hear(0x02) == b"\x01"

d.connect(name)
d.say(0x0A, struct.pack(">HH", 0, 1) + f"{name}/up".encode())  # REGISTER, REGACK
up, message_id, code = struct.unpack(">HHB", d.hear(0x0B))
assert (message_id, code) == (1, 0)

d.say(0x12, b"\x20" + struct.pack(">H", 2) + f"{name}/down/#".encode())  # SUBSCRIBE with QoS 1, SUBACK
assert struct.unpack(">BHHB", d.hear(0x13)) == (0x20, 0, 2, 0)

d.say(0x0C, b"\x20" + struct.pack(">HH", up, 3) + b"one")  # PUBLISH with QoS 1, PUBACK
assert struct.unpack(">HHB", d.hear(0x0D)) == (up, 3, 0)
d.say(0x0C, b"\x40" + struct.pack(">HH", up, 4) + b"x" * 1000)  # with QoS 2: PUBREC, PUBREL, PUBCOMP
assert d.hear(0x0F) == struct.pack(">H", 4)
d.say(0x10, struct.pack(">H", 4))
assert d.hear(0x0E) == struct.pack(">H", 4)

print("ready", flush=True)  # for what is published now
body = d.hear(0x0A)  # REGISTER from the gateway
down, message_id = struct.unpack(">HH", body[:4])
assert body[4:].decode() == f"{name}/down/1", body
d.say(0x0B, struct.pack(">HHB", down, message_id, 0))
body = d.hear(0x0C)
flags, topic, message_id = struct.unpack(">BHH", body[:5])
assert (flags, topic, body[5:]) == (0x20, down, b"two"), body
d.say(0x0D, struct.pack(">HHB", topic, message_id, 0))

d.say(0x18, struct.pack(">H", 60))  # sleeps, and wakes up behind another port
d.hear(0x18)
print("asleep", flush=True)
sys.stdin.readline()
d.socket.close()
d = Device()
d.say(0x16, name.encode())
body = d.hear(0x0C)
assert body[5:] == b"three", body
d.say(0x0D, body[1:5] + b"\x00")
d.hear(0x17)

d.say(0x18)
assert d.hear(0x18) == b""
print("done", flush=True)
