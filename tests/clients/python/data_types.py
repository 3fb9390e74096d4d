"""redis-py on hashes, lists, sets, sorted sets and bits: what its methods send and how it reads the replies, in RESP2 and RESP3."""

from driver import connect, equal, fails

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
EVERY_BYTE = bytes(range(256))


def pairs(reply):
    """Members with scores as tuples, which RESP3 brings as lists."""
    return [tuple(pair) for pair in reply]


def hashes(r):
    equal(r.hset("h", mapping={"name": "ann", "age": 7}), 2, "HSET of two fields")
    equal(r.hset("h", "age", 8), 0, "HSET of a field that is there")
    equal(r.hget("h", "name"), "ann", "HGET")
    equal(r.hget("h", "nosuch"), None, "HGET of a missing field")
    equal(r.hmget("h", ["age", "nosuch", "name"]), ["8", None, "ann"], "HMGET")
    equal(r.hgetall("h"), {"name": "ann", "age": "8"}, "HGETALL")
    equal(r.hgetall("nosuch"), {}, "HGETALL of a missing key")
    equal(r.hincrby("h", "age", -3), 5, "HINCRBY")
    equal(r.hincrbyfloat("h", "age", 0.25), 5.25, "HINCRBYFLOAT")
    fails(lambda: r.hincrby("h", "age"), "hash value is not an integer", "HINCRBY of a float")
    fails(lambda: r.hincrbyfloat("h", "name"), "hash value is not a float", "HINCRBYFLOAT of a text")
    equal((r.hexists("h", "name"), r.hexists("h", "nosuch")), (True, False), "HEXISTS")
    equal((r.hlen("h"), r.hstrlen("h", "name")), (2, 3), "HLEN and HSTRLEN")
    equal((sorted(r.hkeys("h")), sorted(r.hvals("h"))), (["age", "name"], ["5.25", "ann"]), "HKEYS and HVALS")
    equal(r.hsetnx("h", "name", "bob"), 0, "HSETNX of a field that is there")
    equal(r.hrandfield("h") in ("name", "age"), True, "HRANDFIELD")
    equal(sorted(r.hrandfield("h", 5)), ["age", "name"], "HRANDFIELD of more than there are")
    equal(len(r.hrandfield("h", -5)), 5, "HRANDFIELD with repetition")
    equal(r.hdel("h", "name", "age", "nosuch"), 2, "HDEL")
    equal(r.exists("h"), 0, "a hash without fields")
    many = {f"field {i}": "v" * (i % 100) for i in range(3000)}
    equal(r.hset("h", mapping=many), 3000, "a large hash")
    equal(dict(r.hscan_iter("h")), many, "HSCAN")
    equal(r.object("encoding", "h"), "hashtable", "the encoding of a large hash")


def lists(r):
    equal(r.rpush("l", "b", "c", "d"), 3, "RPUSH")
    equal(r.lpush("l", "a"), 4, "LPUSH")
    equal(r.lpushx("nosuch", "x") + r.rpushx("nosuch", "x"), 0, "pushes onto a missing list")
    equal(r.lrange("l", 0, -1), ["a", "b", "c", "d"], "LRANGE")
    equal(r.lrange("l", -2, 100), ["c", "d"], "LRANGE from the end")
    equal((r.lindex("l", 1), r.lindex("l", -1), r.lindex("l", 9)), ("b", "d", None), "LINDEX")
    equal((r.linsert("l", "BEFORE", "c", "x"), r.linsert("l", "AFTER", "nosuch", "x")), (5, -1), "LINSERT")
    equal(r.lset("l", 2, "y"), True, "LSET")
    fails(lambda: r.lset("l", 9, "y"), "index out of range", "LSET past the end")
    fails(lambda: r.lset("nosuch", 0, "y"), "no such key", "LSET of a missing list")
    equal(r.lpos("l", "y"), 2, "LPOS")
    equal(r.rpush("l", "y", "y"), 7, "RPUSH")
    equal(r.lpos("l", "y", rank=-1, count=0), [6, 5, 2], "LPOS of all from the end")
    equal(r.lrem("l", -2, "y"), 2, "LREM from the end")
    equal(r.ltrim("l", 0, 3), True, "LTRIM")
    equal((r.lpop("l"), r.rpop("l", 2), r.lpop("nosuch"), r.lpop("nosuch", 2)), ("a", ["c", "y"], None, None), "pops")
    equal((r.rpoplpush("l", "m"), r.exists("l"), r.lmove("m", "m", "LEFT", "RIGHT")), ("b", 0, "b"), "moves")
    r.rpush("n", 1, 2, 3)
    equal(r.lmpop(2, "nosuch", "n", direction="RIGHT", count=2), ["n", ["3", "2"]], "LMPOP")
    equal(r.lmpop(1, "nosuch", direction="LEFT"), None, "LMPOP of nothing")
    long = [f"{'element' * (i % 50)} {i}" for i in range(5000)]
    equal(r.rpush("long", *long), 5000, "a long list")
    equal(r.lrange("long", 0, -1), long, "a long list whole")
    equal(r.object("encoding", "long"), "quicklist", "the encoding of a long list")


