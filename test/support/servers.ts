/** Where the servers are that `npm test` builds or installs for the tests of stores and consumers. */
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/**
 * @param path within the folder of servers: `bin/vault-dev`, `bin/etcd`, `bin/kube-apiserver`, `moto/bin/python`.
 * @throws when it is not there: a server that cannot start is a failure, not a skip.
 */
export function serverFile(path: string): string {
  const folder = process.env["ROTATION_SERVERS"];
  if (!folder) throw new Error("ROTATION_SERVERS is not set. Run these tests with: npm test stores");
  const file = join(folder, path);
  if (!existsSync(file)) throw new Error(`${file} is not there. Run these tests with: npm test stores`);
  return file;
}

/** A TCP port of the loopback interface that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}
