"""redis-py's pub/sub: channels, patterns, shard channels, and notifications of what happens to keys, in both protocols."""

import asyncio
import threading

import redis.asyncio

from driver import connect, equal, eventually, give_up_after, restart_server, target

give_up_after(120)
PUBLISHERS, MESSAGES = 4, 500

for protocol in 2, 3:
    r = connect(protocol=protocol)
    r.flushall()

    # Each subscriber hears all that each publisher says, once and in the order in which it was said; on one channel all hear the
    # same.
    heard = {}

    def listen(name, subscriber):
        messages = heard.setdefault(name, [])
        for message in subscriber.listen():
            if message["type"].endswith("subscribe"):
                continue
            if message["data"] == "the end":
                return
            messages.append((message["channel"], message["data"]))

    subscribers = {}
    for name in "one", "two", "pattern":
        subscribers[name] = connect(protocol=protocol).pubsub()
    for name in "one", "two":
        subscribers[name].subscribe(*(f"channel:{number}" for number in range(PUBLISHERS)))
    subscribers["pattern"].psubscribe("channel:[0-9]")
    channels = [f"channel:{number}" for number in range(PUBLISHERS)]
    eventually(lambda: all(count == 2 for _, count in r.pubsub_numsub(*channels)) and r.pubsub_numpat() == 1, "subscribers")
    equal(sorted(r.pubsub_channels("channel:*")), channels, "PUBSUB CHANNELS")

    def publish(publisher, client):
        """Says its numbers by turns on all channels."""
        for number in range(MESSAGES // 2):
            equal(client.publish(channels[number % PUBLISHERS], f"{publisher} {number}"), 3, "receivers")
        pipeline = client.pipeline(transaction=False)
        for number in range(MESSAGES // 2, MESSAGES):
            pipeline.publish(channels[number % PUBLISHERS], f"{publisher} {number}")
        equal(pipeline.execute(), [3] * (MESSAGES // 2), "receivers")

    threads = [threading.Thread(target=listen, args=entry, daemon=True) for entry in subscribers.items()]
    publishers = [
        threading.Thread(target=publish, args=(publisher, connect(protocol=protocol)), daemon=True)
        for publisher in range(PUBLISHERS)
    ]
    for thread in threads + publishers:
        thread.start()
    for thread in publishers:
        thread.join()
    equal(r.publish("channel:0", "the end"), 3, "receivers")
    for thread in threads:
        thread.join()
    for subscriber in subscribers.values():
        subscriber.close()
    for name, messages in heard.items():
        equal(len(messages), PUBLISHERS * MESSAGES, f"messages that {name} has heard")
        for publisher in range(PUBLISHERS):
            said = [data for _, data in messages if data.startswith(f"{publisher} ")]
            equal(said, [f"{publisher} {number}" for number in range(MESSAGES)], f"what {name} has heard of {publisher}")
    for channel in channels:
        orders = [[data for where, data in messages if where == channel] for messages in heard.values()]
        equal(orders[1:], orders[:-1], f"what all have heard on {channel}")

    # Handlers in a thread of the library's own, which goes on when the server was started again.
    calls = []
    subscriber = connect(protocol=protocol).pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(**{"news": lambda message: calls.append(message["data"])})
    subscriber.ssubscribe(**{"shard": lambda message: calls.append(message["data"])})
    thread = subscriber.run_in_thread(sleep_time=0.01, exception_handler=lambda *_: None)
    eventually(lambda: r.pubsub_numsub("news") == [("news", 1)] and r.pubsub_shardnumsub("shard") == [("shard", 1)], "a subscriber")
    equal((r.publish("news", "before"), r.spublish("shard", "to the shard"), r.publish("shard", "unheard")), (1, 1, 0), "receivers")
    eventually(lambda: len(calls) == 2, "messages")
    restart_server()
    eventually(lambda: r.publish("news", "after") == 1, "a subscriber of the new server")
    eventually(lambda: "after" in calls, "a message of the new server")
    equal(calls[:2], ["before", "to the shard"], "what was heard before")
    thread.stop()
    thread.join()

    # What happens to keys; an expired key tells of itself.
    r.config_set("notify-keyspace-events", "KEA")
    events = connect(protocol=protocol).pubsub(ignore_subscribe_messages=True)
    events.psubscribe("__key*__:*")
    eventually(lambda: r.pubsub_numpat() == 1, "a subscriber")
    r.set("k", "v", px=20)
    r.lpush("l", "a")
    r.rename("l", "m")
    eventually(lambda: not r.exists("k"), "the end of a key")
    r.publish("__keyevent@0__:end", "the end")
    seen = []
    for message in events.listen():
        if message["data"] == "the end":
            break
        seen.append((message["channel"], message["data"]))
    events.close()
    wanted = []
    for event, key in [("set", "k"), ("expire", "k"), ("lpush", "l"), ("rename_from", "l"), ("rename_to", "m"), ("expired", "k")]:
        wanted += [(f"__keyspace@0__:{key}", event), (f"__keyevent@0__:{event}", key)]
    equal(sorted(seen), sorted(wanted), "notifications")
    equal(seen[:4], wanted[:4], "the first notifications")

    # A connection that listens may say PING, and leave; then nobody hears.
    subscriber = connect(protocol=protocol).pubsub()
    subscriber.subscribe("c")
    equal(subscriber.get_message(timeout=20)["data"], 1, "subscribing")
    if protocol == 2:  # With RESP3 the library does not expect the plain answer.
        subscriber.ping("are you there")
        equal(subscriber.get_message(timeout=20)["data"], "are you there", "PING")
    equal(r.publish("c", "yes"), 1, "receivers")
    equal(subscriber.get_message(timeout=20)["data"], "yes", "a message")
    subscriber.unsubscribe()
    equal(subscriber.get_message(timeout=20)["type"], "unsubscribe", "unsubscribing")
    equal(r.publish("c", "nobody"), 0, "receivers")


async def asyncio_listens():
    """As above, with asyncio: two tasks talk to each other over two channels, one message at a time."""
    host, port, password = target()
    r = redis.asyncio.Redis(host=host, port=port, password=password, decode_responses=True)

    async def player(mine, other, first):
        async with r.pubsub(ignore_subscribe_messages=True) as ears:
            await ears.subscribe(mine)
            while await r.publish(other, "ready?") == 0:
                await asyncio.sleep(0)
            if first:
                await r.publish(other, "0")
            async for message in ears.listen():
                if message["data"] == "ready?":
                    continue
                number = int(message["data"])
                equal(number % 2, 1 if first else 0, "whose turn it is")
                await r.publish(other, str(number + 1))
                if number >= 199:
                    return number

    equal(sorted(await asyncio.gather(player("ping", "pong", True), player("pong", "ping", False))), [199, 200], "the last numbers")
    await r.aclose()


asyncio.run(asyncio_listens())
