/** Real local servers, certificates and contexts for the tests of checks and consumers. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import * as tls from "node:tls";
import { setTimeout as delay } from "node:timers/promises";
import type { AdapterContext, SecretSource, SecretValue } from "../../../provider/contracts/context";
import type { RollTarget } from "../../../provider/contracts/consumer";
import type { StoredVersion } from "../../../provider/contracts/store";

export interface TestContext extends AdapterContext {
  readonly lines: string[];
}

export function makeContext(signal = new AbortController().signal): TestContext {
  const lines: string[] = [];
  return {
    lines,
    signal,
    clock: { now: () => Date.now(), sleep: (ms, abort) => delay(ms, undefined, abort ? { signal: abort } : {}) },
    log: { info: (line) => lines.push(line), warn: (line) => lines.push(line) },
    resolveSecret: (source: SecretSource) => Promise.resolve(`resolved-from-${source.from}`),
  };
}

export function version(secret: string, number: number, value: SecretValue = {}): StoredVersion {
  return {
    secret,
    ref: { version: number, token: `token-${number}` },
    fingerprint: `fp-${secret}-${number}`,
    issued: {},
    value,
  };
}

export const targetOf = (...secrets: StoredVersion[]): RollTarget => ({ secrets });

export const noSignal = () => new AbortController().signal;

export interface TestServer {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** Servers of one test file, closed together with whatever connection is still open. */
export class Servers {
  private readonly open: { close(): Promise<void> }[] = [];

  http(listener: http.RequestListener): Promise<TestServer> {
    return this.listen(http.createServer(listener), "http");
  }

  /** At a port that was free a moment ago. */
  httpAt(port: number, listener: http.RequestListener): Promise<TestServer> {
    return this.listen(http.createServer(listener), "http", { port });
  }

  /** A TLS server that says nothing, at one of the machine's own addresses. */
  tls(
    certificate: Pick<Certificate, "key" | "cert">,
    at: { port?: number; address?: string } = {},
  ): Promise<TestServer> {
    const server = tls.createServer({ key: certificate.key, cert: certificate.cert });
    server.on("secureConnection", (socket) => socket.on("error", () => undefined));
    return this.listen(server, "tls", at);
  }

  https(listener: http.RequestListener, certificate: Certificate): Promise<TestServer> {
    return this.listen(https.createServer({ key: certificate.key, cert: certificate.cert }, listener), "https");
  }

  tcp(listener: (socket: net.Socket) => void): Promise<TestServer> {
    return this.listen(net.createServer(listener), "tcp");
  }

  /** An address at which nothing listens. */
  async refusing(): Promise<TestServer> {
    const server = await this.http(() => undefined);
    await server.close();
    return server;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.open.splice(0).map((server) => server.close()));
  }

  private async listen(
    server: net.Server,
    scheme: string,
    { port: wanted = 0, address = "127.0.0.1" }: { port?: number; address?: string } = {},
  ): Promise<TestServer> {
    const sockets = new Set<net.Socket>();
    server.on("connection", (socket: net.Socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => undefined);
    });
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(wanted, address, resolve);
    });
    const { port } = server.address() as net.AddressInfo;
    const close = () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      });
    const running = { port, url: `${scheme}://${address}:${port}`, close };
    this.open.push(running);
    return running;
  }
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** The certificate as a PEM file, to be named as the authority to trust. */
  readonly file: string;
}

/** A self-signed certificate for 127.0.0.1, or `undefined` where there is no openssl. */
export function selfSigned(folder: string, name = "cert"): Certificate | undefined {
  const file = path.join(folder, `${name}.pem`);
  const keyFile = path.join(folder, `${name}-key.pem`);
  try {
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
        ...["-keyout", keyFile, "-out", file, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
      ],
      { stdio: "ignore" },
    );
  } catch {
    return undefined;
  }
  return { key: fs.readFileSync(keyFile, "utf8"), cert: fs.readFileSync(file, "utf8"), file };
}

export function makeFolder(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), "rotating-secrets-test-"));
}

export function removeFolder(folder: string): void {
  fs.rmSync(folder, { recursive: true, force: true });
}

/** All messages of a refused parse, in one text. */
export function problems(result: { success: boolean; error?: { issues: { message: string }[] } | undefined }): string {
  return (result.error?.issues ?? []).map((issue) => issue.message).join("\n");
}
