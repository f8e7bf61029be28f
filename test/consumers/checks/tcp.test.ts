import assert from "node:assert/strict";
import { createTcpCheck, tcpCheckOptions, type TcpCheckOptions } from "../../../provider/checks/tcp";
import { makeContext, makeFolder, noSignal, problems, removeFolder, selfSigned, Servers, targetOf } from "./support";

describe("tcp check", () => {
  const servers = new Servers();
  let folder: string;
  before(() => (folder = makeFolder()));
  afterEach(() => servers.closeAll());
  after(() => removeFolder(folder));

  function probe(options: Partial<TcpCheckOptions> & { port: number }, signal = noSignal()) {
    const parsed = tcpCheckOptions.parse({ type: "tcp", host: "127.0.0.1", timeout: "2s", ...options });
    return createTcpCheck(parsed, makeContext()).probe(targetOf(), signal);
  }

  it("is healthy when the connection is accepted", async () => {
    const { port } = await servers.tcp(() => undefined);
    assert.deepEqual(await probe({ port }), { healthy: true, detail: `TCP 127.0.0.1:${port}: connected` });
  });

  it("is unhealthy when the connection is refused", async () => {
    const { port } = await servers.refusing();
    const health = await probe({ port });
    assert.deepEqual([health.healthy, /connection refused/.test(health.detail)], [false, true]);
  });

  it("follows a server that comes and goes", async () => {
    const server = await servers.tcp(() => undefined);
    assert.equal((await probe({ port: server.port })).healthy, true);
    await server.close();
    assert.equal((await probe({ port: server.port })).healthy, false);
  });

  it("refuses a self-signed certificate, and accepts it by caFile", async function () {
    const certificate = selfSigned(folder);
    if (!certificate) return this.skip();
    const { port } = await servers.https(() => undefined, certificate);
    assert.match((await probe({ port, tls: true })).detail, /certificate is not trusted/);
    assert.equal((await probe({ port, tls: true, caFile: certificate.file })).healthy, true);
    const otherName = await probe({ port, host: "localhost", tls: true, caFile: certificate.file });
    assert.match(otherName.detail, /certificate is for another host name/);
  });

  it("ends in time when the peer accepts and never shakes hands", async () => {
    const { port } = await servers.tcp(() => undefined);
    const startedAt = Date.now();
    const health = await probe({ port, tls: true, timeout: "150ms" });
    assert.match(health.detail, /no TLS connection within 150 ms/);
    assert.ok(Date.now() - startedAt < 1500);
  });

  it("is unhealthy when the peer hangs up in the handshake or does not speak TLS", async () => {
    const hangsUp = await servers.tcp((socket) => socket.destroy());
    assert.equal((await probe({ port: hangsUp.port, tls: true })).healthy, false);
    const plain = await servers.tcp((socket) => socket.end("hello, this is no TLS\n"));
    assert.match((await probe({ port: plain.port, tls: true })).detail, /TLS handshake failed/);
  });

  it("ends at once when the run is cancelled", async () => {
    const { port } = await servers.tcp(() => undefined);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    const startedAt = Date.now();
    assert.equal((await probe({ port, tls: true, timeout: "10s" }, abort.signal)).healthy, false);
    assert.ok(Date.now() - startedAt < 1500);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const refuse = (options: object) => problems(tcpCheckOptions.safeParse({ type: "tcp", ...options }));
    assert.match(refuse({ host: "a", port: 0 }), /port must be a whole number from 1 to 65535; it is 0/);
    assert.match(refuse({ host: "", port: 1 }), /host must be a text of 1 to 253 characters; it is empty/);
    assert.match(refuse({ host: "a", port: 1, caFile: "/ca.pem" }), /no effect without "tls": true/);
    assert.match(refuse({ host: "a", port: 1, tls: "yes" }), /tls must be true or false; it is "yes"/);
  });
});
