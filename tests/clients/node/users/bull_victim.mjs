// A worker of bull.mjs that begins a job and never ends it.
import Queue from "bull";

process.on("disconnect", () => process.exit());
const { HOST: host, PORT: port, PASSWORD: password, SETTINGS: settings } = process.env;
new Queue("dead worker", { redis: { host, port, password }, settings: JSON.parse(settings) }).process(
  () => new Promise(() => process.send("begun")),
);
