"""Cases that slixmpp plays against the broker: `xmpp-cases.py CASE PORT`. Prints ok, or the reason why not."""

import asyncio
import os
import ssl
import sys
import traceback
import xml.etree.ElementTree as ET

import slixmpp
from slixmpp.exceptions import IqError

PATIENCE = 10
PORT = int(sys.argv[2])
SERVICE = "pubsub.localhost"
CASE = sys.argv[1]
NODE = f"judge/{CASE}"
ANNA, BERT, CLEO = (f"{name}.{CASE}@localhost" for name in ("anna", "bert", "cleo"))


class Client(slixmpp.ClientXMPP):
    def __init__(self, name, resource="r", password=None, resume=False, **more):
        super().__init__(f"{name}.{CASE}@localhost/{resource}", password or f"{name}.{CASE}-secret", **more)
        self.events = asyncio.Queue()
        self.messages = asyncio.Queue()
        self.retracted = asyncio.Queue()
        self.deleted = asyncio.Queue()
        self.started = asyncio.get_event_loop().create_future()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        for plugin in ("xep_0004", "xep_0030", "xep_0060", "xep_0115", "xep_0163", "xep_0199", "xep_0203"):
            self.register_plugin(plugin)
        if resume:
            self.register_plugin("xep_0198")
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("pubsub_publish", self.events.put_nowait)
        self.add_event_handler("pubsub_retract", self.retracted.put_nowait)
        self.add_event_handler("pubsub_delete", self.deleted.put_nowait)
        self.add_event_handler("message", self.messages.put_nowait)
        self.add_event_handler("message_error", self.messages.put_nowait)
        self.add_event_handler("failed_auth", lambda _: self.fail("failed_auth"))

    def fail(self, why):
        if not self.started.done():
            self.started.set_exception(RuntimeError(why))

    def on_start(self, _):
        if not self.started.done():
            self.started.set_result(True)

    async def enter(self):
        self.connect(("127.0.0.1", PORT), force_starttls=True)
        await asyncio.wait_for(self.started, PATIENCE)
        self.send_presence()
        await self.get_roster()
        return self

    async def leave(self):
        await self.disconnect(wait=0.5)


async def soon(queue):
    return await asyncio.wait_for(queue.get(), PATIENCE)


def payload(text):
    e = ET.Element("{urn:judge}reading")
    e.text = text
    return e


async def refused(request):
    try:
        await request
    except IqError as error:
        return error.condition
    return None


async def there_and_back():
    anna, bert = await Client("anna").enter(), await Client("bert").enter()
    assert isinstance(anna.transport.get_extra_info("ssl_object"), (ssl.SSLObject, ssl.SSLSocket)), "no TLS"
    assert await anna["xep_0199"].ping("localhost", timeout=PATIENCE) is not None
    await bert["xep_0060"].subscribe(SERVICE, NODE)
    await anna["xep_0060"].publish(SERVICE, NODE, id="i1", payload=payload("21.5 °C"))
    event = await soon(bert.events)
    item = event["pubsub_event"]["items"]["item"]
    assert item["id"] == "i1", item
    assert item["publisher"] == f"{ANNA}/r", item
    assert item["payload"].text == "21.5 °C", item
    await bert["xep_0060"].unsubscribe(SERVICE, NODE)
    assert await refused(bert["xep_0060"].unsubscribe(SERVICE, NODE)) == "unexpected-request"
    await anna.leave()
    await bert.leave()


async def nodes():
    anna, bert = await Client("anna").enter(), await Client("bert").enter()
    pubsub = anna["xep_0060"]
    await pubsub.create_node(SERVICE, NODE)
    assert await refused(pubsub.create_node(SERVICE, NODE)) == "conflict"
    form = (await pubsub.get_node_config(SERVICE, NODE))["pubsub_owner"]["configure"]["form"]
    assert form.get_fields()["pubsub#persist_items"]["value"] is True, form
    form["type"] = "submit"
    form.set_values({"pubsub#title": "A title"})
    await pubsub.set_node_config(SERVICE, NODE, form)
    form = (await pubsub.get_node_config(SERVICE, NODE))["pubsub_owner"]["configure"]["form"]
    assert form.get_fields()["pubsub#title"]["value"] == "A title", form
    assert await refused(bert["xep_0060"].delete_node(SERVICE, NODE)) == "forbidden"
    mine = (await pubsub.get_affiliations(SERVICE))["pubsub"]["affiliations"]
    assert (NODE, "owner") in [(a["node"], a["affiliation"]) for a in mine], mine
    await bert["xep_0060"].subscribe(SERVICE, NODE)
    subscriptions = (await bert["xep_0060"].get_subscriptions(SERVICE))["pubsub"]["subscriptions"]
    assert NODE in [s["node"] for s in subscriptions], subscriptions
    seen = (await pubsub.get_node_subscriptions(SERVICE, NODE))["pubsub_owner"]["subscriptions"]
    assert BERT in [str(s["jid"]) for s in seen], seen
    await pubsub.delete_node(SERVICE, NODE)
    await soon(bert.deleted)
    assert await refused(pubsub.delete_node(SERVICE, NODE)) == "item-not-found"
    await anna.leave()
    await bert.leave()


