"""redis-py as most programs use it: blocking, with a pool, in RESP2 and in RESP3."""

import threading

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from driver import equal, restart_server, target

HOST, PORT, PASSWORD = target()


def client(protocol, **more):
    return redis.Redis(
        host=HOST,
        port=PORT,
        password=PASSWORD,
        protocol=protocol,
        decode_responses=True,
        retry=Retry(ConstantBackoff(0.05), 100),
        retry_on_error=[redis.ConnectionError],
        **more,
    )


def wrong_password():
    try:
        redis.Redis(host=HOST, port=PORT, password="wrong", retry=None).ping()
    except redis.AuthenticationError:
        return
    raise SystemExit("a wrong password was taken")


def cache_aside(r):
    computed = []

    def load(key):
        value = r.get(key)
        if value is None:
            computed.append(key)
            value = f"page of {key}"
            r.set(key, value, ex=300)
        return value

    equal([load("page:1"), load("page:1"), load("page:2")], ["page of page:1", "page of page:1", "page of page:2"], "pages")
    equal(computed, ["page:1", "page:2"], "what was computed")
    if not 295 <= r.ttl("page:1") <= 300:
        raise SystemExit(f"TTL is {r.ttl('page:1')}")
    equal(r.set("page:1", "other", nx=True), None, "SET NX on a key that exists")
    equal(r.set("page:1", "new", xx=True, get=True, keepttl=True), "page of page:1", "SET XX GET")
    equal(r.getdel("page:1"), "new", "GETDEL")
    equal(r.unlink("page:1", "page:2"), 1, "UNLINK")


def counters(r):
    equal([r.incr("hits"), r.incrby("hits", 41), r.decr("hits"), r.get("hits")], [1, 42, 41, "41"], "counters")
    equal(r.incrbyfloat("load", 0.1) + r.incrbyfloat("load", 0.2), 0.4, "INCRBYFLOAT")
    r.set("text", "abc")
    try:
        r.incr("text")
    except redis.ResponseError as error:
        equal(str(error), "value is not an integer or out of range", "INCR of a text")
    else:
        raise SystemExit("INCR of a text worked")


def rate_limiter(r):
    def allowed(user, limit):
        key = f"rate:{user}"
        with r.pipeline(transaction=False) as pipe:
            pipe.set(key, 0, ex=60, nx=True)
            pipe.incr(key)
            return pipe.execute()[1] <= limit

    equal([allowed("joe", 3) for _ in range(5)], [True, True, True, False, False], "the rate limiter")
    if not 0 < r.ttl("rate:joe") <= 60:
        raise SystemExit("the limit has no end")


def bulk(r):
    pairs = {f"bulk:{i}": "v" * i for i in range(1000)}
    equal(r.mset(pairs), True, "MSET")
    equal(r.mget(list(pairs)), list(pairs.values()), "MGET")
    equal(r.mget("bulk:1", "nosuch"), ["v", None], "MGET of a missing key")
    equal(sorted(r.scan_iter(match="bulk:*", count=100)), sorted(pairs), "SCAN")
    with r.pipeline(transaction=False) as pipe:
        for key in pairs:
            pipe.strlen(key)
        equal(pipe.execute(), list(range(1000)), "a pipeline")
    equal(r.delete(*pairs), 1000, "DEL")


def binary():
    raw = redis.Redis(host=HOST, port=PORT, password=PASSWORD)
    every_byte = bytes(range(256))
    raw.set(every_byte, every_byte * 1000)
    equal(raw.get(every_byte), every_byte * 1000, "binary data")


def pool(protocol):
    shared = redis.ConnectionPool(host=HOST, port=PORT, password=PASSWORD, protocol=protocol, max_connections=8)
    r = redis.Redis(connection_pool=shared)
    threads = [threading.Thread(target=lambda: [r.incr("pooled") for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(r.get("pooled"), b"1600", "a counter of eight threads")
    shared.disconnect()


def introspection(r):
    info = r.info()
    for field in ("redis_version", "used_memory", "connected_clients", "keyspace_hits", "uptime_in_seconds"):
        if field not in info:
            raise SystemExit(f"INFO has no {field}")
    equal(r.config_get("databases"), {"databases": "16"}, "CONFIG GET")
    r.client_setname("worker")
    if "worker" not in [entry["name"] for entry in r.client_list()]:
        raise SystemExit("CLIENT LIST does not name this connection")


def reconnect(r):
    r.set("before", "1")
    restart_server()
    equal(r.get("before"), None, "the new server is empty")
    equal(r.set("after", "1"), True, "SET after the restart")


wrong_password()
binary()
for version in (2, 3):
    connection = client(version)
    connection.flushall()
    equal(connection.ping(), True, "PING")
    for scenario in (cache_aside, counters, rate_limiter, bulk, introspection):
        scenario(connection)
    pool(version)
    reconnect(connection)
