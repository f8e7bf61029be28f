/** What sends requests to revisions, at an address of a service or of a tag. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Door = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

export class FrontDoor {
  private constructor(
    private readonly server: Server,
    readonly uri: string,
  ) {}

  static async open(door: Door): Promise<FrontDoor> {
    const server = createServer(door);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    const { port } = server.address() as AddressInfo;
    return new FrontDoor(server, `http://127.0.0.1:${port}`);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }
}

/** Picks by percent: of 100 in a row each gets as many as it has, well mixed. */
export class Picker<T> {
  private readonly owed = new Map<T, number>();

  /** @returns `undefined` where nobody gets anything. */
  pick(shares: ReadonlyMap<T, number>): T | undefined {
    let best: T | undefined;
    for (const [key, percent] of shares) {
      this.owed.set(key, (this.owed.get(key) ?? 0) + percent);
      if (best === undefined || (this.owed.get(key) ?? 0) > (this.owed.get(best) ?? 0)) best = key;
    }
    if (best !== undefined) this.owed.set(best, (this.owed.get(best) ?? 0) - 100);
    return best;
  }
}
