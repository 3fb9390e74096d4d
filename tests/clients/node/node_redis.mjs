// node-redis in RESP2 and RESP3: it greets with HELLO and CLIENT SETINFO, pipelines by itself, and reconnects by itself.
import { createClient } from "redis";
import { between, done, equal, eventually, host, password, port, restartServer } from "./driver.mjs";

for (const RESP of [2, 3]) {
  const client = createClient({ RESP, password, socket: { host, port, reconnectStrategy: () => 50 }, name: "worker" });
  // A lost connection is reported here as well; what matters is that commands succeed afterwards.
  client.on("error", () => {});
  await client.connect();
  await client.flushAll();
  equal(await client.ping(), "PONG");

  // Cache aside.
  const load = async (key) => {
    const cached = await client.get(key);
    if (cached !== null) return [cached, true];
    await client.set(key, `page of ${key}`, { expiration: { type: "EX", value: 300 } });
    return [`page of ${key}`, false];
  };
  equal(await load("page:1"), ["page of page:1", false]);
  equal(await load("page:1"), ["page of page:1", true]);
  between(await client.ttl("page:1"), 295, 300, "TTL");
  equal(await client.set("page:1", "x", { condition: "NX" }), null);
  equal(await client.set("page:1", "x", { condition: "XX", GET: true }), "page of page:1");
  equal(await client.getDel("page:1"), "x");

  // Counters.
  equal(await Promise.all([client.incr("hits"), client.incrBy("hits", 41), client.decr("hits")]), [1, 42, 41]);
  equal(await client.incrByFloat("load", 1.5), "1.5");
  await client.set("text", "abc");
  await client.incr("text").then(
    () => { throw new Error("INCR of a text worked"); },
    (error) => equal(error.message, "ERR value is not an integer or out of range"),
  );

  // Rate limiter.
  const allowed = async (user, limit) => {
    const [count] = await client.multi().incr(`rate:${user}`).expire(`rate:${user}`, 60, "NX").execAsPipeline();
    return count <= limit;
  };
  equal([await allowed("joe", 2), await allowed("joe", 2), await allowed("joe", 2)], [true, true, false]);

  // Bulk.
  const keys = Array.from({ length: 2000 }, (_, i) => `bulk:${i}`);
  equal(await client.mSet(keys.map((key, i) => [key, String(i)])), "OK");
  equal(await client.mGet(keys), keys.map((_, i) => String(i)));
  const found = new Set();
  for await (const batch of client.scanIterator({ MATCH: "bulk:*", COUNT: 200 })) batch.forEach((key) => found.add(key));
  equal(found.size, keys.length);

  equal((await client.configGet("databases")).databases, "16");
  const names = (await client.clientList()).map((entry) => entry.name);
  if (!names.includes("worker")) throw new Error(`CLIENT LIST names ${names}`);

  await restartServer();
  equal(await eventually(() => client.get("hits")), null);
  equal(await client.set("after", "1"), "OK");
  await client.close();
}
done();
