// ioredis with commands of one's own (defineCommand): a script is sent once and then called by its digest, also in pipelines
// and transactions, and sent again when the server has forgotten it. Beside them subscribers and a waiting consumer, which go on
// by themselves when the server was started again.
import Redis from "ioredis";
import { done, equal, eventually, fails, giveUpAfter, host, password, port, restartServer } from "../driver.mjs";

giveUpAfter(60_000);
const options = { host, port, password, maxRetriesPerRequest: null, retryStrategy: () => 50 };
const open = [];
function connect(more) {
  const redis = new Redis({ ...options, ...more });
  redis.on("error", () => {}); // A lost connection is reported here as well; what matters is that commands succeed afterwards.
  open.push(redis);
  return redis;
}

const scripts = {
  // How many of the wanted pieces were taken from the stock: all or none.
  reserve: {
    numberOfKeys: 1,
    lua: `local left = tonumber(redis.call("GET", KEYS[1]) or "0")
          if left < tonumber(ARGV[1]) then return 0 end
          redis.call("DECRBY", KEYS[1], ARGV[1])
          return tonumber(ARGV[1])`,
  },
  // Removes a lock, but only one's own.
  unlock: {
    numberOfKeys: 1,
    lua: `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
          return redis.error_reply("NOTYOURS the lock belongs to somebody else")`,
  },
  // Every kind of value that a script can answer, and one that it cannot.
  answers: { numberOfKeys: 0, lua: `return {1, 2.9, "text", true, false, {ok = "fine"}, {}, ARGV[1], nil, "never seen"}` },
  // The number of keys is the first argument here.
  total: {
    lua: `local sum = 0
          for _, key in ipairs(KEYS) do sum = sum + redis.call("GET", key) end
          return sum`,
  },
};

const redis = connect({ scripts });
await redis.flushall();
await redis.script("FLUSH");
const calls = async () => {
  const counts = {};
  for (const [, name, count] of (await redis.info("commandstats")).matchAll(/cmdstat_(eval|evalsha):calls=(\d+)/g)) counts[name] = Number(count);
  return counts;
};

// A stock is never oversold, however many ask at once.
await redis.set("stock", 100);
const buyers = Array.from({ length: 10 }, () => connect({ scripts, enableAutoPipelining: true }));
const sold = await Promise.all(buyers.flatMap((buyer) => Array.from({ length: 20 }, () => buyer.reserve("stock", 3))));
equal([sold.filter((pieces) => pieces === 3).length, sold.length, await redis.get("stock")], [33, 200, "1"]);

// Answers, errors, binary values, and a prefix for all keys.
equal(await redis.answers("ä"), [1, 2, "text", 1, null, "fine", [], "ä"]);
await redis.set("lock", "mine");
await fails(redis.unlock("lock", "yours"), "NOTYOURS the lock belongs to somebody else");
equal([await redis.unlock("lock", "mine"), await redis.exists("lock")], [1, 0]);
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
equal((await redis.answersBuffer(bytes))[7], bytes);
const tenant = connect({ scripts, keyPrefix: "tenant:" });
await tenant.mset({ a: 1, b: 2, c: 39 });
equal([await tenant.total(3, "a", "b", "c"), await redis.total(1, "tenant:c")], [42, 39]);
equal(await redis.total(1, "nosuch").catch(({ message }) => /user_script:2: attempt to perform arithmetic/.test(message)), true);

// In a pipeline and in a transaction, between other commands.
await redis.set("stock", 5);
equal(await redis.pipeline().reserve("stock", 2).get("stock").reserve("stock", 9).exec(), [[null, 2], [null, "3"], [null, 0]]);
equal(await redis.multi().reserve("stock", 3).incr("stock").exec(), [[null, 3], [null, 1]]);

// Called by its digest, and sent again after the server was told to forget it.
const before = await calls();
for (let i = 0; i < 10; i += 1) await redis.reserve("stock", 0);
equal(await calls(), { ...before, evalsha: before.evalsha + 10 });
await redis.script("FLUSH");
equal(await redis.reserve("stock", 1), 1);
equal(await calls(), { eval: before.eval + 1, evalsha: before.evalsha + 11 });

// Subscribers and a consumer that waits; all go on after the server was killed and started again.
const heard = [];
const subscriber = connect();
subscriber.on("message", (channel, message) => heard.push([channel, message]));
subscriber.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
equal([await subscriber.subscribe("news", "sport"), await subscriber.psubscribe("n?ws")], [2, 3]);
const consumer = connect();
for (const round of [1, 2]) {
  const waited = consumer.blpop("urgent", "tasks", 0);
  if (round === 2) {
    await restartServer();
    await eventually(async () => equal(await redis.pubsub("NUMSUB", "news", "sport"), ["news", 1, "sport", 1]));
    await eventually(async () => equal(await redis.pubsub("NUMPAT"), 1));
  }
  heard.length = 0;
  for (let i = 0; i < 50; i += 1) {
    equal(await redis.publish("news", `news ${i}`), 2);
    equal(await redis.publish("sport", `sport ${i}`), 1);
  }
  await eventually(() => equal(heard.length, 150));
  equal(heard.filter(([first]) => first === "news").map(([, message]) => message), Array.from({ length: 50 }, (_, i) => `news ${i}`));
  equal(heard.filter(([first]) => first === "sport").map(([, message]) => message), Array.from({ length: 50 }, (_, i) => `sport ${i}`));
  equal(heard.filter(([first]) => first === "n?ws").map(([, , message]) => message), Array.from({ length: 50 }, (_, i) => `news ${i}`));
  equal(await redis.rpush("tasks", `task of round ${round}`), 1);
  equal(await waited, ["tasks", `task of round ${round}`]);
  equal(await redis.exists("tasks"), 0);
}
equal(await redis.reserve("stock", 1), 0); // The script, too, is known again.

await Promise.all(open.map((connection) => connection.quit()));
done();
