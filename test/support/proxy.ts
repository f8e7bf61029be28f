/**
 * A TCP proxy on loopback that lies, delays and falls silent on purpose, between clients and a PostgreSQL server.
 * What it does to a connection is chosen by the connection's start-up packet and by what the client sends.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export type Misbehaviour =
  /** Each reply comes this much later. */
  | { readonly how: "delay"; readonly ms: number }
  /** Accepts, and never answers. */
  | { readonly how: "black-hole" }
  /** Closes each connection at once. */
  | { readonly how: "refuse" }
  /** What matches never reaches the server; the connection is cut. */
  | { readonly how: "cut"; readonly at: RegExp }
  /** What matches is executed; the reply never comes, and the connection is cut. */
  | { readonly how: "lose-reply"; readonly at: RegExp }
  /** What matches is executed; the reply never comes, and the connection stays open. */
  | { readonly how: "silence"; readonly at: RegExp };

export class LyingProxy {
  private readonly sockets = new Set<Socket>();
  private misbehaviour: Misbehaviour | undefined;
  private concerns: (startup: string) => boolean = () => true;
  private left = Infinity;
  /** How often it misbehaved. */
  done = 0;

  private constructor(
    private readonly server: Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {}

  static async start(target: { readonly host: string; readonly port: number }): Promise<LyingProxy> {
    const server = createServer();
    const proxy = new LyingProxy(server, target);
    server.on("connection", (socket) => proxy.serve(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /**
   * @param concerns asked with the start-up packet as text, which holds user, database and application name.
   * @param times how often; afterwards it behaves.
   */
  misbehave(misbehaviour: Misbehaviour, concerns: (startup: string) => boolean = () => true, times = Infinity): void {
    this.misbehaviour = misbehaviour;
    this.concerns = concerns;
    this.left = times;
    this.done = 0;
  }

  behave(): void {
    this.misbehaviour = undefined;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private serve(client: Socket): void {
    const upstream = connect(this.target);
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    let startup: string | undefined;
    let muted = false;
    let cutAfterReply = false;
    client.on("data", (data) => {
      startup ??= data.toString("latin1");
      const fault = this.concerns(startup) ? this.misbehaviour : undefined;
      if (!fault || !this.fits(fault, data)) {
        upstream.write(data);
        return;
      }
      this.took(fault);
      switch (fault.how) {
        case "refuse":
        case "cut":
          client.destroy();
          return;
        case "black-hole":
          return;
        case "lose-reply":
          cutAfterReply = true;
          break;
        case "silence":
          muted = true;
          break;
        case "delay":
          break;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (cutAfterReply) client.destroy();
      if (cutAfterReply || muted) return;
      const fault = startup !== undefined && this.concerns(startup) ? this.misbehaviour : undefined;
      if (fault?.how !== "delay") client.write(data);
      else setTimeout(() => client.writable && client.write(data), fault.ms);
    });
  }

  private fits(fault: Misbehaviour, data: Buffer): boolean {
    return this.left > 0 && (!("at" in fault) || fault.at.test(data.toString("latin1")));
  }

  private took(fault: Misbehaviour): void {
    this.done++;
    // What goes on for a while is not counted.
    if ("at" in fault) this.left--;
  }
}
