import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import * as fs from "node:fs";
import * as path from "node:path";
import {
  createTlsCheck,
  tlsCheckOptions,
  type FindAddresses,
  type TlsCheckOptions,
} from "../../../provider/checks/tls";
import type { RollTarget } from "../../../provider/contracts/consumer";
import { ConfigurationError } from "../../../provider/lifecycle/errors";
import { selfSigned, type CertificateDetails } from "../../support/selfSigned";
import { rejection } from "../told/support";
import { makeContext, makeFolder, noSignal, problems, removeFolder, Servers, targetOf, version } from "./support";

const NAME = "orders.test";
const HOUR = 3_600_000;

describe("tls check", () => {
  const servers = new Servers();
  let folder: string;
  let caFile: string;
  before(() => (folder = makeFolder()));
  beforeEach(() => {
    caFile = path.join(folder, "authorities.pem");
    fs.rmSync(caFile, { force: true });
  });
  afterEach(() => servers.closeAll());
  after(() => removeFolder(folder));

  /** A certificate that `caFile` trusts. */
  function issue(host = NAME, details: CertificateDetails = {}) {
    const { certificate, key } = selfSigned(host, details);
    fs.appendFileSync(caFile, certificate);
    return { cert: certificate, key };
  }

  function check(options: Partial<TlsCheckOptions> & { port: number }, find?: FindAddresses) {
    const given = { type: "tls", host: NAME, caFile, timeout: "2s", ...options };
    return createTlsCheck(tlsCheckOptions.parse(given), makeContext(), find);
  }

  const BOTH = ["127.0.0.1", "127.0.0.2"];

  async function probe(
    options: Partial<TlsCheckOptions> & { port: number },
    { target = targetOf(), signal = noSignal() }: { target?: RollTarget; signal?: AbortSignal } = {},
  ) {
    return check({ addresses: ["127.0.0.1"], ...options }).probe(target, signal);
  }

  async function unhealthy(options: Partial<TlsCheckOptions> & { port: number }, target = targetOf()) {
    const { healthy, detail } = await probe(options, { target });
    assert.equal(healthy, false, detail);
    return detail;
  }

  const issuedAs = (serialNumber: string, secret = "web") => ({ ...version(secret, 2), issued: { serialNumber } });

  /** Two replicas behind one name, at the same port. */
  async function replicas(first: ReturnType<typeof issue>, second: ReturnType<typeof issue>): Promise<number> {
    const { port } = await servers.tls(first);
    await servers.tls(second, { port, address: "127.0.0.2" });
    return port;
  }

  it("is healthy when every address serves a valid certificate for the name", async () => {
    const certificate = issue();
    const port = await replicas(certificate, certificate);
    assert.deepEqual(await probe({ port, addresses: BOTH }), {
      healthy: true,
      detail: `TLS orders.test:${port}: 2 of 2 addresses serve a valid certificate`,
    });
  });

  it("names the one address that still serves the former certificate, until it serves the new one", async () => {
    const former = issue(NAME, { serialNumber: "0a01" });
    const fresh = issue(NAME, { serialNumber: "0a02" });
    const { port } = await servers.tls(fresh);
    const stale = await servers.tls(former, { port, address: "127.0.0.2" });
    const target = targetOf(version("db", 7), issuedAs("0A:02"));
    assert.equal(
      await unhealthy({ port, addresses: BOTH }, target),
      `TLS orders.test:${port}: 1 of 2 addresses: 127.0.0.2 serves another certificate, with serial number a01; ` +
        `wanted is serial number a02`,
    );
    await stale.close();
    await servers.tls(fresh, { port, address: "127.0.0.2" });
    assert.deepEqual(await probe({ port, addresses: BOTH }, { target }), {
      healthy: true,
      detail: `TLS orders.test:${port}: 2 of 2 addresses serve a valid certificate with serial number a02`,
    });
  });

  it("asks every address that the name has, each once", async () => {
    const port = await replicas(issue(NAME, { serialNumber: "0b" }), issue(NAME, { serialNumber: "0c" }));
    const asked: string[] = [];
    const find: FindAddresses = (host) => {
      asked.push(host);
      return Promise.resolve([...BOTH, ...BOTH]);
    };
    const { detail } = await check({ port, serialNumber: "0B" }, find).probe(targetOf(), noSignal());
    assert.match(detail, /: 1 of 2 addresses: 127\.0\.0\.2 serves another certificate, with serial number c;/);
    assert.deepEqual(asked, [NAME]);
    const none = await check({ port }, () => Promise.resolve([])).probe(targetOf(), noSignal());
    assert.deepEqual(none, { healthy: false, detail: `TLS orders.test:${port}: the host name has no address` });
  });

  it("finds the addresses of a name as the machine does", async () => {
    const { port } = await servers.tls(issue("localhost"));
    const { detail } = await check({ port, host: "localhost" }).probe(targetOf(), noSignal());
    const addresses = new Set((await lookup("localhost", { all: true })).map(({ address }) => address));
    assert.ok(detail.includes(` of ${addresses.size} addresses`), detail);
    // Where the name leads to ::1 as well, nobody listens there.
    assert.doesNotMatch(detail, /127\.0\.0\.1 /);
    const unknown = await check({ port, host: "no-such-host.invalid" }).probe(targetOf(), noSignal());
    assert.equal(unknown.healthy, false);
    assert.match(unknown.detail, /host name (is not known|could not be looked up|was not looked up within 2 seconds)/);
  }).timeout(10_000);

  it("wants the fingerprint that it is told", async () => {
    const { cert, key } = issue();
    const { port } = await servers.tls({ cert, key });
    const { fingerprint256 } = new X509Certificate(cert);
    const { healthy, detail } = await probe({ port, fingerprint: fingerprint256 });
    assert.equal(healthy, true, detail);
    assert.match(detail, /serve a valid certificate with the wanted fingerprint$/);
    const shown = fingerprint256.replaceAll(":", "").toLowerCase().replace(/^0+/, "");
    const other = await unhealthy({ port, fingerprint: "ab".repeat(32) });
    assert.ok(other.includes(`serves another certificate, with SHA-256 fingerprint ${shown}`), other);
  });

  it("is unhealthy when the certificate is for another name", async () => {
    const { port } = await servers.tls(issue());
    assert.match(await unhealthy({ port, host: "mail.test" }), /127\.0\.0\.1 its certificate is for another host name/);
    assert.equal((await probe({ port, host: "mail.test", servername: NAME })).healthy, true);
    assert.match(await unhealthy({ port, host: "127.0.0.1" }), /its certificate is for another host name/);
    const byAddress = await servers.tls(issue("127.0.0.1"));
    assert.equal((await probe({ port: byAddress.port, host: "127.0.0.1" })).healthy, true);
  });

  it("is unhealthy when the certificate has expired, or is not trusted", async () => {
    const expired = await servers.tls(issue(NAME, { validTo: new Date(Date.now() - HOUR) }));
    assert.match(await unhealthy({ port: expired.port }), /127\.0\.0\.1 its certificate has expired/);
    const { certificate, key } = selfSigned(NAME);
    const untrusted = await servers.tls({ cert: certificate, key });
    assert.match(
      await unhealthy({ port: untrusted.port }),
      /its certificate is not trusted .*name its authority with caFile/,
    );
  });

  it("is unhealthy when too little time is left", async () => {
    const validTo = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2 * HOUR);
    const { port } = await servers.tls(issue(NAME, { validTo }));
    assert.equal((await probe({ port, minRemaining: "1h" })).healthy, true);
    const detail = await unhealthy({ port, minRemaining: "3h" });
    assert.ok(
      detail.includes(`127.0.0.1 its certificate expires ${validTo.toISOString()}, in less than 3 hours`),
      detail,
    );
  });

  it("names each address that cannot be reached, does not speak TLS or is silent, and ends in time", async () => {
    const { port } = await servers.tls(issue());
    assert.match(
      await unhealthy({ port, addresses: BOTH }),
      /: 1 of 2 addresses: 127\.0\.0\.2 connection refused \(ECONNREFUSED\)$/,
    );
    const plain = await servers.tcp((socket) => socket.end("hello, this is no TLS\n"));
    assert.match(await unhealthy({ port: plain.port }), /127\.0\.0\.1 the TLS handshake failed/);
    const hangsUp = await servers.tcp((socket) => socket.destroy());
    assert.match(await unhealthy({ port: hangsUp.port }), /127\.0\.0\.1 the connection was closed without an answer/);
    const silent = await servers.tcp(() => undefined);
    await servers.tls(issue(), { port: silent.port, address: "127.0.0.2" });
    const startedAt = Date.now();
    assert.match(
      await unhealthy({ port: silent.port, addresses: BOTH, timeout: "400ms" }),
      /: 1 of 2 addresses: 127\.0\.0\.1 no TLS connection within 400 ms$/,
    );
    assert.ok(Date.now() - startedAt < 1500);
  });

  it("names five addresses at most, and says how many more there are", async () => {
    const { port } = await servers.refusing();
    issue();
    const addresses = [1, 2, 3, 4, 5, 6, 7].map((last) => `127.0.0.${last}`);
    const detail = await unhealthy({ port, addresses });
    assert.equal(detail.match(/ECONNREFUSED/g)?.length, 5);
    assert.match(detail, /: 7 of 7 addresses: .*; and 2 more$/);
  });

  it("ends at once when the run is cancelled", async () => {
    issue();
    const { port } = await servers.tcp(() => undefined);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 50);
    const startedAt = Date.now();
    const health = await probe({ port, timeout: "10s" }, { signal: abort.signal });
    assert.deepEqual(health, { healthy: false, detail: `TLS orders.test:${port}: stopped before all answered` });
    assert.ok(Date.now() - startedAt < 1500);
  });

  it("leaves no connection open, also when it looks up a name for longer than there is time", async () => {
    issue();
    let connections = 0;
    const { port } = await servers.tcp(() => (connections += 1));
    let found: (addresses: string[]) => void = () => undefined;
    const find: FindAddresses = () => new Promise((resolve) => (found = resolve));
    const { detail } = await check({ port, timeout: "100ms" }, find).probe(targetOf(), noSignal());
    assert.match(detail, /the host name was not looked up within 100 ms/);
    const open = () =>
      process.getActiveResourcesInfo().filter((kind) => /TCPSocketWrap|TCPConnectWrap|TLSWrap/.test(kind));
    const before = open().length;
    found(["127.0.0.1"]);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([open().length - before, connections], [0, 0]);
  });

  it("stops the run when it does not know which certificate is wanted", async () => {
    const { port } = await servers.tls(issue());
    const several = targetOf(issuedAs("0a"), issuedAs("0b", "mail"));
    const wrong = async (options: Partial<TlsCheckOptions>, target: RollTarget) =>
      (await rejection(probe({ port, ...options }, { target }), ConfigurationError)).message;
    assert.match(await wrong({}, several), /does not know whose certificate .* serial number: "web", "mail"\. Nothing/);
    assert.match(await wrong({ secret: "db" }, several), /of the secret "db"; .* have a serial number: "web", "mail"/);
    assert.match(await wrong({ secret: "db" }, targetOf()), /have a serial number: none/);
    assert.match(await wrong({}, targetOf(issuedAs("no hex"))), /"no hex" is not hexadecimal/);
    assert.match(await unhealthy({ port, secret: "mail" }, several), /wanted is serial number b$/);
    assert.match(await unhealthy({ port, serialNumber: "0c" }, several), /wanted is serial number c$/);
  });

  it("stops the run when its file of authorities is missing", async () => {
    const { port } = await servers.tls(issue());
    const missing = probe({ port, caFile: path.join(folder, "none.pem") });
    assert.match((await rejection(missing, ConfigurationError)).message, /none\.pem/);
  });

  it("gives consumers a minute to move, and is no canary and no evidence", () => {
    const { schedule, canary, isEvidence, name } = check({ port: 443 });
    assert.deepEqual([schedule.withinMs, canary, isEvidence, name], [60_000, false, false, "tls orders.test:443"]);
  });

  it("says in its options' errors what is wrong and what is allowed", () => {
    const good = { type: "tls", host: NAME, port: 443 };
    const refuse = (options: object) => problems(tlsCheckOptions.safeParse({ ...good, ...options }));
    assert.equal(refuse({ fingerprint: "AB:".repeat(31) + "CD", minRemaining: "14d", canary: false }), "");
    assert.match(refuse({ canary: true }), /canary must be left out: no consumer serves a new certificate before/);
    assert.match(
      refuse({ addresses: ["orders.test"] }),
      /each of addresses must be an IP address; one is "orders\.test"/,
    );
    assert.match(refuse({ addresses: [] }), /addresses must not be empty/);
    assert.match(refuse({ addresses: "10.0.0.7" }), /addresses must be a list of IP addresses/);
    assert.match(refuse({ serialNumber: "xyz" }), /serialNumber must be in hexadecimal, with or without colons/);
    assert.match(refuse({ fingerprint: "ABCD" }), /must be the SHA-256 of the certificate: 64 hexadecimal digits/);
    assert.match(refuse({ minRemaining: "soon" }), /minRemaining must be a duration/);
    assert.match(refuse({ secret: "web", serialNumber: "0a" }), /secret and serialNumber exclude each other/);
    assert.match(refuse({ insecure: true }), /a tls check has no option "insecure"; allowed are: type, name/);
  });
});
