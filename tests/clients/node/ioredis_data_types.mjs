// ioredis on hashes, lists, sets, sorted sets and bits, its transactions, and its scan streams.
import Redis from "ioredis";
import { done, equal, fails, host, password, port } from "./driver.mjs";

const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";

const redis = new Redis({ host, port, password });
const other = new Redis({ host, port, password });
await redis.flushall();

// Hashes.
equal(await redis.hset("h", { name: "ann", age: 7 }), 2);
equal(await redis.hset("h", new Map([["age", 8]])), 0);
equal(await redis.hgetall("h"), { name: "ann", age: "8" });
equal(await redis.hgetall("nosuch"), {});
equal(await redis.hmget("h", "age", "nosuch"), ["8", null]);
equal([await redis.hincrby("h", "age", -3), await redis.hincrbyfloat("h", "age", 0.5)], [5, "5.5"]);
equal([await redis.hexists("h", "name"), await redis.hsetnx("h", "name", "bob"), await redis.hstrlen("h", "name")], [1, 0, 3]);
equal((await redis.hrandfield("h", 5)).sort(), ["age", "name"]);
equal([await redis.hdel("h", "name", "x"), await redis.hkeys("h"), await redis.hvals("h")], [1, ["age"], ["5.5"]]);

// Lists.
equal([await redis.rpush("l", "b", "c"), await redis.lpush("l", "a"), await redis.lpushx("nosuch", "a")], [2, 3, 0]);
equal([await redis.lrange("l", 0, -1), await redis.lindex("l", -1)], [["a", "b", "c"], "c"]);
equal([await redis.linsert("l", "BEFORE", "b", "x"), await redis.lset("l", 0, "y"), await redis.lpos("l", "b")], [4, "OK", 2]);
equal([await redis.lrem("l", 1, "x"), await redis.ltrim("l", 0, 1), await redis.llen("l")], [1, "OK", 2]);
equal([await redis.lmove("l", "m", "RIGHT", "LEFT"), await redis.lpop("l", 5), await redis.lpop("l")], ["b", ["y"], null]);
equal([await redis.lmpop(2, "nosuch", "m", "LEFT"), await redis.lmpop(1, "m", "LEFT")], [["m", ["b"]], null]);

// Sets.
equal([await redis.sadd("s", "a", "b", "c"), await redis.sadd("t", ["c", "d"])], [3, 2]);
equal([(await redis.smembers("s")).sort(), await redis.smismember("s", "a", "x")], [["a", "b", "c"], [1, 0]]);
equal([(await redis.sunion("s", "t")).sort(), await redis.sinter("s", "t")], [["a", "b", "c", "d"], ["c"]]);
equal([await redis.sdiffstore("u", "s", "t"), await redis.sintercard(2, "s", "t"), await redis.smove("t", "u", "d")], [2, 1, 1]);
equal([await redis.srem("s", "a", "x"), await redis.spop("t"), await redis.spop("t"), await redis.scard("s")], [1, "c", null, 2]);

// Sorted sets.
equal([await redis.zadd("z", 1, "a", 2.5, "b", "-inf", "c"), await redis.zadd("z", "XX", "CH", 3, "a")], [3, 1]);
equal(await redis.zadd("z", "INCR", 1, "a"), "4");
equal(await redis.zrange("z", 0, -1, "WITHSCORES"), ["c", "-inf", "b", "2.5", "a", "4"]);
equal(await redis.zrange("z", "+inf", "(2.5", "BYSCORE", "REV", "LIMIT", 0, 5), ["a"]);
equal([await redis.zrevrangebyscore("z", 3, "-inf"), await redis.zcount("z", "(2.5", "+inf")], [["b", "c"], 1]);
equal([await redis.zrank("z", "a"), await redis.zrevrank("z", "x"), await redis.zmscore("z", "b", "x")], [2, null, ["2.5", null]]);
equal([await redis.zincrby("z", 0.25, "b"), await redis.zunionstore("sum", 2, "z", "z", "WEIGHTS", 1, 2)], ["2.75", 3]);
equal([await redis.zpopmax("sum"), await redis.zremrangebyrank("sum", 0, 0), await redis.zcard("sum")], [["a", "12"], 1, 1]);

