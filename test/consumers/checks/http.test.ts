import assert from "node:assert/strict";
import * as path from "node:path";
import type { RequestListener } from "node:http";
import { createHttpCheck, httpCheckOptions, type HttpCheckOptions } from "../../../provider/checks/http";
import { ConfigurationError } from "../../../provider/lifecycle/errors";
import {
  makeContext,
  makeFolder,
  noSignal,
  problems,
  removeFolder,
  selfSigned,
  Servers,
  targetOf,
  version,
} from "./support";

describe("http check", () => {
  const servers = new Servers();
  let folder: string;
  before(() => (folder = makeFolder()));
  afterEach(() => servers.closeAll());
  after(() => removeFolder(folder));

  const target = targetOf(version("db", 7, { password: "s3cret-password" }));

  function probe(options: Omit<HttpCheckOptions, "type">, signal = noSignal()) {
    const parsed = httpCheckOptions.parse({ type: "http", timeout: "2s", ...options });
    return createHttpCheck(parsed, makeContext()).probe(target, signal);
  }

  async function probeServer(listener: RequestListener, options: Partial<HttpCheckOptions> = {}) {
    const server = await servers.http(listener);
    return probe({ url: `${server.url}/healthz?token=hidden`, ...options });
  }

  it("is healthy for a status from 200 to 299 and shows the address without its query", async () => {
    const health = await probeServer((_request, response) => response.writeHead(204).end());
    assert.equal(health.healthy, true);
    assert.match(health.detail, /GET http:\/\/127\.0\.0\.1:\d+\/healthz: answered 204/);
    assert.doesNotMatch(health.detail, /hidden/);
  });

  it("is unhealthy for another status, and names what was expected", async () => {
    const health = await probeServer((_request, response) => response.writeHead(503).end());
    assert.deepEqual([health.healthy, /answered 503; expected 200 to 299/.test(health.detail)], [false, true]);
  });

  it("takes one status or a list", async () => {
    const teapot: RequestListener = (_request, response) => response.writeHead(418).end();
    assert.equal((await probeServer(teapot, { expectStatus: 418 })).healthy, true);
    assert.equal((await probeServer(teapot, { expectStatus: [200, 418] })).healthy, true);
    assert.equal((await probeServer(teapot, { expectStatus: [200, 201] })).healthy, false);
  });

  it("does not follow a redirect", async () => {
    let asked = 0;
    const health = await probeServer((_request, response) => {
      asked += 1;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    assert.equal(health.healthy, false);
    assert.match(health.detail, /answered 302, a redirect, which is not followed/);
    assert.equal(asked, 1);
  });

  it("is unhealthy for a wrong body, without showing the body", async () => {
    const health = await probeServer((_request, response) => response.end("db password is hunter2"), {
      expectBody: "all well",
    });
    assert.equal(health.healthy, false);
    assert.match(health.detail, /does not contain "all well"/);
    assert.doesNotMatch(health.detail, /hunter2/);
  });

  it("reads a body of 64 KB and no more", async () => {
    const long: RequestListener = (_request, response) => {
      response.write(`early${"x".repeat(100_000)}`);
      response.end("late");
    };
    assert.equal((await probeServer(long, { expectBody: "early" })).healthy, true);
    const late = await probeServer(long, { expectBody: "late" });
    assert.deepEqual([late.healthy, /first 64 KB/.test(late.detail)], [false, true]);
  });

  it("stops reading a body that never ends", async () => {
    const endless: RequestListener = (_request, response) => {
      const more = setInterval(() => response.write("y".repeat(20_000)), 5);
      response.on("close", () => clearInterval(more));
    };
    assert.equal((await probeServer(endless, { expectBody: "yyy" })).healthy, true);
  });

  it("compares a value in a JSON body", async () => {
    const json: RequestListener = (_request, response) =>
      response.end(JSON.stringify({ checks: [{ status: "degraded" }], leak: "s3cret-password" }));
    const right = await probeServer(json, { expectJson: { path: "checks.0", equals: { status: "degraded" } } });
    assert.equal(right.healthy, true);
    const wrong = await probeServer(json, { expectJson: { path: "checks.0.status", equals: "ok" } });
    assert.match(wrong.detail, /"checks\.0\.status" is "degraded"; expected "ok"/);
    const absent = await probeServer(json, { expectJson: { path: "constructor.name", equals: "ok" } });
    assert.match(absent.detail, /"constructor\.name" is absent/);
    const leak = await probeServer(json, { expectJson: { path: "leak", equals: "ok" } });
    assert.match(leak.detail, /is "\*\*\*"/);
  });

  it("is unhealthy where JSON is expected and something else comes", async () => {
    const health = await probeServer((_request, response) => response.end("<html>"), {
      expectJson: { path: "a", equals: 1 },
    });
    assert.match(health.detail, /its body is not JSON/);
  });

  it("sends method and headers, with secrets from their source", async () => {
    let seen = "";
    await probeServer(
      (request, response) => {
        seen = `${request.method} ${request.headers.authorization} ${String(request.headers["x-plain"])}`;
        response.end();
      },
      { method: "POST", headers: { authorization: { from: "env", name: "TOKEN" }, "x-plain": "1" } },
    );
    assert.equal(seen, "POST resolved-from-env 1");
  });

  it("refuses a header that cannot be sent, without its value", async () => {
    await assert.rejects(probe({ url: "http://127.0.0.1:9/", headers: { "x-token": "private\nvalue" } }), (error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /"x-token"/);
      assert.doesNotMatch(error.message, /private/);
      return true;
    });
  });

  it("is unhealthy when the connection is refused", async () => {
    const { url } = await servers.refusing();
    const health = await probe({ url });
    assert.equal(health.healthy, false);
    assert.match(health.detail, /connection refused \(ECONNREFUSED\)/);
  });

  it("is unhealthy when the answer is slower than the timeout", async () => {
    const health = await probeServer(
      (_request, response) => {
        response.write("begun");
        setTimeout(() => response.end(), 5000).unref();
      },
      { timeout: "150ms" },
    );
    assert.equal(health.healthy, false);
    assert.match(health.detail, /no complete answer within 150 ms/);
  });

  for (const [what, port] of [["answers", "http"] as const, ["shakes hands", "https"] as const]) {
    it(`ends in time when the peer accepts and never ${what}`, async () => {
      const server = await servers.tcp(() => undefined);
      const startedAt = Date.now();
      const health = await probe({ url: `${port}://127.0.0.1:${server.port}/`, timeout: "150ms" });
      assert.equal(health.healthy, false);
      assert.ok(Date.now() - startedAt < 1500);
    });
  }

  it("is unhealthy when the peer hangs up or does not speak HTTP", async () => {
    const silent = await servers.tcp((socket) => socket.once("data", () => socket.destroy()));
    assert.match((await probe({ url: `http://127.0.0.1:${silent.port}/` })).detail, /closed without an answer/);
    const other = await servers.tcp((socket) => socket.end("220 mail ready\r\n"));
    assert.match((await probe({ url: `http://127.0.0.1:${other.port}/` })).detail, /not HTTP/);
    const upgrade = await servers.tcp((socket) => {
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    });
    assert.equal((await probe({ url: `http://127.0.0.1:${upgrade.port}/` })).healthy, false);
  });

  it("ends at once when the run is cancelled", async () => {
    const server = await servers.tcp(() => undefined);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    const startedAt = Date.now();
    const health = await probe({ url: `http://127.0.0.1:${server.port}/`, timeout: "10s" }, abort.signal);
    assert.equal(health.healthy, false);
    assert.ok(Date.now() - startedAt < 1500);
  });

  it("refuses a self-signed certificate, and accepts it by caFile", async function () {
    const certificate = selfSigned(folder);
    const other = selfSigned(folder, "other");
    if (!certificate || !other) return this.skip();
    const { url } = await servers.https((_request, response) => response.end("ok"), certificate);
    const refused = await probe({ url });
    assert.equal(refused.healthy, false);
    assert.match(refused.detail, /certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\); name its authority/);
    assert.equal((await probe({ url, caFile: certificate.file })).healthy, true);
    assert.equal((await probe({ url, caFile: other.file })).healthy, false);
  });

  it("refuses a certificate for another host name", async function () {
    const certificate = selfSigned(folder);
    if (!certificate) return this.skip();
    const server = await servers.https((_request, response) => response.end("ok"), certificate);
    const health = await probe({ url: `https://localhost:${server.port}/`, caFile: certificate.file });
    assert.match(health.detail, /certificate is for another host name/);
  });

  it("throws for a caFile that cannot be read or holds no certificate", async () => {
    const url = "https://127.0.0.1:9/";
    await assert.rejects(probe({ url, caFile: path.join(folder, "absent.pem") }), ConfigurationError);
    await assert.rejects(
      probe({ url, caFile: __filename.replace("http.test", "support") }),
      /holds no PEM certificate/,
    );
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const refuse = (options: object) => problems(httpCheckOptions.safeParse({ type: "http", ...options }));
    const url = "https://app.internal/";
    assert.match(refuse({ url, colour: "red" }), /no option "colour"; allowed are: type, name, interval/);
    assert.match(refuse({ url: "app.internal" }), /must be a whole address that starts with http/);
    assert.match(refuse({ url: "https://joe:hunter2@app.internal/" }), /must not contain a user name or password/);
    assert.doesNotMatch(refuse({ url: "https://joe:hunter2@app.internal/" }), /hunter2/);
    assert.match(refuse({ url, interval: "5 parsecs" }), /interval must be a duration .* it is "5 parsecs"/);
    assert.match(refuse({ url, timeout: "0s" }), /timeout must be a duration/);
    assert.match(refuse({ url, failureThreshold: 0 }), /whole number from 1 to 1000; it is 0/);
    assert.match(refuse({ url, method: "BREW" }), /GET, HEAD, POST or OPTIONS; it is "BREW"/);
    assert.match(refuse({ url, method: "HEAD", expectBody: "x" }), /HEAD has no body/);
    assert.match(refuse({ url: "http://a/", caFile: "/ca.pem" }), /caFile has no effect/);
    assert.match(refuse({ url, expectStatus: [] }), /expectStatus must be a status/);
    assert.match(refuse({ url, headers: { a: { from: "moon" } } }), /a header must be a text or a source/);
    assert.match(refuse({}), /url must be a text .* it is missing/);
  });

  it("has the documented defaults", () => {
    const check = createHttpCheck({ type: "http", url: "https://app.internal/healthz?x=1" }, makeContext());
    assert.equal(check.name, "http GET https://app.internal/healthz");
    assert.deepEqual(check.schedule, {
      intervalMs: 1000,
      timeoutMs: 5000,
      failureThreshold: 3,
      bakeMs: 0,
      withinMs: 0,
    });
    assert.deepEqual([check.canary, check.isEvidence], [false, false]);
  });
});
