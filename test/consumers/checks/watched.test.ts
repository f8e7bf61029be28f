/** Each check under the watch of a rollout, with a real peer that is not well: it has to fail, and to say why. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import type * as http from "node:http";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { adoptionCheckOptions, createAdoptionCheck } from "../../../provider/checks/adoption";
import { commandCheckOptions, createCommandCheck } from "../../../provider/checks/command";
import { createHttpCheck, httpCheckOptions } from "../../../provider/checks/http";
import { sqlCheckOptions } from "../../../provider/checks/sql";
import { createTcpCheck, tcpCheckOptions } from "../../../provider/checks/tcp";
import { createTlsCheck, tlsCheckOptions } from "../../../provider/checks/tls";
import type { HealthCheck } from "../../../provider/contracts/check";
import { takeBaselines, watchHealth, type HealthReport } from "../../../provider/rotation/health";
import { selfSigned } from "../../support/selfSigned";
import { makeContext, makeFolder, noSignal, problems, removeFolder, Servers, targetOf, version } from "./support";

/** Quick, so that a test does not take long; what is asked is real. */
const QUICK = { interval: "20ms", timeout: "500ms", failureThreshold: 3 };

describe("checks that are watched", () => {
  const servers = new Servers();
  let folder: string;
  before(() => (folder = makeFolder()));
  afterEach(() => servers.closeAll());
  after(() => removeFolder(folder));

  const target = targetOf(version("orders-db", 7));
  const context = makeContext();
  const { clock, log } = context;

  async function watch(check: HealthCheck, baselines = {}): Promise<HealthReport> {
    const [report] = await watchHealth({ checks: [check], target, clock, log, signal: noSignal(), baselines });
    return report ?? assert.fail("there is no report");
  }

  async function fails(check: HealthCheck, why: RegExp, baselines = {}): Promise<void> {
    const report = await watch(check, baselines);
    assert.deepEqual([report.healthy, report.failedAt === undefined], [false, false], report.lastDetail);
    assert.match(report.lastDetail, why);
  }

  /** What the check says before the rotation, as a rollout would record it. */
  async function saidBefore(check: HealthCheck) {
    const seen = await takeBaselines({ checks: [check], target, clock, log, signal: noSignal() });
    return Object.fromEntries(
      seen.map(({ name, healthy, value }) => [name, { healthy, ...(value === undefined ? {} : { value }) }]),
    );
  }

  const httpCheck = (url: string, more: object = {}) =>
    createHttpCheck(httpCheckOptions.parse({ type: "http", ...QUICK, url, ...more }), context);

  /** An app that answers what it is told to, the n-th question by the n-th answer. */
  async function app(answer: (question: number, response: http.ServerResponse) => unknown): Promise<string> {
    let questions = 0;
    const { url } = await servers.http((_request, response) => void answer(++questions, response));
    return url;
  }

  const status = (code: number) => (_question: number, response: http.ServerResponse) => {
    response.statusCode = code;
    response.end("up");
  };

  it("http fails for a wrong body", async () => {
    await fails(
      httpCheck(await app(status(200)), { expectBody: "ready" }),
      /its body of 2 bytes does not contain "ready"/,
    );
  });

  it("http fails when the app is slower than its timeout", async () => {
    const slow = await app((_question, response) => setTimeout(() => response.end("up"), 400));
    await fails(httpCheck(slow, { timeout: "100ms", failureThreshold: 2 }), /within 100 ms/);
  });

  it("http fails when the app comes and goes", async () => {
    const flapping = await app((question, response) => status(question % 2 === 0 ? 503 : 200)(question, response));
    await fails(
      httpCheck(flapping, { bake: "200ms" }),
      /health came and went: \d+ of \d+ answers unhealthy.*answered 503/,
    );
    const twice = httpCheck(flapping, { successThreshold: 2 });
    await fails(twice, /answered 503/);
  });

  it("http does not fail where the app answered an error before, and fails where it answered none", async () => {
    const url = await app(status(503));
    const check = httpCheck(url, { baseline: "compare" });
    const report = await watch(check, await saidBefore(check));
    assert.deepEqual([report.healthy, report.unhealthyBefore, report.failedAt], [false, true, undefined]);
    await fails(check, /answered 503/, { [check.name]: { healthy: true } });
  });

  it("http fails when the app has become slower than is tolerated, though it answers as expected", async () => {
    let ms = 10;
    const url = await app((_question, response) => setTimeout(() => response.end("up"), ms));
    const check = httpCheck(url, { timeout: "5s", baseline: "compare", tolerance: { factor: 3, absolute: 300 } });
    const baselines = await saidBefore(check);
    const value = baselines[check.name]?.value ?? assert.fail("it measures");
    assert.ok(value >= 9, `${value} ms`);
    assert.equal((await watch(check, baselines)).healthy, true);
    ms = 1500;
    await fails(
      check,
      /answered 200 as expected; worse than before the rotation: 1[5-9]\d\d, was \d+, at most/,
      baselines,
    );
  }).timeout(30_000);

  it("tcp fails when nothing listens, and when it comes and goes", async () => {
    const { port } = await servers.refusing();
    const check = (more: object = {}) =>
      createTcpCheck(tcpCheckOptions.parse({ type: "tcp", ...QUICK, host: "127.0.0.1", port, ...more }), context);
    await fails(check(), /connection refused/);
    const coming = (async () => {
      for (let times = 0; times < 3; times++) {
        const server = await servers.httpAt(port, () => undefined);
        await sleep(60);
        await server.close();
        await sleep(60);
      }
    })();
    await fails(check({ bake: "150ms", failureThreshold: 1000 }), /health came and went/);
    await coming;
  });

  it("tls fails while half of the addresses serve the former certificate, and names them", async () => {
    const caFile = path.join(folder, "authorities.pem");
    const issue = (serialNumber: string) => {
      const { certificate, key } = selfSigned("orders.test", { serialNumber });
      fs.appendFileSync(caFile, certificate);
      return { cert: certificate, key };
    };
    const [former, fresh] = [issue("0a01"), issue("0a02")];
    const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
    const { port } = await servers.tls(fresh);
    for (const [index, address] of addresses.entries())
      if (index > 0) await servers.tls(index % 2 === 0 ? fresh : former, { port, address });
    const given = { type: "tls", ...QUICK, within: "0s", host: "orders.test", port, addresses, caFile };
    const check = createTlsCheck(tlsCheckOptions.parse({ ...given, serialNumber: "0a02", timeout: "5s" }), context);
    await fails(check, /2 of 4 addresses: 127\.0\.0\.2 serves another certificate.*; 127\.0\.0\.4 serves another/);
  });

  it("adoption fails for another version, and when the app does not say which in time", async () => {
    const check = (url: string, more: object = {}) =>
      createAdoptionCheck(
        adoptionCheckOptions.parse({ type: "adoption", ...QUICK, within: "0s", url, ...more }),
        context,
      );
    const former = await app((_question, response) => response.end('{ "fingerprint": "fp-orders-db-6" }'));
    await fails(check(former), /fp-orders-db-6/);
    const slow = await app(() => undefined);
    await fails(check(slow, { timeout: "100ms", failureThreshold: 2 }), /within 100 ms/);
  });

  it("command fails when its program does, is too slow, or comes and goes", async () => {
    const check = (code: string, more: object = {}) => {
      const command = [process.execPath, "-e", code];
      return createCommandCheck(
        commandCheckOptions.parse({ type: "command", ...QUICK, timeout: "10s", command, ...more }),
        context,
      );
    };
    await fails(check("process.exit(3)", { failureThreshold: 2 }), /ended with exit code 3/);
    await fails(check("setInterval(() => 0, 999)", { timeout: "100ms", failureThreshold: 1 }), /within 100 ms/);
    const file = JSON.stringify(path.join(folder, "turns"));
    const turns = `const fs = require("node:fs"); const was = fs.existsSync(${file});
      was ? fs.rmSync(${file}) : fs.writeFileSync(${file}, ""); process.exit(was ? 1 : 0)`;
    await fails(check(turns, { bake: "100ms" }), /health came and went/);
  }).timeout(60_000);

  it("have no baseline where their answer depends on the version", () => {
    const refused = (
      options: { safeParse(given: object): ReturnType<typeof httpCheckOptions.safeParse> },
      given: object,
    ) => problems(options.safeParse({ ...given, baseline: "compare" }));
    const url = "https://app.internal/adoption";
    assert.match(
      refused(adoptionCheckOptions as never, { type: "adoption", url }),
      /baseline must be left out: no consumer has adopted/,
    );
    assert.match(
      refused(tlsCheckOptions as never, { type: "tls", host: "a", port: 1 }),
      /baseline must be left out: no consumer serves/,
    );
    assert.match(
      refused(sqlCheckOptions as never, { type: "sql", query: "select 1" }),
      /baseline must be left out: it asks as the new version/,
    );
    assert.match(
      refused(tcpCheckOptions as never, { type: "tcp", host: "a", port: 1, tolerance: { factor: 2 } }),
      /no option "tolerance"/,
    );
    assert.equal(refused(commandCheckOptions as never, { type: "command", command: ["true"] }), "");
  });
});
