"""Cases that aioxmpp plays against the broker: `aioxmpp-cases.py CASE PORT`. Prints ok, or the reason why not."""

import asyncio
import sys
import traceback
import warnings

warnings.simplefilter("ignore")

import aioxmpp  # noqa: E402

PATIENCE = 10
CASE, PORT = sys.argv[1], int(sys.argv[2])
SERVICE = aioxmpp.JID.fromstr("pubsub.localhost")
NODE = f"aioxmpp/{CASE}"


@aioxmpp.pubsub.xso.as_payload_class
class Heat(aioxmpp.xso.XSO):
    TAG = ("urn:example:heat", "heat")
    text = aioxmpp.xso.Text(default=None)


def heat(text):
    payload = Heat()
    payload.text = text
    return payload


def client(name):
    """Logs in over STARTTLS, as this library always does, and goes on after a loss (XEP-0198)."""
    address = aioxmpp.JID.fromstr(f"{name}-{CASE}@localhost/r")
    security = aioxmpp.make_security_layer("secret", no_verify=True)
    peer = ("127.0.0.1", PORT, aioxmpp.connector.STARTTLSConnector())
    return aioxmpp.PresenceManagedClient(address, security, override_peer=[peer])


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)


def heard(signal, pick):
    queue = asyncio.Queue()
    signal.connect(lambda *args, **more: queue.put_nowait(pick(*args, **more)))
    return queue


async def refusal(awaitable):
    try:
        await soon(awaitable)
    except aioxmpp.errors.XMPPError as error:
        return error.condition.name
    return None


async def nodes():
    anna, bert = client("anna"), client("bert")
    ours, theirs = anna.summon(aioxmpp.PubSubClient), bert.summon(aioxmpp.PubSubClient)
    items = heard(theirs.on_item_published, lambda _, node, item, **more: (node, item.id_, item.registered_payload.text))
    gone = heard(theirs.on_item_retracted, lambda _, node, id_, **more: (node, id_))
    async with anna.connected(), bert.connected():
        await soon(ours.create(SERVICE, NODE))
        assert await refusal(ours.create(SERVICE, NODE)) == "CONFLICT"
        await soon(theirs.subscribe(SERVICE, NODE))
        assert await soon(ours.publish(SERVICE, NODE, heat("21"), id_="one")) == "one"
        assert await soon(items.get()) == (NODE, "one", "21")
        kept = (await soon(theirs.get_items(SERVICE, NODE))).payload.items
        assert [item.id_ for item in kept] == ["one"], kept
        assert [node for node, _ in await soon(ours.get_nodes(SERVICE))] == [NODE]
        mine = (await soon(theirs.get_subscriptions(SERVICE))).subscriptions
        assert [(s.node, s.subscription) for s in mine] == [(NODE, "subscribed")], mine
        await soon(ours.retract(SERVICE, NODE, "one", notify=True))
        assert await soon(gone.get()) == (NODE, "one")
        assert await refusal(ours.retract(SERVICE, NODE, "one", notify=True)) == "ITEM_NOT_FOUND"
        assert await refusal(theirs.delete(SERVICE, NODE)) == "FORBIDDEN"
        await soon(theirs.unsubscribe(SERVICE, NODE))
        assert await refusal(theirs.unsubscribe(SERVICE, NODE)) == "UNEXPECTED_REQUEST"
        await soon(ours.delete(SERVICE, NODE))


async def direct():
    anna, bert = client("anna"), client("bert")
    inbox = asyncio.Queue()
    bert.summon(aioxmpp.dispatcher.SimpleMessageDispatcher).register_callback(None, None, inbox.put_nowait)
    async with anna.connected(), bert.connected():
        letter = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=bert.local_jid.bare())
        letter.body[None] = "läuft <&>"
        await soon(anna.send(letter))
        got = await soon(inbox.get())
        assert (got.body.any(), got.from_) == ("läuft <&>", anna.local_jid), got
        assert bert.stream.sm_enabled


async def discovery():
    anna = client("anna")
    disco, pep = anna.summon(aioxmpp.DiscoClient), anna.summon(aioxmpp.PEPClient)
    async with anna.connected():
        info = await soon(disco.query_info(SERVICE))
        assert ("pubsub", "service") in [(i.category, i.type_) for i in info.identities], info.identities
        hub = await soon(disco.query_items(SERVICE.replace(domain="localhost")))
        assert [item.jid for item in hub.items] == [SERVICE], hub.items
        await soon(aioxmpp.ping.ping(anna, SERVICE))
        assert (await soon(aioxmpp.version.query_version(anna.stream, SERVICE))).name == "Waymeet"
        assert await soon(pep.available())


try:
    asyncio.new_event_loop().run_until_complete(globals()[CASE]())
    print("ok")
except BaseException:
    print(traceback.format_exc())
