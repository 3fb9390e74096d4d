// What the scripts beside this one share: how they are called, and how they ask for a restart of the server.
//
// A script is called with host, port and password. Where it wants the server killed and started again it prints a line, and goes
// on when it gets one.
import { deepStrictEqual } from "node:assert";
import { createInterface } from "node:readline";

export const host = process.argv[2];
export const port = Number(process.argv[3]);
export const password = process.argv[4];

const answers = createInterface({ input: process.stdin });

/** Resolves when the server was killed and started again, empty. */
export async function restartServer() {
  const answer = new Promise((resolve) => answers.once("line", resolve));
  console.log("RESTART");
  await answer;
}

/** Ends the script unless both are the same. */
export const equal = deepStrictEqual;

/** Ends the script unless `low <= got <= high`. */
export function between(got, low, high, what) {
  if (!(low <= got && got <= high)) throw new Error(`${what} is ${got}, not in ${low}..${high}`);
}

/** Ends the script unless the server answers with this error. */
export async function fails(command, message) {
  const answer = await command.then((got) => `no error but ${got}`, (error) => error.message);
  equal(answer, message);
}

/** The result of the first attempt that succeeds: a command that was on its way when the connection broke is an error. */
export async function eventually(attempt) {
  for (const deadline = Date.now() + 20_000; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ends the script when it has not ended by itself after these milliseconds: what it waits for will not come. */
export function giveUpAfter(milliseconds) {
  setTimeout(() => {
    console.error(`nothing more has happened after ${milliseconds} ms`);
    process.exit(1);
  }, milliseconds).unref();
}

/** No more restarts: the process may end. */
export function done() {
  answers.close();
}
