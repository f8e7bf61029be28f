import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { IncomingHttpHeaders, RequestListener } from "node:http";
import {
  createHttpHookConsumer,
  httpHookConsumerOptions,
  type HttpHookConsumerOptions,
} from "../../../provider/consumers/httpHook";
import { ConfigurationError, ConsumerError } from "../../../provider/lifecycle/errors";
import {
  makeContext,
  makeFolder,
  problems,
  removeFolder,
  selfSigned,
  Servers,
  targetOf,
  version,
  type TestContext,
} from "../checks/support";
import { rejection, verifyAsDocumented } from "./support";

const KEY = "0123456789abcdef0123456789abcdef";
const FORMER_KEY = `whsec_${Buffer.from("the-former-key-of-32-bytes-long!").toString("base64")}`;

interface Received {
  readonly method: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe("httpHook consumer", () => {
  const servers = new Servers();
  const v7 = targetOf(version("db", 7, { username: "orders_v7", password: "s3cret-password" }), version("mail", 2));
  const v8 = targetOf(version("db", 8, { username: "orders_v8", password: "an0ther-password" }));
  let context: TestContext;
  let received: Received[];

  beforeEach(() => {
    received = [];
    const plain = makeContext();
    const keys: Record<string, string> = { KEY, FORMER_KEY, SHORT: "s3cret-password", BAD: "whsec_*s3cret-password*" };
    context = {
      ...plain,
      resolveSecret: (source) => Promise.resolve((source.from === "env" && keys[source.name]) || `from-${source.from}`),
    };
  });
  afterEach(() => servers.closeAll());

  /** A workload that keeps what it is told; `answers`: the status of each call, the last one for all after it. */
  function workload(...answers: number[]): RequestListener {
    return (request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (chunk: string) => (body += chunk));
      request.on("end", () => {
        received.push({ method: request.method, headers: request.headers, body });
        response.writeHead(answers[Math.min(received.length, answers.length) - 1] ?? 200);
        response.end("the password is s3cret-password");
      });
    };
  }

  function hook(options: Partial<HttpHookConsumerOptions> & { url: string }, within = context) {
    const parsed = httpHookConsumerOptions.parse({
      type: "httpHook",
      name: "orders",
      signingKey: { from: "env", name: "KEY" },
      interval: "50ms",
      ...options,
    });
    return createHttpHookConsumer(parsed, within);
  }

  it("tells name, version and fingerprint of each secret, and never a value", async () => {
    const { url } = await servers.http(workload());
    await hook({ url: `${url}/reload` }).roll(v7);
    const [call] = received;
    assert.equal(received.length, 1);
    assert.equal(call?.method, "POST");
    assert.equal(call.headers["content-type"], "application/json");
    assert.deepEqual(JSON.parse(call.body), {
      secrets: [
        { name: "db", version: 7, fingerprint: "fp-db-7" },
        { name: "mail", version: 2, fingerprint: "fp-mail-2" },
      ],
    });
    assert.doesNotMatch(JSON.stringify(call), /s3cret|orders_v7|0123456789abcdef/);
  });

  it("signs each call so that a receiver that does as documented accepts it, and nothing that was changed", async () => {
    const { url } = await servers.http(workload());
    await hook({ url }).roll(v7);
    const { headers, body } = received[0]!;
    assert.equal(verifyAsDocumented(headers, body, KEY), true);
    assert.equal(verifyAsDocumented(headers, body.replace("7", "6"), KEY), false);
    assert.equal(verifyAsDocumented({ ...headers, "webhook-id": "msg_other" }, body, KEY), false);
    assert.equal(verifyAsDocumented(headers, body, `${KEY}.`), false);
    const old = String(Number(headers["webhook-timestamp"]) - 301);
    const signature = createHmac("sha256", KEY).update(`${String(headers["webhook-id"])}.${old}.${body}`);
    const replayed = { "webhook-timestamp": old, "webhook-signature": `v1,${signature.digest("base64")}` };
    assert.equal(verifyAsDocumented({ ...headers, ...replayed }, body, KEY), false);
  });

  it("signs with both keys while the key is exchanged, whichever way they are written", async () => {
    const { url } = await servers.http(workload());
    await hook({ url, formerSigningKey: { from: "env", name: "FORMER_KEY" } }).roll(v7);
    const { headers, body } = received[0]!;
    assert.equal(verifyAsDocumented(headers, body, KEY), true);
    assert.equal(verifyAsDocumented(headers, body, FORMER_KEY), true);
  });

  it("refuses a key that is too short or unreadable, without calling anybody or showing it", async () => {
    const { url } = await servers.http(workload());
    for (const [name, wanted] of [
      ["SHORT", /signingKey has 15 bytes; wanted are 24 bytes or more/],
      ["BAD", /signingKey is no base64 after whsec_/],
    ] as const) {
      const error = await rejection(hook({ url, signingKey: { from: "env", name } }).roll(v7), ConfigurationError);
      assert.match(error.message, wanted);
    }
    assert.equal(received.length, 0);
  });

  it("sends further headers, of which none takes the place of its own", async () => {
    const { url } = await servers.http(workload());
    const headers = { "X-Team": "orders", Authorization: { from: "file", path: "t" }, "Webhook-Signature": "v1,x" };
    await hook({ url, headers } as never).roll(v7);
    assert.equal(received[0]?.headers["x-team"], "orders");
    assert.equal(received[0].headers.authorization, "from-file");
    assert.equal(verifyAsDocumented(received[0].headers, received[0].body, KEY), true);
  });

  it("calls again while the workload is busy, with the same id and a signature of its own", async () => {
    const { url } = await servers.http(workload(503, 429, 204));
    await hook({ url }).roll(v7);
    assert.equal(received.length, 3);
    assert.equal(new Set(received.map(({ headers }) => headers["webhook-id"])).size, 1);
    for (const { headers, body } of received) assert.equal(verifyAsDocumented(headers, body, KEY), true);
  });

  it("uses another id for each roll", async () => {
    const { url } = await servers.http(workload());
    const orders = hook({ url });
    await orders.roll(v7);
    await orders.roll(v8);
    await orders.roll(v7);
    assert.equal(new Set(received.map(({ headers }) => headers["webhook-id"])).size, 3);
  });

  it("waits as long as the workload asks", async () => {
    const waits: number[] = [];
    const clock = { now: () => 1_800_000_000_000, sleep: (ms: number) => (waits.push(ms), Promise.resolve()) };
    const { url } = await servers.http((_request, response) => {
      const after = ["7", "Fri, 15 Jan 2027 08:00:20 GMT", "86400"][waits.length];
      response.writeHead(after === undefined ? 200 : 503, after === undefined ? {} : { "retry-after": after }).end();
    });
    await hook({ url }, { ...context, clock }).roll(v7);
    assert.deepEqual(waits, [7000, 20_000, 60_000]);
  });

  it("calls again when nothing listens yet", async () => {
    const { port, url } = await servers.refusing();
    let waits = 0;
    const clock = {
      ...context.clock,
      sleep: async () => {
        if (++waits === 2) await servers.httpAt(port, workload());
      },
    };
    await hook({ url }, { ...context, clock }).roll(v7);
    assert.equal(received.length, 1);
  });

  it("does not repeat what was answered, and says the status without what the answer says", async () => {
    for (const status of [302, 400, 401, 404, 500]) {
      received = [];
      const { url } = await servers.http(workload(status));
      const error = await rejection(hook({ url: `${url}/reload?token=hidden-token` }).roll(v7), ConsumerError);
      assert.match(error.message, new RegExp(`v7 of "db".*answered ${status}.*expected 200 to 299`));
      assert.doesNotMatch(error.message, /hidden-token/);
      assert.equal(received.length, 1, `status ${status}`);
    }
  });

  it("takes the statuses that it was told for success, and no other", async () => {
    const { url } = await servers.http(workload(202, 200));
    await hook({ url, expectStatus: 202 }).roll(v7);
    await rejection(hook({ url, expectStatus: [202, 204] }).roll(v7), ConsumerError);
  });

  it("gives up after its attempts, whether refused, cut off or too slow", async () => {
    const refusing = await servers.refusing();
    const cutsOff = await servers.http((request) => request.socket.destroy());
    const slow = await servers.http(() => undefined);
    for (const [url, wanted] of [
      [refusing.url, /connection refused/],
      [cutsOff.url, /closed without an answer/],
      [slow.url, /no complete answer within 100 ms/],
    ] as const) {
      const error = await rejection(hook({ url, attempts: 2, timeout: "100ms" }).roll(v7), ConsumerError);
      assert.match(error.message, wanted);
      assert.match(error.message, /at the last of 2 attempts/);
    }
  });

  it("verifies the certificate, and does not repeat what waiting does not mend", async function () {
    const folder = makeFolder();
    try {
      const certificate = selfSigned(folder);
      if (!certificate) return this.skip();
      const { url } = await servers.https(workload(), certificate);
      const error = await rejection(hook({ url }).roll(v7), ConsumerError);
      assert.match(error.message, /certificate is not trusted/);
      assert.doesNotMatch(error.message, /attempts/);
      await hook({ url, caFile: certificate.file }).roll(v7);
      assert.equal(received.length, 1);
    } finally {
      removeFolder(folder);
    }
  });

  it("ends at once when the run is cancelled, in a call and between two", async () => {
    const slow = await servers.http(() => undefined);
    const busy = await servers.http((_request, response) => response.writeHead(503, { "retry-after": "60" }).end());
    for (const { url } of [slow, busy]) {
      const abort = new AbortController();
      const startedAt = Date.now();
      setTimeout(() => abort.abort(new Error("cancelled by the test")), 60);
      const cancelled = { ...context, signal: abort.signal };
      await assert.rejects(hook({ url, timeout: "30s" }, cancelled).roll(v7), (error: Error) =>
        [error.name, error.message, String(error.cause)].some((text) => /cancelled by the test|AbortError/.test(text)),
      );
      assert.ok(Date.now() - startedAt < 2000);
    }
    const before = new AbortController();
    before.abort(new Error("cancelled before"));
    const { url } = await servers.http(workload());
    await assert.rejects(hook({ url }, { ...context, signal: before.signal }).roll(v7), /cancelled before/);
    assert.equal(received.length, 0);
  });

  it("is no evidence by itself, and adopted when its adoption address says so", async () => {
    let used = "fp-db-7";
    const app = await servers.http((request, response) => {
      if (request.method === "POST") setTimeout(() => (used = "fp-db-8"), 120);
      response.end(JSON.stringify({ fingerprints: [used] }));
    });
    const silent = hook({ url: app.url });
    assert.equal(silent.hasEvidence, false);
    assert.match((await silent.confirm(v8)).detail, /no evidence.*only told to reload/);
    const orders = hook({ url: app.url, adoption: { url: app.url }, adoptionTimeout: "5s" });
    assert.equal(orders.hasEvidence, true);
    await orders.roll(v8);
    assert.deepEqual(await orders.confirm(v8), { adopted: true, detail: 'uses v8 of "db" (fp-db-8)' });
    const impatient = hook({ url: app.url, adoption: { url: app.url }, adoptionTimeout: "150ms" });
    const stale = await impatient.confirm(v7);
    assert.equal(stale.adopted, false);
    assert.match(stale.detail, /not within 150 ms: .*fp-db-8/);
  });

  it("does nothing but in a roll", async () => {
    const { url } = await servers.http(workload());
    await hook({ url }).confirm(v7);
    assert.equal(received.length, 0);
  });

  it("is pinned only where it says so", () => {
    const { pinned, wave, readersCacheMs } = hook({ url: "http://app/" });
    assert.deepEqual({ pinned, wave, readersCacheMs }, { pinned: false, wave: 0, readersCacheMs: 0 });
    const other = hook({ url: "http://app/", pinned: true, wave: 2, readersCache: "5m" });
    assert.deepEqual([other.pinned, other.wave, other.readersCacheMs], [true, 2, 300_000]);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const good = { type: "httpHook", name: "orders", url: "http://app/", signingKey: { from: "env", name: "K" } };
    const refuse = (options: object) => problems(httpHookConsumerOptions.safeParse({ ...good, ...options }));
    assert.equal(refuse({}), "");
    assert.match(refuse({ signingKey: "s3cret-password" }), /signingKey must say where it is found, never what it is/);
    assert.doesNotMatch(refuse({ signingKey: "s3cret-password" }), /s3cret/);
    assert.match(refuse({ signingKey: undefined }), /signingKey must say where it is found/);
    assert.match(refuse({ url: "http://user:s3cret@app/" }), /must not contain a user name or password/);
    assert.match(refuse({ attempts: 0 }), /attempts must be a whole number from 1 to 20; it is 0/);
    assert.match(refuse({ timeout: "10" }), /timeout must be a duration/);
    assert.match(refuse({ caFile: "/ca.pem" }), /caFile has no effect on an http:\/\/ address/);
    assert.match(refuse({ method: "GET" }), /an httpHook consumer has no option "method"; allowed are: type, name/);
    assert.match(refuse({ pinned: "yes" }), /pinned must be true or false; it is "yes"/);
  });
});
