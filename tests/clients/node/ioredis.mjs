// ioredis: its ready check reads INFO, its pipelines are automatic or explicit, and it reconnects by itself.
import Redis from "ioredis";
import { between, done, equal, host, password, port, restartServer } from "./driver.mjs";

const redis = new Redis({
  host,
  port,
  password,
  enableAutoPipelining: true,
  maxRetriesPerRequest: null,
  retryStrategy: () => 50,
});
// A lost connection is reported here as well; what matters is that commands succeed afterwards.
redis.on("error", () => {});
await redis.flushall();

// Cache aside.
const load = async (key) => {
  const cached = await redis.get(key);
  if (cached !== null) return [cached, true];
  await redis.set(key, `page of ${key}`, "EX", 300);
  return [`page of ${key}`, false];
};
equal(await load("page:1"), ["page of page:1", false]);
equal(await load("page:1"), ["page of page:1", true]);
between(await redis.ttl("page:1"), 295, 300, "TTL");
equal(await redis.set("page:1", "x", "NX"), null);
equal(await redis.set("page:1", "x", "XX", "GET"), "page of page:1");
equal(await redis.getex("page:1", "PX", 60_000), "x");

// Counters, pipelined by the library.
equal(await Promise.all([redis.incr("hits"), redis.incrby("hits", 41), redis.decr("hits")]), [1, 42, 41]);
equal(await redis.incrbyfloat("load", "1.5"), "1.5");
await redis.set("text", "abc");
await redis.incr("text").then(
  () => { throw new Error("INCR of a text worked"); },
  (error) => equal(error.message, "ERR value is not an integer or out of range"),
);

// Rate limiter.
const allowed = async (user, limit) => {
  const [[, count]] = await redis.pipeline().incr(`rate:${user}`).expire(`rate:${user}`, 60, "NX").exec();
  return count <= limit;
};
equal([await allowed("joe", 2), await allowed("joe", 2), await allowed("joe", 2)], [true, true, false]);

// Bulk, and binary data.
const keys = Array.from({ length: 2000 }, (_, i) => `bulk:${i}`);
equal(await redis.mset(new Map(keys.map((key, i) => [key, String(i)]))), "OK");
equal(await redis.mget(keys), keys.map((_, i) => String(i)));
const found = new Set();
for await (const batch of redis.scanStream({ match: "bulk:*", count: 200 })) batch.forEach((key) => found.add(key));
equal(found.size, keys.length);
const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await redis.set(bytes, bytes);
equal(await redis.getBuffer(bytes), bytes);

// A wrong password.
const stranger = new Redis({ host, port, password: "wrong", lazyConnect: true, retryStrategy: null });
stranger.on("error", () => {});
await stranger.connect().catch(() => {});
await stranger.get("x").then(() => { throw new Error("a wrong password was taken"); }, () => {});
stranger.disconnect();

await restartServer();
equal(await redis.get("hits"), null);
equal(await redis.set("after", "1"), "OK");
await redis.quit();
done();
