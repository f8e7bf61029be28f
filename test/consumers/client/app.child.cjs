// An application with the built client: it logs in for each request, and makes requests of its own all the time.
//
// Arguments: the delivered file, and how it reads it. `file`: watched. `verify`: as well, and a new version has to do the
// real work before it is taken. `function`: as in a function of a cloud, with nothing that tells of a change; only a
// refused log-in makes it read again.
"use strict";
const { readFileSync } = require("node:fs");
const { createServer } = require("node:http");
const { Client } = require("pg");
const { adoptionHandler, fromFile, fromFunction, openSecret } = require("pulumi-rotating-secrets/client");

const [file, how] = process.argv.slice(2);
const NAME = "orders-db";
const HOUR = 3_600_000;
const failures = [];
const roles = new Set();
let served = 0;
let refused = 0;

async function work(value) {
  const client = new Client({ connectionString: value.url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query(
      "SELECT orders.n + stock.n AS n, session_user AS role FROM orders CROSS JOIN stock",
    );
    return rows[0];
  } finally {
    await client.end().catch(() => undefined);
  }
}

const isAuthenticationFailure = ({ code }) => {
  const is = code === "28P01" || code === "28000";
  if (is) refused++;
  return is;
};

const secret =
  how === "function"
    ? openSecret({
        source: fromFunction(async () => JSON.parse(readFileSync(file, "utf8")).secrets[NAME], {
          versionOf: ({ version, fingerprint }) => ({ name: NAME, version, fingerprint }),
        }),
        maxAge: HOUR,
        isAuthenticationFailure,
      })
    : openSecret({
        source: fromFile(file),
        name: NAME,
        isAuthenticationFailure,
        ...(how === "verify" ? { verify: work } : {}),
      });
const request = () => secret.withSecret((value) => work(how === "function" ? value.value : value));

const adoption = adoptionHandler(secret);
const server = createServer((asked, response) => {
  if (asked.url === "/adoption") return adoption(asked, response);
  if (asked.url === "/report") return response.end(JSON.stringify({ served, failures, roles: [...roles], refused }));
  request().then(
    () => response.end("ok"),
    (error) => response.writeHead(503).end(error.message),
  );
});
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
// Whoever started it is gone.
process.on("disconnect", () => process.exit(0));

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const works = () =>
  request().then(
    () => true,
    () => false,
  );

process.on("message", async () => {
  // Nothing counts before the first version was delivered.
  while (!(await works())) await pause(50);
  while (true) {
    try {
      roles.add((await request()).role);
      served++;
    } catch (error) {
      failures.push(`${new Date().toISOString()} ${error.code ?? error.name}: ${error.message}`);
    }
    await pause(10);
  }
});