async def items():
    anna, bert = await Client("anna").enter(), await Client("bert").enter()
    pubsub = anna["xep_0060"]
    for i in range(3):
        await pubsub.publish(SERVICE, f"{NODE}/{i}", id=f"i{i}", payload=payload(str(i)))
    one = (await pubsub.get_items(SERVICE, f"{NODE}/1"))["pubsub"]["items"]
    assert [(i["id"], i["payload"].text) for i in one] == [("i1", "1")], one
    some = (await pubsub.get_items(SERVICE, f"{NODE}/+", max_items=2))["pubsub"]["items"]
    assert len(list(some)) == 2, some
    await bert["xep_0060"].subscribe(SERVICE, f"{NODE}/1")
    event = await soon(bert.events)
    assert event["pubsub_event"]["items"]["item"]["id"] == "i1", event
    assert event.xml.find("{urn:xmpp:delay}delay") is not None, event
    await pubsub.retract(SERVICE, f"{NODE}/1", "i1", notify=True)
    gone = await soon(bert.retracted)
    assert gone["pubsub_event"]["items"]["retract"]["id"] == "i1", gone
    assert await refused(pubsub.retract(SERVICE, f"{NODE}/1", "i1")) == "item-not-found"
    empty = (await pubsub.get_items(SERVICE, f"{NODE}/1"))["pubsub"]["items"]
    assert list(empty) == [], empty
    await bert["xep_0060"].unsubscribe(SERVICE, f"{NODE}/1")
    await anna.leave()
    await bert.leave()


async def personal():
    cleo = Client("cleo")
    cleo["xep_0163"].add_interest("urn:judge:mood")
    await cleo.enter()
    bert = await Client("bert").enter()
    mood = ET.Element("{urn:judge:mood}mood")
    mood.text = "fine"
    await cleo["xep_0163"].publish(slixmpp.xmlstream.ElementBase(mood), node="urn:judge:mood")
    event = await soon(cleo.events)
    assert event["from"] == CLEO, event
    assert event["pubsub_event"]["items"]["node"] == "urn:judge:mood", event
    there = (await bert["xep_0060"].get_items(CLEO, "urn:judge:mood"))["pubsub"]["items"]
    assert [i["payload"].text for i in there] == ["fine"], there
    assert await refused(bert["xep_0060"].publish(CLEO, "urn:judge:mood", payload=mood)) == "forbidden"
    await cleo.leave()
    await bert.leave()


async def direct():
    anna, bert = await Client("anna", "direct").enter(), await Client("bert", "direct").enter()
    anna.send_message(mto=f"{BERT}/direct", mbody="hello", mtype="chat", msubject="s")
    got = await soon(bert.messages)
    assert (got["body"], got["subject"], got["from"]) == ("hello", "s", f"{ANNA}/direct"), got
    got.reply("and hello").send()
    assert (await soon(anna.messages))["body"] == "and hello"
    anna.send_message(mto="nobody@localhost", mbody="?")
    assert (await soon(anna.messages))["error"]["condition"] == "service-unavailable"
    assert await bert["xep_0199"].ping(f"{ANNA}/direct", timeout=PATIENCE) is not None
    await anna.leave()
    await bert.leave()


async def offline():
    cleo = await Client("cleo", "offline").enter()
    await cleo.leave()
    anna = await Client("anna", "offline").enter()
    anna.send_message(mto=CLEO, mbody="later", mtype="chat")
    assert await anna["xep_0199"].ping("localhost", timeout=PATIENCE) is not None
    cleo = await Client("cleo", "offline").enter()
    while True:
        got = await soon(cleo.messages)
        if got["body"] == "later":
            break
    await anna.leave()
    await cleo.leave()


async def resumption():
    anna, bert = await Client("anna", "sm").enter(), Client("bert", "sm", resume=True)
    resumed = asyncio.get_event_loop().create_future()
    bert.add_event_handler("session_resumed", lambda _: resumed.set_result(True))
    enabled = asyncio.get_event_loop().create_future()
    bert.add_event_handler("sm_enabled", lambda _: enabled.set_result(True))
    await bert.enter()
    await asyncio.wait_for(enabled, PATIENCE)
    bert.transport.abort()
    anna.send_message(mto=f"{BERT}/sm", mbody="meanwhile", mtype="chat")
    assert await anna["xep_0199"].ping("localhost", timeout=PATIENCE) is not None
    bert.connect(("127.0.0.1", PORT), force_starttls=True)
    await asyncio.wait_for(resumed, PATIENCE)
    assert (await soon(bert.messages))["body"] == "meanwhile"
    await anna.leave()
    await bert.leave()


async def discovery():
    anna = await Client("anna", "disco").enter()
    await anna["xep_0060"].create_node(SERVICE, NODE)
    info = (await anna["xep_0030"].get_info("localhost"))["disco_info"]
    assert ("server", "im", None, "Waymeet") in info["identities"], info
    for feature in ("urn:xmpp:ping", "http://jabber.org/protocol/pubsub#publish"):
        assert feature in info["features"], info
    top = (await anna["xep_0030"].get_items("localhost"))["disco_items"]["items"]
    assert SERVICE in [item[0] for item in top], top
    nodes = (await anna["xep_0030"].get_items(SERVICE))["disco_items"]["items"]
    assert NODE in [item[1] for item in nodes], nodes
    account = (await anna["xep_0030"].get_info(ANNA))["disco_info"]
    assert ("pubsub", "pep", None, None) in account["identities"], account
    await anna.leave()


async def login(mechanism):
    anna = await Client("anna", mechanism, sasl_mech=mechanism).enter()
    assert await anna["xep_0199"].ping("localhost", timeout=PATIENCE) is not None
    await anna.leave()


async def scram256():
    await login("SCRAM-SHA-256")


async def scram1():
    await login("SCRAM-SHA-1")


async def wrong_password():
    anna = Client("anna", password="wrong")
    try:
        await anna.enter()
    except RuntimeError as why:
        assert str(why) == "failed_auth", why
    else:
        raise AssertionError("came in with a wrong password")


try:
    asyncio.get_event_loop().run_until_complete(globals()[CASE]())
    print("ok", flush=True)
except BaseException:
    traceback.print_exc()
    os._exit(1)
os._exit(0)  # slixmpp leaves tasks behind, which would complain
