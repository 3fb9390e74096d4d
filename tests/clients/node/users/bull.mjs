// Bull, a job queue: a job waits in a list, workers take it with BRPOPLPUSH, scripts move it on, and messages tell of it.
//
// Each part has a queue of its own and looks at what was really done: what the processors have noted, not what the server says.
import Queue from "bull";
import { fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { between, done, equal, eventually, giveUpAfter, host, password, port } from "../driver.mjs";

giveUpAfter(60_000);
EventEmitter.defaultMaxListeners = 0; // Whoever waits for a job listens to its queue; many wait here.
const redis = { host, port, password };
const open = [];

/** A queue, seen from one more program: each has its own connections. */
function queue(name, options = {}) {
  const opened = new Queue(name, { redis, ...options });
  open.push(opened);
  return opened;
}

/** What every job of the queue has answered, in the order of the jobs. */
const results = (jobs) => Promise.all(jobs.map((job) => job.finished()));
const numbers = (count) => Array.from({ length: count }, (_, number) => number);
const nothingLeft = { waiting: 0, active: 0, delayed: 0, failed: 0, paused: 0 };

/** Each job is done once, whoever adds and whoever works, and everybody hears of it once. */
async function manyWorkers() {
  const producer = queue("many");
  const heard = [];
  producer.on("global:completed", (id) => heard.push(Number(id)));
  await producer.isReady();
  const did = [];
  for (const worker of [queue("many"), queue("many"), queue("many")])
    worker.process(5, async ({ data }) => {
      did.push(data.number);
      return data.number * 2;
    });

  const [some, others] = await Promise.all([
    Promise.all(numbers(150).map((number) => producer.add({ number }))),
    queue("many").addBulk(numbers(150).map((number) => ({ data: { number: 150 + number } }))),
  ]);
  equal(await results([...some, ...others]), numbers(300).map((number) => number * 2));
  await eventually(() => equal(heard.length, 300));
  equal(new Set(heard).size, 300);
  equal(await producer.getJobCounts(), { ...nothingLeft, completed: 300 });
  equal(did.sort((a, b) => a - b), numbers(300));
}

/** One worker takes the oldest job first, unless a job asks to be the next or has a priority; a paused queue keeps them. */
async function order() {
  const jobs = queue("order");
  const did = [];
  await jobs.pause();
  await jobs.addBulk(numbers(50).map((number) => ({ data: { task: number } })));
  await jobs.add({ task: "next" }, { lifo: true });
  for (const priority of [3, 1, 2]) await jobs.add({ task: `priority ${priority}` }, { priority });
  jobs.process(1, async ({ data }) => did.push(data.task));
  equal(await jobs.getJobCounts(), { ...nothingLeft, paused: 54, completed: 0 });
  equal(did, []);

  await jobs.resume();
  await eventually(() => equal(did.length, 54));
  const urgent = did.filter((task) => String(task).startsWith("priority"));
  equal(urgent, ["priority 1", "priority 2", "priority 3"]);
  equal(did.filter((task) => !urgent.includes(task)), ["next", ...numbers(50)]);
}

/** A delayed job is not early, and the one that is due first is done first. */
async function delay() {
  const jobs = queue("delay");
  const did = [];
  jobs.process(1, async ({ opts, timestamp }) => did.push([opts.delay, Date.now() - timestamp]));
  const delays = [500, 100, 300];
  await results(await Promise.all(delays.map((delay) => jobs.add({}, { delay }))));
  equal(did.map(([delay]) => delay), [100, 300, 500]);
  for (const [delay, waited] of did) between(waited, delay, Infinity, `the wait of a job with a delay of ${delay} ms`);
}

/** A job that fails is tried again as often as it asks for, and no more; then it can be put back by hand. */
async function retry() {
  const jobs = queue("retry");
  const attempts = {};
  let mended = false;
  jobs.process(async ({ data: { task } }) => {
    attempts[task] = (attempts[task] ?? 0) + 1;
    if (task === "broken" ? !mended : attempts[task] < 3) throw new Error(`attempt ${attempts[task]}`);
    return "worked";
  });
  const options = { attempts: 3, backoff: { type: "fixed", delay: 50 } };
  const flaky = await jobs.add({ task: "flaky" }, options);
  const broken = await jobs.add({ task: "broken" }, options);
  equal(await flaky.finished(), "worked");
  equal(await broken.finished().catch((error) => error.message), "attempt 3");
  equal(attempts, { flaky: 3, broken: 3 });
  equal((await jobs.getFailed()).map(({ data, attemptsMade }) => [data.task, attemptsMade]), [["broken", 3]]);

  mended = true;
  await (await jobs.getJob(broken.id)).retry();
  equal(await broken.finished(), "worked");
  equal(await jobs.getJobCounts(), { ...nothingLeft, completed: 2 });
}

/** A repeated job runs as often as was said. */
async function repeat() {
  const jobs = queue("repeat");
  const counts = [];
  jobs.process(async ({ opts }) => counts.push(opts.repeat.count));
  await jobs.add({}, { repeat: { every: 100, limit: 4 } });
  await eventually(() => equal(counts.length, 4));
  equal(counts, [1, 2, 3, 4]);
  await eventually(async () => equal(await jobs.getJobCounts(), { ...nothingLeft, completed: 4 }));
  equal(await jobs.getRepeatableCount(), 1);
  const [{ key }] = await jobs.getRepeatableJobs();
  await jobs.removeRepeatableByKey(key);
  equal(await jobs.getRepeatableCount(), 0);
}

/** No more jobs than allowed begin in the time given, and those that have to wait are all done. */
async function rateLimit() {
  const jobs = queue("limited", { limiter: { max: 5, duration: 300 } });
  const did = [];
  const start = Date.now();
  jobs.process(async ({ data }) => did.push(data.number));
  await results(await jobs.addBulk(numbers(15).map((number) => ({ data: { number } }))));
  between(Date.now() - start, 2 * 300, Infinity, "the time for 15 jobs, 5 in 300 ms");
  equal(did.sort((a, b) => a - b), numbers(15));
}

/** A job whose worker was killed is given to another one. */
async function deadWorker() {
  const settings = { lockDuration: 300, stalledInterval: 200 };
  const jobs = queue("dead worker", { settings });
  const job = await jobs.add({ task: "slow" });
  const environment = { HOST: host, PORT: port, PASSWORD: password, SETTINGS: JSON.stringify(settings) };
  const victim = fork(new URL("bull_victim.mjs", import.meta.url), {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const [message] = await once(victim, "message");
  equal(message, "begun");
  victim.kill("SIGKILL");
  await once(victim, "exit");
  equal(await jobs.getJobCounts(), { ...nothingLeft, active: 1, completed: 0 });

  let times = 0;
  jobs.process(async ({ data }) => {
    times += 1;
    return `${data.task} job done`;
  });
  equal(await job.finished(), "slow job done");
  equal(times, 1);
}

await Promise.all([manyWorkers(), order(), delay(), retry(), repeat(), rateLimit(), deadWorker()]);
await Promise.all(open.map((queue) => queue.close()));
done();
