"""redis-py with copies of what it reads (client-side caching): no copy stays when a client, a script or a served wait changes the key."""

import redis
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

from driver import connect, equal, eventually, target

HOST, PORT, PASSWORD = target()

# The library asks for Redis 7.4 by its number, though what it needs is there since 6.0.
CacheProxyConnection.MIN_ALLOWED_VERSION = "7.0.0"


def cached(**more):
    return redis.Redis(
        host=HOST, port=PORT, password=PASSWORD, protocol=3, decode_responses=True, cache_config=CacheConfig(), **more
    )


def commands(client, name):
    """How often the server ran a command."""
    stats = client.info("commandstats").get(f"cmdstat_{name}")
    return stats["calls"] if stats else 0


writer = connect()
writer.flushall()
writer.config_resetstat()

reader = cached()
writer.set("greeting", "hello")
equal([reader.get("greeting") for _ in range(100)], ["hello"] * 100, "what is read again and again")
equal(commands(writer, "get"), 1, "GETs that reached the server")
equal(reader.get_cache().size, 1, "copies")

# Whoever changes a key and however, the copy goes. The reader asks nobody, so it may take a moment until it has heard.
writes = [
    lambda n: writer.set("greeting", n),
    lambda n: writer.eval("return redis.call('set', KEYS[1], ARGV[1])", 1, "greeting", n),
    lambda n: writer.eval("return redis.call('set', 'greeting', ARGV[1])", 0, n),
    lambda n: writer.pipeline().set("greeting", n).set("other", n).execute(),
    lambda n: (writer.set("new", n), writer.rename("new", "greeting")),
    lambda n: (writer.flushall(), writer.set("greeting", n)),
]
for round_ in range(20):
    for number, write in enumerate(writes):
        value = f"{round_}-{number}"
        write(value)
        eventually(lambda: reader.get("greeting") == value, f"the value of write {number}")

writer.hset("user:1", mapping={"name": "Ann", "age": "41"})
writer.rpush("queue", "a", "b")
equal(reader.hgetall("user:1"), {"name": "Ann", "age": "41"}, "a hash")
equal(reader.lrange("queue", 0, -1), ["a", "b"], "a list")
writer.hset("user:1", "age", "42")
eventually(lambda: reader.hgetall("user:1")["age"] == "42", "the hash to change")

# What a wait takes when it is served changes the list as well.
equal(reader.lrange("copy", 0, -1), [], "a list that is not there")
mover = connect(single_connection_client=True)
connection = mover.connection
connection.send_command("BLMOVE", "inbox", "copy", "LEFT", "RIGHT", "0")
eventually(lambda: writer.info("clients")["blocked_clients"] == 1, "BLMOVE to wait")
writer.rpush("inbox", "letter")
equal(connection.read_response(), "letter", "what BLMOVE moved")
eventually(lambda: reader.lrange("copy", 0, -1) == ["letter"], "the list after a wait was served")

# A key that dies.
writer.set("short", "life", px=50)
equal(reader.get("short"), "life", "a key that lives")
eventually(lambda: reader.get("short") is None, "the copy of a key that died to go")

# Two clients with copies of their own.
other = cached()
equal([other.get("greeting"), reader.get("greeting")], ["19-5"] * 2, "two copies")
other.set("greeting", "mine")
eventually(lambda: [other.get("greeting"), reader.get("greeting")] == ["mine"] * 2, "both to see what one of them wrote")
