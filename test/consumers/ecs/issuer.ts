/** Who gives out credentials and knows which of them work: what the applications of the tests log in to. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Issuer {
  readonly url: string;
  /** The passwords that work. */
  readonly accepts: Set<string>;
  close(): Promise<void>;
}

export async function startIssuer(): Promise<Issuer> {
  const accepts = new Set<string>();
  const server = createServer((request, response) => {
    let password = "";
    request.setEncoding("utf8");
    request.on("data", (part: string) => (password += part));
    request.on("end", () => {
      response.statusCode = accepts.has(password) ? 200 : 403;
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accepts,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
