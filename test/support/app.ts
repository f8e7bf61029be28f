/**
 * An application for a test: it reads its credential from the delivered file at each request, as one that watches its
 * file would, and says whether its real query works and which version it uses.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client } from "pg";

export interface TestApp {
  readonly url: string;
  stop(): Promise<void>;
}

interface Delivered {
  readonly secrets: Record<string, { version: number; fingerprint: string; value: Record<string, string> }>;
}

export async function startApp(file: string, query: string): Promise<TestApp> {
  const delivered = () => (JSON.parse(readFileSync(file, "utf8")) as Delivered).secrets;
  const server = createServer((request, response) => {
    void answer(request.url ?? "").then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => {
        response.statusCode = 503;
        response.end(JSON.stringify({ error: (error as Error).message }));
      },
    );
  });
  async function answer(path: string): Promise<unknown> {
    const secrets = delivered();
    if (path === "/adoption") return { fingerprints: Object.values(secrets).map((secret) => secret.fingerprint) };
    const value = Object.values(secrets)[0]?.value ?? {};
    const client = new Client({ connectionString: value["url"] ?? "" });
    // A server that ends between two steps says so here.
    client.on("error", () => undefined);
    await client.connect();
    try {
      return (await client.query(query)).rows;
    } finally {
      await client.end();
    }
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
