// connect-redis: sessions of an Express application, kept on the server for as long as they are used.
import express from "express";
import session from "express-session";
import { RedisStore } from "connect-redis";
import { once } from "node:events";
import { createClient } from "redis";
import { between, done, equal, eventually, giveUpAfter, host, password, port, restartServer } from "../driver.mjs";

giveUpAfter(60_000);
const client = createClient({ socket: { host, port, reconnectStrategy: 50 }, password });
client.on("error", () => {}); // A lost connection is reported here as well; what matters is that requests succeed afterwards.
await client.connect();
const store = new RedisStore({ client, prefix: "session:", ttl: 3600 });

const app = express();
app.use(session({ store, secret: "of the cookie", resave: false, saveUninitialized: false }));
app.use(express.json());
app.post("/login", (request, response) => {
  // A new identifier, so that nobody can plant one of theirs.
  request.session.regenerate(() => {
    Object.assign(request.session, { user: request.body.user, cart: [] });
    response.json(request.session.id);
  });
});
app.post("/cart", (request, response) => {
  request.session.cart.push(request.body);
  response.json(request.session.cart.length);
});
app.get("/cart", (request, response) => response.json([request.session.user ?? null, request.session.cart ?? null]));
app.post("/logout", (request, response) => request.session.destroy(() => response.json("good bye")));
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");

/** Somebody with cookies of their own. */
function browser() {
  let cookie;
  return async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, {
      method,
      headers: { "content-type": "application/json", ...(cookie && { cookie }) },
      body: body && JSON.stringify(body),
    });
    cookie = response.headers.get("set-cookie")?.split(";")[0] ?? cookie;
    return response.json();
  };
}

// Two people, each with a session of their own; a stranger has none.
const [ann, bob, stranger] = [browser(), browser(), browser()];
equal(await stranger("GET", "/cart"), [null, null]);
equal(await store.length(), 0);
const ids = [await ann("POST", "/login", { user: "ann" }), await bob("POST", "/login", { user: "bob" })];
equal(await ann("POST", "/cart", { article: "Äpfel", pieces: 3 }), 1);
equal(await ann("POST", "/cart", { article: "pears", pieces: 1 }), 2);
equal(await bob("POST", "/cart", { article: "plums", pieces: 2 }), 1);
equal(await ann("GET", "/cart"), ["ann", [{ article: "Äpfel", pieces: 3 }, { article: "pears", pieces: 1 }]]);
equal(await bob("GET", "/cart"), ["bob", [{ article: "plums", pieces: 2 }]]);
equal((await store.ids()).sort(), [...ids].sort());
equal((await store.all()).map(({ user }) => user).sort(), ["ann", "bob"]);

// Each request prolongs the session.
await client.expire(`session:${ids[0]}`, 10);
await ann("GET", "/cart");
between(await client.ttl(`session:${ids[0]}`), 3595, 3600, "the session's time to live");

// A new login is a new session, logging out ends it, and what the server has forgotten is an empty one.
const again = await ann("POST", "/login", { user: "ann" });
equal(await client.exists([`session:${ids[0]}`, `session:${again}`]), 1);
equal(await ann("POST", "/logout"), "good bye");
equal([await ann("GET", "/cart"), await store.ids()], [[null, null], [ids[1]]]);
await restartServer();
await eventually(async () => equal(await bob("GET", "/cart"), [null, null]));

// Many people at once, who all keep what is theirs.
const people = Array.from({ length: 50 }, (_, number) => ({ user: `user ${number}`, visit: browser() }));
await Promise.all(people.map(({ user, visit }) => visit("POST", "/login", { user })));
for (const pieces of [1, 2, 3]) await Promise.all(people.map(({ user, visit }) => visit("POST", "/cart", { user, pieces })));
const carts = await Promise.all(people.map(({ visit }) => visit("GET", "/cart")));
equal(carts, people.map(({ user }) => [user, [1, 2, 3].map((pieces) => ({ user, pieces }))]));
equal(await store.length(), 50);
await store.clear();
equal(await client.dbSize(), 0);

server.close();
server.closeAllConnections();
await client.close();
done();
