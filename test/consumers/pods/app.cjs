// The application in a pod: mounts its Secret, queries PostgreSQL with it all the time, and reports how that went.
const { readFileSync, writeFileSync } = require("node:fs");
const { request } = require("node:http");
const { setTimeout: delay } = require("node:timers/promises");
const { Pool } = require("pg");

const { POD, COLLECTOR, QUERY } = process.env;
const field = (name) => readFileSync(`/secret/${name}`, "utf8");
const seen = { pod: POD, user: field("username"), ready: false, queries: 0, failed: 0, last: "" };
let stopping = false;

function report() {
  return new Promise((resolve) => {
    const sent = request(`${COLLECTOR}/`, { method: "POST" }, (answer) => answer.resume().on("end", resolve));
    sent.on("error", resolve);
    sent.end(JSON.stringify(seen));
  });
}

async function main() {
  const pool = new Pool({ connectionString: field("url"), max: 2, idleTimeoutMillis: 200 });
  pool.on("error", () => undefined);
  for (let round = 0; !stopping; round++) {
    try {
      // Every few rounds by a connection of its own, as one that was scaled up would make it.
      if (round % 10 === 0) {
        const client = await pool.connect();
        await client.query(QUERY);
        client.release(true);
      } else await pool.query(QUERY);
      seen.queries++;
    } catch (error) {
      seen.failed++;
      seen.last = `${error.code}: ${error.message}`;
      await report();
      // Like most applications, it does not start without its database.
      if (!seen.ready) process.exit(1);
    }
    if (!seen.ready && seen.queries > 0) {
      seen.ready = true;
      writeFileSync("/tmp/ready", "");
      await report();
    }
    if (round % 5 === 0) await report();
    await delay(20);
  }
  await pool.end();
  await report();
}

process.on("SIGTERM", () => (stopping = true));
main().then(() => process.exit(0));