def sets(r):
    equal(r.sadd("s", "a", "b", "c", "a"), 3, "SADD")
    equal((r.scard("s"), r.sismember("s", "a"), r.smismember("s", ["a", "x"])), (3, 1, [1, 0]), "members")
    equal(r.smembers("s"), {"a", "b", "c"}, "SMEMBERS")
    r.sadd("t", "b", "c", "d")
    equal((r.sinter("s", "t"), r.sunion("s", "t"), r.sdiff("s", "t")), ({"b", "c"}, {"a", "b", "c", "d"}, {"a"}), "set algebra")
    equal((r.sinterstore("u", "s", "t"), r.sunionstore("v", "s", "t"), r.sdiffstore("w", "s", "t")), (2, 4, 1), "STORE")
    equal(r.sintercard(2, ["s", "t"], limit=1), 1, "SINTERCARD")
    equal((r.smove("s", "t", "a"), r.smove("s", "t", "a")), (True, False), "SMOVE")
    equal(r.srem("s", "b", "x"), 1, "SREM")
    equal((r.srandmember("s"), r.srandmember("s", -3), r.spop("s"), r.spop("s")), ("c", ["c"] * 3, "c", None), "random members")
    r.sadd("numbers", *range(400))
    equal(r.object("encoding", "numbers"), "intset", "the encoding of small numbers")
    equal(set(r.spop("numbers", 500)), {str(i) for i in range(400)}, "SPOP of all")
    many = {f"member {i}" for i in range(3000)}
    r.sadd("many", *many)
    equal(set(r.sscan_iter("many", count=50)), many, "SSCAN")
    equal(set(r.sscan_iter("many", match="*77")), {m for m in many if m.endswith("77")}, "SSCAN MATCH")


def sorted_sets(r):
    equal(r.zadd("z", {"a": 1, "b": 2.5, "c": "-inf"}), 3, "ZADD")
    equal((r.zadd("z", {"a": 3}, nx=True), r.zadd("z", {"a": 3}, xx=True, ch=True)), (0, 1), "ZADD NX and XX CH")
    equal(r.zadd("z", {"a": 1}, incr=True), 4.0, "ZADD INCR")
    equal(r.zadd("z", {"a": 1}, gt=True, incr=True, xx=True), 5.0, "ZADD GT INCR")
    fails(lambda: r.zadd("z", {"a": "nan"}), "value is not a valid float", "ZADD of no number")
    equal((r.zscore("z", "b"), r.zscore("z", "x"), r.zmscore("z", ["c", "x"])), (2.5, None, [float("-inf"), None]), "scores")
    equal((r.zcard("z"), r.zcount("z", "-inf", "(5")), (3, 2), "ZCARD and ZCOUNT")
    equal(pairs(r.zrange("z", 0, -1, withscores=True)), [("c", float("-inf")), ("b", 2.5), ("a", 5.0)], "ZRANGE WITHSCORES")
    equal(r.zrange("z", "+inf", "(2.5", byscore=True, desc=True, offset=0, num=5), ["a"], "ZRANGE BYSCORE REV LIMIT")
    equal(r.zrangebyscore("z", 2, 5, start=1, num=1), ["a"], "ZRANGEBYSCORE LIMIT")
    equal(r.zrevrangebyscore("z", 5, 2), ["a", "b"], "ZREVRANGEBYSCORE")
    equal((r.zrank("z", "a"), r.zrevrank("z", "a"), r.zrank("z", "x")), (2, 0, None), "ranks")
    equal(r.zincrby("z", 1.25, "a"), 6.25, "ZINCRBY")
    r.zadd("y", {"a": 10, "d": 1})
    equal(sorted(r.zunion(["z", "y"])), ["a", "b", "c", "d"], "ZUNION")
    equal(pairs(r.zinter(["z", "y"], withscores=True)), [("a", 16.25)], "ZINTER")
    equal(r.zdiff(["z", "y"]), ["c", "b"], "ZDIFF")
    equal((r.zinterstore("x", {"z": 2, "y": 1}, aggregate="MAX"), r.zscore("x", "a")), (1, 12.5), "ZINTERSTORE WEIGHTS AGGREGATE")
    equal((r.zunionstore("w", ["z", "y"]), r.zdiffstore("v", ["z", "y"]), r.zintercard(2, ["z", "y"])), (4, 2, 1), "STORE")
    equal((r.zrangestore("u", "z", 0, 1), r.zcard("u")), (2, 2), "ZRANGESTORE")
    equal((pairs(r.zpopmin("w", 1)), pairs(r.zpopmax("w", 2))), ([("c", float("-inf"))], [("a", 16.25), ("b", 2.5)]), "pops")
    equal(r.zmpop(2, ["nosuch", "y"], max=True)[0], "y", "ZMPOP")
    equal((r.zrem("z", "a", "x"), r.zremrangebyscore("z", "-inf", 0), r.zremrangebyrank("z", 0, -1)), (1, 1, 1), "removals")
    r.zadd("names", dict.fromkeys(["ann", "bea", "cem", "dan"], 0))
    equal((r.zrangebylex("names", "[b", "(d"), r.zlexcount("names", "-", "+")), (["bea", "cem"], 4), "lexical ranges")
    equal((r.zrevrangebylex("names", "+", "(bea"), r.zremrangebylex("names", "-", "[bea")), (["dan", "cem"], 2), "lexical ranges")
    many = {f"member {i}": float(i * 7919 % 1000) for i in range(3000)}
    r.zadd("many", many)
    equal(dict(r.zscan_iter("many")), many, "ZSCAN")
    equal(r.zrange("many", 0, -1), [m for _, m in sorted((score, m) for m, score in many.items())], "the order of many")
    equal(len(set(r.zrandmember("many", 2000))), 2000, "ZRANDMEMBER")
    equal(r.object("encoding", "many"), "skiplist", "the encoding of many")


