// node-redis on hashes, lists, sets, sorted sets and bits, its transactions, and its scan iterators, in RESP2 and RESP3.
import { createClient, RESP_TYPES, WatchError } from "redis";
import { done, equal, fails, host, password, port } from "./driver.mjs";

const WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value";

/** The same object with the prototype that literals have: the library's has none. */
const plain = (object) => ({ ...object });

for (const RESP of [2, 3]) {
  const client = await createClient({ RESP, password, socket: { host, port } }).connect();
  const other = await createClient({ RESP, password, socket: { host, port } }).connect();
  await client.flushAll();

  // Hashes.
  equal(await client.hSet("h", { name: "ann", age: 7 }), 2);
  equal(await client.hSet("h", "age", 8), 0);
  equal(plain(await client.hGetAll("h")), { name: "ann", age: "8" });
  equal(await client.hmGet("h", ["age", "nosuch"]), ["8", null]);
  equal([await client.hIncrBy("h", "age", -3), await client.hIncrByFloat("h", "age", 0.5)], [5, "5.5"]);
  equal([await client.hExists("h", "name"), await client.hSetNX("h", "name", "bob"), await client.hStrLen("h", "name")], [1, 0, 3]);
  equal((await client.hRandFieldCountWithValues("h", 5)).map((pair) => pair.field).sort(), ["age", "name"]);
  equal([await client.hDel("h", ["name", "x"]), await client.hKeys("h"), await client.hVals("h")], [1, ["age"], ["5.5"]]);

  // Lists.
  equal([await client.rPush("l", ["b", "c"]), await client.lPush("l", "a"), await client.lPushX("nosuch", "a")], [2, 3, 0]);
  equal([await client.lRange("l", 0, -1), await client.lIndex("l", -1)], [["a", "b", "c"], "c"]);
  equal([await client.lInsert("l", "BEFORE", "b", "x"), await client.lSet("l", 0, "y"), await client.lPos("l", "b")], [4, "OK", 2]);
  equal([await client.lRem("l", 1, "x"), await client.lTrim("l", 0, 1), await client.lLen("l")], [1, "OK", 2]);
  equal([await client.lMove("l", "m", "RIGHT", "LEFT"), await client.lPopCount("l", 5), await client.lPop("l")], ["b", ["y"], null]);
  equal([await client.lmPop(["nosuch", "m"], "LEFT"), await client.lmPop(["m"], "LEFT")], [["m", ["b"]], null]);

  // Sets.
  equal([await client.sAdd("s", ["a", "b", "c"]), await client.sAdd("t", ["c", "d"])], [3, 2]);
  equal([(await client.sMembers("s")).sort(), await client.smIsMember("s", ["a", "x"])], [["a", "b", "c"], [1, 0]]);
  equal([(await client.sUnion(["s", "t"])).sort(), await client.sInter(["s", "t"])], [["a", "b", "c", "d"], ["c"]]);
  equal([await client.sDiffStore("u", ["s", "t"]), await client.sInterCard(["s", "t"]), await client.sMove("t", "u", "d")], [2, 1, 1]);
  equal([await client.sRem("s", ["a", "x"]), await client.sPop("t"), await client.sPop("t"), await client.sCard("s")], [1, "c", null, 2]);

  // Sorted sets.
  const scores = [{ value: "a", score: 1 }, { value: "b", score: 2.5 }, { value: "c", score: -1.5 }];
  equal([await client.zAdd("z", scores), await client.zAdd("z", { value: "a", score: 3 }, { condition: "XX", CH: true })], [3, 1]);
  equal([await client.zAddIncr("z", { value: "a", score: 1 }), await client.zIncrBy("z", 0.25, "b")], [4, 2.75]);
  equal((await client.zRangeWithScores("z", 0, -1)).map(plain),
    [{ value: "c", score: -1.5 }, { value: "b", score: 2.75 }, { value: "a", score: 4 }]);
  equal(await client.zRange("z", Infinity, "(2.75", { BY: "SCORE", REV: true, LIMIT: { offset: 0, count: 5 } }), ["a"]);
  equal([await client.zRangeByScore("z", -Infinity, 3), await client.zCount("z", "(2.75", "+inf")], [["c", "b"], 1]);
  equal([await client.zRank("z", "a"), await client.zRevRank("z", "x"), await client.zmScore("z", ["b", "x"])], [2, null, [2.75, null]]);
  equal(await client.zUnionStore("sum", [{ key: "z", weight: 1 }, { key: "z", weight: 2 }]), 3);
  equal([plain(await client.zPopMax("sum")), await client.zRemRangeByRank("sum", 0, 0), await client.zCard("sum")], [{ value: "a", score: 12 }, 1, 1]);

  // Bits, and sorting.
  equal([await client.setBit("bits", 9, 1), await client.bitCount("bits"), await client.bitPos("bits", 1)], [0, 1, 9]);
  const add = (increment) => ({ operation: "INCRBY", encoding: "u2", offset: 0, increment });
  equal(await client.bitField("counter", [{ operation: "OVERFLOW", behavior: "FAIL" }, add(3), add(1)]), [3, null]);
  await client.rPush("ids", ["3", "1", "2"]);
  await client.mSet({ "name:1": "one", "name:3": "three" });
  equal(await client.sort("ids", { DIRECTION: "DESC", LIMIT: { offset: 0, count: 2 }, GET: ["#", "name:*"] }), ["3", "three", "2", null]);

  // Binary members.
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const binary = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await binary.hSet(bytes, bytes, bytes);
  await binary.sAdd("binary", [bytes, Buffer.alloc(0), Buffer.from("\r\n")]);
  equal(await binary.hGet(bytes, bytes), bytes);
  equal((await binary.sMembers("binary")).sort(Buffer.compare), [Buffer.alloc(0), bytes, Buffer.from("\r\n")]);

  // Large collections through scan iterators.
  const large = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`element ${i}`, String(i)]));
  await Promise.all([
    client.hSet("large hash", large),
    client.sAdd("large set", Object.keys(large)),
    client.zAdd("large zset", Object.entries(large).map(([value, number]) => ({ value, score: Number(number) }))),
  ]);
  const seen = { hash: {}, set: {}, zset: {} };
  for await (const batch of client.hScanIterator("large hash", { COUNT: 100 })) {
    batch.forEach(({ field, value }) => { seen.hash[field] = value; });
  }
  for await (const batch of client.sScanIterator("large set", { COUNT: 100 })) {
    batch.forEach((element) => { seen.set[element] = large[element]; });
  }
  for await (const batch of client.zScanIterator("large zset", { COUNT: 100 })) {
    batch.forEach(({ value, score }) => { seen.zset[value] = String(score); });
  }
  for (const kind of Object.keys(seen)) equal(seen[kind], large);

  // Transactions. What is sent without waiting is a pipeline anyway.
  equal(await client.multi().set("a", 1).incrBy("a", 41).zAdd("n", { value: "x", score: 1 }).lRange("ids", 0, -1).exec(), ["OK", 42, 1, ["3", "1", "2"]]);
  equal(await client.multi().exec(), []);
  const replies = await client.multi().set("a", "x").lPush("a", "y").append("a", "z").exec().catch((error) => error.replies);
  equal([replies[0], replies[1].message, replies[2]], ["OK", WRONG_TYPE, 2]);
  await client.multi().set("a", "lost").addCommand(["NOSUCH"]).exec().then(
    () => { throw new Error("a transaction with an unknown command ran"); },
    () => {},
  );
  equal(await client.get("a"), "xz");
  await client.watch("a");
  await other.set("a", "faster");
  const late = await client.multi().set("a", "slower").exec().catch((error) => error);
  equal([late instanceof WatchError, await client.get("a")], [true, "faster"]);
  await client.watch("a");
  await client.unwatch();
  await other.set("a", "again");
  equal(await client.multi().get("a").exec(), ["again"]);

  // Errors.
  await fails(client.lPush("a", "x"), WRONG_TYPE);
  await fails(client.sUnionStore("to", ["s", "a"]), WRONG_TYPE);
  await fails(client.hIncrBy("h", "age", 1), "ERR hash value is not an integer");
  await fails(client.lSet("ids", 9, "x"), "ERR index out of range");
  await fails(client.zAdd("z", { value: "a", score: "high" }), "ERR value is not a valid float");
  equal(await Promise.all(["a", "h", "ids", "s", "z", "nosuch"].map((key) => client.type(key))), ["string", "hash", "list", "set", "zset", "none"]);

  await client.close();
  await other.close();
}
done();
