/** What is said when the API server is busy, down, silent, or not the API at all. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { UnreachableError } from "../../../provider/lifecycle/errors";
import { selfSigned } from "../../support/selfSigned";
import { freePort } from "../../support/servers";
import { kubeconfigFor } from "../../support/kubernetes";
import { listening } from "./listening";
import { failureOf, makeVersion, PASSWORD, realContext, type Site } from "./site";

const FIRST = makeVersion(1);

export function describeUnwell(site: () => Site): void {
  describe("with an API server that is not well", () => {
    const servedBy = async (handler: RequestListener) => {
      const { certificate, key } = selfSigned("127.0.0.1");
      const server = await listening(createServer({ cert: certificate, key }, handler));
      const path = join(site().server.folder, `other-${server.port}.kubeconfig`);
      await writeFile(path, kubeconfigFor(`https://127.0.0.1:${server.port}`, certificate, "some-token"));
      return { kubeconfig: { path }, close: server.close };
    };
    const json = (body: object) => JSON.stringify(body);
    const absent = (name: string) =>
      json({ kind: "Status", code: 404, reason: "NotFound", details: { kind: "secrets", name } });

    it("comes back when it is asked to, and not before", async () => {
      let times = 0;
      const server = await servedBy((_request, response) => {
        times++;
        response.setHeader("content-type", "application/json");
        if (times < 3) {
          response.writeHead(429, { "retry-after": String(times * 7) });
          response.end(json({ kind: "Status", code: 429, reason: "TooManyRequests", message: PASSWORD }));
        } else response.writeHead(404).end(absent("x-rotation"));
      });
      try {
        const context = realContext();
        const store = await site().open({ name: "x", kubeconfig: server.kubeconfig }, context);
        assert.deepEqual(await store.load(), { revision: "0", body: undefined, current: null });
        assert.deepEqual(context.slept, [7000, 14_000]);
      } finally {
        await server.close();
      }
    });

    it("gives up on one that stays away, or asks to come back much later", async () => {
      let wait = "1";
      let code = 429;
      let times = 0;
      const server = await servedBy((_request, response) => {
        times++;
        response.writeHead(code, { "content-type": "application/json", "retry-after": wait });
        response.end(json({ kind: "Status", code, reason: "ServiceUnavailable", message: PASSWORD }));
      });
      try {
        const store = await site().open({ name: "x", kubeconfig: server.kubeconfig });
        const busy = await failureOf(store.load());
        assert.ok(busy instanceof UnreachableError);
        assert.match(busy.message, /too many requests \(429\)/);
        assert.equal(times, 5);
        [wait, times] = ["3600", 0];
        assert.match((await failureOf(store.load())).message, /It asked to come back after 3600 s/);
        assert.equal(times, 1);
        [wait, code] = ["1", 503];
        const down = await failureOf(store.putVersion(FIRST));
        assert.ok(down instanceof UnreachableError);
        assert.match(down.message, /the API server failed \(503\).*not known whether this last call took effect/);
      } finally {
        await server.close();
      }
    });

    it("does not take another server's answers for those of the API", async () => {
      const pages: RequestListener[] = [
        (_request, response) => response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not found</h1>"),
        (_request, response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>Log in</h1>"),
        (_request, response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"),
        (_request, response) => response.writeHead(404, { "content-type": "application/json" }).end("{}"),
      ];
      for (const page of pages) {
        const server = await servedBy(page);
        try {
          const store = await site().open({ name: "x", kubeconfig: server.kubeconfig });
          for (const action of [() => store.load(), () => store.list()]) {
            const error = await failureOf(action());
            assert.match(error.message, /is not a Kubernetes API|could not be read/);
          }
        } finally {
          await server.close();
        }
      }
    });

    it("says that nobody answers, and leaves the values out", async () => {
      const path = await site().server.kubeconfig("pipeline", `https://127.0.0.1:${await freePort()}`);
      const store = await site().open({ name: "x", kubeconfig: { path } });
      const commit = () => store.commit({ password: PASSWORD }, "0");
      for (const action of [() => store.load(), () => store.putVersion(FIRST), commit]) {
        const error = await failureOf(action());
        assert.ok(error instanceof UnreachableError);
        assert.match(error.message, /cannot be reached: connection refused \(ECONNREFUSED\)/);
      }
    });

    it("ends in time with one that never answers, and when the run is cancelled", async () => {
      const sockets = new Set<Socket>();
      const silent = createTcpServer((socket) => void sockets.add(socket.on("error", () => undefined)));
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      const url = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const kubeconfig = { path: await site().server.kubeconfig("pipeline", url) };
      try {
        const late = await failureOf((await site().open({ name: "x", kubeconfig, timeout: "1s" })).putVersion(FIRST));
        assert.ok(late instanceof UnreachableError);
        assert.match(late.message, /did not answer within 1s\. It is not known whether/);
        const run = new AbortController();
        const waiting = (await site().open({ name: "x", kubeconfig }, realContext(run.signal))).load();
        silent.once("connection", () => run.abort(new Error("cancelled by a test")));
        await assert.rejects(waiting, /cancelled by a test/);
      } finally {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => silent.close(resolve));
      }
    });
  });
}