def bits(r):
    equal((r.setbit("b", 7, 1), r.getbit("b", 7), r.getbit("b", 100)), (0, 1, 0), "SETBIT and GETBIT")
    equal((r.bitcount("b"), r.bitpos("b", 1), r.bitpos("b", 0, 1)), (1, 7, -1), "BITCOUNT and BITPOS")
    r.set("c", "\x03")
    equal((r.bitop("XOR", "d", "b", "c"), r.bitcount("d")), (1, 1), "BITOP")
    field = r.bitfield("counters", default_overflow="SAT").set("u8", "#0", 250).incrby("u8", "#0", 100).get("i4", 0)
    equal(field.execute(), [0, 255, -1], "BITFIELD")
    equal(r.bitfield_ro("counters", "u8", 0, [("u4", 4)]), [255, 15], "BITFIELD_RO")


def sort(r):
    r.rpush("ids", 3, 1, 2)
    r.mset({"weight:1": 30, "weight:2": 20, "weight:3": 10, "name:1": "one", "name:2": "two"})
    equal(r.sort("ids"), ["1", "2", "3"], "SORT")
    equal(r.sort("ids", desc=True, start=0, num=2), ["3", "2"], "SORT DESC LIMIT")
    equal(r.sort("ids", by="weight:*", get=["#", "name:*"], groups=True), [("3", None), ("2", "two"), ("1", "one")], "SORT BY GET")
    equal((r.sort("ids", store="sorted"), r.lrange("sorted", 0, -1)), (3, ["1", "2", "3"]), "SORT STORE")
    equal(r.sort_ro("ids", alpha=True), ["1", "2", "3"], "SORT_RO")


def wrong_types(r):
    r.set("text", "x")
    for name, action in {
        "HGETALL": lambda: r.hgetall("text"),
        "LPUSH": lambda: r.lpush("text", "a"),
        "SINTER": lambda: r.sinter("text", "nosuch"),
        "ZUNIONSTORE": lambda: r.zunionstore("to", ["text"]),
    }.items():
        fails(action, WRONG_TYPE, f"{name} of a string")
    r.rpush("list", "a")
    for name, action in {"GET": lambda: r.get("list"), "SETBIT": lambda: r.setbit("list", 0, 1)}.items():
        fails(action, WRONG_TYPE, f"{name} of a list")
    equal([r.type(key) for key in ("text", "list", "nosuch")], ["string", "list", "none"], "TYPE")


def binary(protocol):
    raw = connect(protocol=protocol, decode_responses=False)
    keys = [prefix + EVERY_BYTE for prefix in (b"h", b"l", b"s", b"z")]
    raw.hset(keys[0], EVERY_BYTE, EVERY_BYTE * 100)
    raw.rpush(keys[1], EVERY_BYTE, b"", EVERY_BYTE * 100)
    raw.sadd(keys[2], EVERY_BYTE, b"", b"\r\n")
    raw.zadd(keys[3], {EVERY_BYTE: 1, b"": 2, b"\0": 3})
    equal(raw.hgetall(keys[0]), {EVERY_BYTE: EVERY_BYTE * 100}, "binary fields")
    equal(raw.lrange(keys[1], 0, -1), [EVERY_BYTE, b"", EVERY_BYTE * 100], "binary elements")
    equal(raw.smembers(keys[2]), {EVERY_BYTE, b"", b"\r\n"}, "binary members")
    equal(pairs(raw.zrange(keys[3], 0, -1, withscores=True)), [(EVERY_BYTE, 1.0), (b"", 2.0), (b"\0", 3.0)], "binary members")
    equal(raw.zscore(keys[3], EVERY_BYTE), 1.0, "the score of a binary member")


for version in (2, 3):
    client = connect(protocol=version)
    for scenario in (hashes, lists, sets, sorted_sets, bits, sort, wrong_types):
        client.flushall()
        scenario(client)
    binary(version)
