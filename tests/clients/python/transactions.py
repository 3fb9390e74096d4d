"""redis-py's transactions, blocking and asyncio, in RESP2 and RESP3: a pipeline is one unless told otherwise."""

import asyncio

import redis
import redis.asyncio

from driver import connect, equal, fails, target

HOST, PORT, PASSWORD = target()


def all_or_nothing(r):
    with r.pipeline() as transaction:
        transaction.set("a", 1).incrby("a", 41).hset("h", "field", "value").lpush("l", "x", "y").zadd("z", {"m": 1})
        equal(transaction.execute(), [True, 42, 1, 2, 1], "the replies of a transaction")
    with r.pipeline() as transaction:
        equal(transaction.execute(), [], "an empty transaction")
        transaction.mget("a", "nosuch").hgetall("h").lrange("l", 0, -1).zrange("z", 0, -1, withscores=True)
        replies = transaction.execute()
        equal(replies[:3], [["42", None], {"field": "value"}, ["y", "x"]], "aggregates in a transaction")


def errors(r):
    # One that shows while it runs undoes nothing, and the others run.
    with r.pipeline() as transaction:
        transaction.set("text", "abc").lpush("text", "x").append("text", "def")
        ok, error, length = transaction.execute(raise_on_error=False)
        equal((ok, length, type(error)), (True, 6, redis.ResponseError), "the steps around an error")
    # One that shows while it is queued: nothing runs.
    with r.pipeline() as transaction:
        transaction.set("text", "lost")
        transaction.execute_command("NOSUCH")
        try:
            transaction.execute()
        except redis.ResponseError as error:
            equal("unknown command 'NOSUCH'" in str(error), True, f"the error {error}")
        else:
            raise SystemExit("a transaction with an unknown command ran")
    equal(r.get("text"), "abcdef", "what a transaction that did not run has changed")


def by_hand(protocol):
    """What the library sends by itself, sent one by one."""
    r = connect(protocol=protocol, single_connection_client=True)
    equal(r.execute_command("MULTI"), "OK", "MULTI")
    equal(r.execute_command("INCR", "hand"), "QUEUED", "a command in a transaction")
    fails(lambda: r.execute_command("MULTI"), "MULTI calls can not be nested", "MULTI inside MULTI")
    fails(lambda: r.execute_command("WATCH", "hand"), "WATCH inside MULTI is not allowed", "WATCH inside MULTI")
    equal(r.execute_command("DISCARD"), "OK", "DISCARD")
    equal(r.exists("hand"), 0, "what was discarded")
    fails(lambda: r.execute_command("EXEC"), "EXEC without MULTI", "EXEC by itself")
    fails(lambda: r.execute_command("DISCARD"), "DISCARD without MULTI", "DISCARD by itself")
    r.close()


def watched(r):
    other = connect()

    def attempt(meanwhile, key="w"):
        """Whether a transaction runs that saw the key before the other client did something."""
        with r.pipeline() as transaction:
            transaction.watch(key)
            meanwhile()
            transaction.multi()
            transaction.incr("ran")
            try:
                return transaction.execute() != []
            except redis.WatchError:
                return False

    r.set("w", 1)
    equal(attempt(lambda: other.get("w")), True, "somebody reads the key")
    equal(attempt(lambda: other.set("unrelated", 1)), True, "somebody writes another key")
    equal(attempt(lambda: other.set("w", 1)), False, "somebody writes the same value")
    equal(attempt(lambda: other.delete("w")), False, "somebody deletes the key")
    equal(attempt(lambda: other.delete("w")), True, "somebody deletes the key that is not there")
    equal(attempt(lambda: other.sadd("s", 1), "s"), False, "somebody makes the key")
    equal(attempt(lambda: other.sadd("s", 1), "s"), True, "somebody adds a member that is there")
    equal(attempt(lambda: other.expire("s", 100), "s"), False, "somebody gives the key an end")
    equal(attempt(lambda: other.flushall(), "s"), False, "somebody deletes all keys")
    equal(attempt(lambda: other.flushall(), "s"), True, "somebody deletes all keys when there are none")

    # `transaction` watches, calls, and tries again until nobody has been faster.
    r.set("balance", 100)
    tries = []

    def withdraw(pipe):
        tries.append(pipe.get("balance"))
        if len(tries) == 1:
            other.decr("balance", 30)
        pipe.multi()
        pipe.set("balance", int(tries[-1]) - 50)

    equal((r.transaction(withdraw, "balance"), tries, r.get("balance")), ([True], ["100", "70"], "20"), "a transaction tried again")


async def tasks(protocol):
    """Many tasks raise one counter by reading and writing it: none overwrites another."""
    r = redis.asyncio.Redis(host=HOST, port=PORT, password=PASSWORD, protocol=protocol, decode_responses=True)
    await r.set("counter", 0)

    async def raise_it():
        async with r.pipeline() as transaction:
            while True:
                try:
                    await transaction.watch("counter")
                    value = int(await transaction.get("counter"))
                    transaction.multi()
                    transaction.set("counter", value + 1).sadd("seen", value)
                    return await transaction.execute()
                except redis.WatchError:
                    continue

    replies = await asyncio.gather(*(raise_it() for _ in range(30)))
    equal(replies, [[True, 1]] * 30, "the replies of all transactions")
    equal((await r.get("counter"), await r.scard("seen")), ("30", 30), "the counter")
    await r.aclose()


for version in (2, 3):
    client = connect(protocol=version)
    for scenario in (all_or_nothing, errors, watched):
        client.flushall()
        scenario(client)
    by_hand(version)
    client.flushall()
    asyncio.run(tasks(version))
