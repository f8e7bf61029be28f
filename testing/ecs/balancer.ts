/**
 * The load balancer of a service: requests go to registered targets in turn. A target that is deregistered gets no new
 * requests, and those under way are finished first.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#deregistration-delay
 */
import { request } from "node:http";

export interface Answer {
  /** 502 where the target did not answer, 503 where there is no target. */
  readonly status: number;
  readonly body: string;
}

interface Target {
  readonly port: number;
  underWay: number;
  drained?: () => void;
}

export class Balancer<Key> {
  private readonly targets = new Map<Key, Target>();
  private turn = 0;

  register(key: Key, port: number): void {
    this.targets.set(key, { port, underWay: 0 });
  }

  has(key: Key): boolean {
    return this.targets.has(key);
  }

  keys(): Key[] {
    return [...this.targets.keys()];
  }

  /** Resolves when no request is under way any more. */
  async deregister(key: Key): Promise<void> {
    const target = this.targets.get(key);
    if (!target) return;
    this.targets.delete(key);
    if (target.underWay > 0) await new Promise<void>((resolve) => (target.drained = resolve));
  }

  async request(path: string): Promise<Answer> {
    const all = [...this.targets.values()];
    const target = all[this.turn++ % Math.max(all.length, 1)];
    if (!target) return { status: 503, body: "no healthy target" };
    target.underWay += 1;
    try {
      return await ask(target.port, path);
    } catch {
      return { status: 502, body: "the target did not answer" };
    } finally {
      target.underWay -= 1;
      if (target.underWay === 0) target.drained?.();
    }
  }
}

function ask(port: number, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path, agent: false, timeout: 10_000 }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (body += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.on("timeout", () => call.destroy(new Error("timeout")));
    call.end();
  });
}
