"""redis-py's asyncio client: many tasks over one pool, in RESP2 and in RESP3."""

import asyncio

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from driver import equal, restart_server, target

HOST, PORT, PASSWORD = target()


async def cache_aside(r):
    async def load(key):
        value = await r.get(key)
        if value is None:
            value = f"page of {key}"
            await r.set(key, value, px=300_000)
        return value

    pages = await asyncio.gather(*(load(f"page:{i % 10}") for i in range(200)))
    equal(sorted(set(pages)), [f"page of page:{i}" for i in range(10)], "pages")
    if not 295_000 <= await r.pttl("page:0") <= 300_000:
        raise SystemExit("PTTL is wrong")


async def counters(r):
    await asyncio.gather(*(r.incr("hits") for _ in range(500)))
    equal(await r.get("hits"), "500", "a counter of many tasks")


async def rate_limiter(r):
    async def allowed(user, limit):
        async with r.pipeline(transaction=False) as pipe:
            count, _ = await pipe.incr(f"rate:{user}").expire(f"rate:{user}", 60, nx=True).execute()
        return count <= limit

    equal([await allowed("joe", 2) for _ in range(3)], [True, True, False], "the rate limiter")


async def bulk(r):
    pairs = {f"bulk:{i}": str(i) for i in range(5000)}
    equal(await r.mset(pairs), True, "MSET")
    equal(await r.mget(list(pairs)), list(pairs.values()), "MGET")
    equal(sorted([key async for key in r.scan_iter("bulk:*", count=500)]), sorted(pairs), "SCAN")


async def main():
    for protocol in (2, 3):
        pool = redis.BlockingConnectionPool(
            host=HOST,
            port=PORT,
            password=PASSWORD,
            protocol=protocol,
            decode_responses=True,
            retry=Retry(ConstantBackoff(0.05), 100),
            max_connections=20,
        )
        r = redis.Redis.from_pool(pool)
        await r.flushall()
        for scenario in (cache_aside, counters, rate_limiter, bulk):
            await scenario(r)
        restart_server()
        equal(await r.get("hits"), None, "the new server is empty")
        equal(await r.set("after", "1"), True, "SET after the restart")
        await r.aclose()


asyncio.run(main())