// Bits, and sorting.
equal([await redis.setbit("bits", 9, 1), await redis.bitcount("bits"), await redis.bitpos("bits", 1)], [0, 1, 9]);
equal(await redis.bitfield("counter", "OVERFLOW", "FAIL", "INCRBY", "u2", 0, 3, "INCRBY", "u2", 0, 1), [3, null]);
await redis.rpush("ids", 3, 1, 2);
await redis.mset({ "name:1": "one", "name:3": "three" });
equal(await redis.sort("ids", "DESC", "LIMIT", 0, 2, "GET", "#", "GET", "name:*"), ["3", "three", "2", null]);

// Binary members.
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await redis.hset(bytes, bytes, bytes);
await redis.sadd("binary", bytes, "", "\r\n");
await redis.zadd("binary zset", 1, bytes);
equal(await redis.hgetBuffer(bytes, bytes), bytes);
equal((await redis.smembersBuffer("binary")).sort(Buffer.compare), [Buffer.alloc(0), bytes, Buffer.from("\r\n")]);
equal(await redis.zrangeBuffer("binary zset", 0, -1), [bytes]);

// Large collections through scan streams.
const large = new Map(Array.from({ length: 2000 }, (_, i) => [`element ${i}`, String(i)]));
await redis.pipeline().hset("large hash", large).sadd("large set", [...large.keys()])
  .zadd("large zset", [...large].flatMap(([element, number]) => [number, element])).exec();
for (const kind of ["hash", "set", "zset"]) {
  const stream = { hash: "hscanStream", set: "sscanStream", zset: "zscanStream" }[kind];
  const seen = new Map();
  for await (const batch of redis[stream](`large ${kind}`, { count: 100 })) {
    if (kind === "set") batch.forEach((element) => seen.set(element, large.get(element)));
    else for (let i = 0; i < batch.length; i += 2) seen.set(batch[i], batch[i + 1]);
  }
  equal(new Map([...seen].sort()), new Map([...large].sort()));
}

// Pipelines, and transactions: the library hands each step's error beside its reply.
equal(await redis.pipeline().set("a", 1).incr("a").hgetall("h").exec(), [[null, "OK"], [null, 2], [null, { age: "5.5" }]]);
equal(await redis.multi().set("a", 1).incrby("a", 41).zadd("n", 1, "x").lrange("ids", 0, -1).exec(),
  [[null, "OK"], [null, 42], [null, 1], [null, ["3", "1", "2"]]]);
const [[, ok], [error], [, length]] = await redis.multi().set("a", "x").lpush("a", "y").append("a", "z").exec();
equal([ok, error.message, length], ["OK", WRONG_TYPE, 2]);
await redis.multi({ pipeline: false });
equal([await redis.set("a", "lost"), await redis.discard(), await redis.get("a")], ["QUEUED", "OK", "xz"]);
await fails(redis.multi().set("a", "lost").call("NOSUCH").exec(), "EXECABORT Transaction discarded because of previous errors.");
await redis.watch("a");
await other.set("a", "faster");
equal([await redis.multi().set("a", "slower").exec(), await redis.get("a")], [null, "faster"]);
await redis.watch("a");
await redis.unwatch();
await other.set("a", "again");
equal(await redis.multi([["get", "a"]]).exec(), [[null, "again"]]);

// Errors.
await fails(redis.lpush("a", "x"), WRONG_TYPE);
await fails(redis.sunionstore("to", "s", "a"), WRONG_TYPE);
await fails(redis.hincrby("large hash", "element 1", 0.5), "ERR value is not an integer or out of range");
await fails(redis.lset("ids", 9, "x"), "ERR index out of range");
await fails(redis.zadd("z", "high", "a"), "ERR value is not a valid float");
equal(await Promise.all(["a", "h", "ids", "s", "z", "nosuch"].map((key) => redis.type(key))), ["string", "hash", "list", "set", "zset", "none"]);

redis.disconnect();
other.disconnect();
done();
