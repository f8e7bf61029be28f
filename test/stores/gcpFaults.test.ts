import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { StoredVersion } from "../../provider/contracts/store";
import { ConfigurationError, ConflictError, UnreachableError } from "../../provider/lifecycle/errors";
import {
  CallFailure,
  PERMISSIONS,
  translatingFailures,
  type Method,
} from "../../provider/stores/gcpSecretManager/failures";
import { loadSdk } from "../../provider/stores/gcpSecretManager/sdk";
import { errorOf, everythingOf } from "../support/errors";
import { gcpSite, makeVersion, payloadOf, promoteNew, SECRET_MARK, type Store } from "./gcpSite";

describe("the store in Google Cloud Secret Manager, when things go wrong", () => {
  const site = gcpSite();
  const native = () => site.emulator.secret(site.name);
  const companion = () => site.emulator.secret(`${site.name}-rotation`);
  const holding = (version: StoredVersion) =>
    (native()?.versions ?? [])
      .filter(({ state, data }) => state === "ENABLED" && data?.toString() === payloadOf(version))
      .map(({ number }) => number);

  /** Version 1 is current, version 2 pending, and the ledger at the revision that is returned. */
  async function started() {
    const store = site.open();
    const [first, second] = [makeVersion(1), makeVersion(2)];
    await promoteNew(store, first);
    const fence = await store.commit({ phase: "promoting" }, (await store.load()).revision);
    await store.putVersion(second);
    return { store, first, second, fence };
  }

  /** What a run does that is stopped at any of its calls, and what has to be so when it was called again. */
  const STEPS: Readonly<
    Record<
      string,
      (s: Awaited<ReturnType<typeof started>>) => { act(store: Store): Promise<unknown>; check(): Promise<void> }
    >
  > = {
    "a promotion": ({ first, second, fence }) => ({
      act: (store) => store.promote(second.ref, first.ref, fence, 2),
      check: async () => {
        assert.deepEqual((await site.open().load()).current, second.ref);
        for (const by of ["latest", "current"]) assert.equal(await site.readNative(by), payloadOf(second));
        assert.deepEqual(
          holding(second),
          site.nativesOf(second.ref),
          "one that is not recorded would never be destroyed",
        );
        assert.equal(holding(second).length, 1, "repeating it piles nothing up");
      },
    }),
    "a return": ({ first, second, fence }) => ({
      act: async (store) => {
        await store.promote(second.ref, (await store.load()).current, fence, 2);
        await store.promote(first.ref, second.ref, fence, 3);
      },
      check: async () => {
        assert.deepEqual((await site.open().load()).current, first.ref);
        for (const by of ["latest", "current"]) assert.equal(await site.readNative(by), payloadOf(first));
        assert.deepEqual(holding(first), site.nativesOf(first.ref));
        assert.deepEqual(holding(second), site.nativesOf(second.ref));
        await site.open().retire(second.ref);
        assert.deepEqual(holding(second), []);
      },
    }),
    "a retirement": ({ first, second, fence }) => ({
      act: async (store) => {
        await store.promote(second.ref, (await store.load()).current, fence, 2);
        await store.retire(first.ref);
      },
      check: async () => {
        assert.deepEqual(await site.open().list(), [second.ref]);
        assert.deepEqual(holding(first), []);
        const documents = companion()?.versions.filter(({ state }) => state === "ENABLED");
        assert.equal(documents?.length, 2, "the ledger and the document of the second");
      },
    }),
    "a teardown": ({ fence }) => ({
      act: (store) => store.clearCurrent(fence),
      check: async () => {
        assert.equal((await site.open().load()).current, null);
        await assert.rejects(site.readNative("latest"));
        await assert.rejects(site.readNative("current"));
      },
    }),
    "a version that is stored": ({ second }) => {
      const third = makeVersion(3);
      return {
        act: (store) => store.putVersion(third),
        check: async () => {
          assert.deepEqual(await site.open().read(third.ref), third);
          assert.deepEqual((await site.open().list()).length, 3);
          assert.deepEqual(await site.open().read(second.ref), second);
        },
      };
    },
    "a commit": ({ fence }) => ({
      // Called again, a run loads what there is and decides anew.
      act: async (store) => {
        const { revision, body } = await store.load();
        if ((body as { phase: string }).phase === "promoting") await store.commit({ phase: "promoted" }, revision);
      },
      check: async () => {
        const { revision, body } = await site.open().load();
        assert.deepEqual(body, { phase: "promoted" });
        assert.ok(Number(revision) > Number(fence));
      },
    }),
  };

  for (const [what, step] of Object.entries(STEPS))
    for (const when of ["before", "after"] as const)
      it(`completes ${what} that was stopped ${when} any of its calls`, async function () {
        this.timeout(60_000);
        let stopped = true;
        for (let skip = 0; stopped; skip++) {
          site.fresh();
          const begun = await started();
          const { act, check } = step(begun);
          // A code after which nothing is tried again: as if the process had ended there.
          site.emulator.fail({ code: "UNAUTHENTICATED", when, skip });
          const error = await act(site.open()).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          stopped = error !== undefined;
          const why = `stopped at call ${skip + 1}`;
          if (stopped) assert.ok(error instanceof ConfigurationError, `${why}: ${String(error)}`);
          site.emulator.heal();
          await assert.doesNotReject(act(site.open()), why);
          await assert.doesNotReject(check(), why);
        }
      });

  for (const code of ["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED"] as const)
    for (const method of ["AddSecretVersion", "UpdateSecret"] as const)
      it(`finds out that a change was carried out whose answer got lost (${method}, ${code})`, async () => {
        const { store, first, second, fence } = await started();
        site.emulator.fail({ method, code, when: "after", secret: site.name });
        if (method === "UpdateSecret")
          site.emulator.fail({ method, code, when: "after", secret: `${site.name}-rotation`, times: 2 });
        await store.promote(second.ref, first.ref, fence, 2);
        assert.deepEqual(holding(second), [2]);
        assert.deepEqual((await site.open().load()).current, second.ref);
        if (method === "UpdateSecret") {
          site.emulator.fail({ method, code, when: "after" });
          const revision = await store.commit({ phase: "promoted" }, fence);
          assert.deepEqual(await site.open().load(), { revision, body: { phase: "promoted" }, current: second.ref });
        }
      });

  it("tries again what was turned away for a quota or found nobody, and gives up in the end", async () => {
    const { store, first, second, fence } = await started();
    site.emulator.fail({ code: "RESOURCE_EXHAUSTED", times: 3 });
    site.emulator.fail({ method: "UpdateSecret", code: "RESOURCE_EXHAUSTED" });
    site.emulator.fail({ method: "AccessSecretVersion", code: "UNAVAILABLE", times: 2 });
    await store.promote(second.ref, first.ref, fence, 2);
    assert.deepEqual(holding(second), [2]);
    site.emulator.fail({ method: "GetSecret", code: "UNAVAILABLE", times: 99 });
    const before = site.emulator.calls.length;
    await assert.rejects(store.list(), UnreachableError);
    assert.equal(site.emulator.calls.length - before, 4);
  });

  it("puts a version once when two processes put it, and loses no value of either", async () => {
    for (let round = 0; round < 10; round++) {
      const version = makeVersion(round);
      const rival = { ...version, value: { password: "rival" } };
      await Promise.all([site.open().putVersion(version), site.open().putVersion(rival)]);
      const enabled = companion()?.versions.filter(({ state }) => state === "ENABLED");
      assert.equal(enabled?.length, round + 1, "the loser takes its own away");
    }
  });

  it("lets a commit and a promotion of another run not both win", async () => {
    for (let round = 0; round < 10; round++) {
      site.fresh();
      const { first, second, fence } = await started();
      const [committed, promoted] = await Promise.allSettled([
        site.open().commit({ phase: "somebody else's" }, fence),
        site.open().promote(second.ref, first.ref, fence, 2),
      ]);
      assert.equal(committed.status, "fulfilled");
      if (promoted.status === "rejected") {
        assert.ok(promoted.reason instanceof ConflictError, String(promoted.reason));
        assert.deepEqual((await site.open().load()).current, first.ref);
        assert.deepEqual(holding(second), [], "nothing was changed");
      } else assert.deepEqual((await site.open().load()).current, second.ref);
    }
  });

  describe("while Secret Manager still shows what was there before", () => {
    it("sees its own changes", async () => {
      const { store, first, second, fence } = await started();
      await store.promote(second.ref, first.ref, fence, 2);
      const revision = await store.commit({ phase: "promoted" }, fence);
      for (let lag = 1; lag <= 3; lag++) {
        site.emulator.lag(lag);
        const seen = await store.load();
        assert.deepEqual(seen, { revision, body: { phase: "promoted" }, current: second.ref }, `${lag} reads lag`);
      }
      site.emulator.lag(4);
      await store.commit({ phase: "done" }, revision);
      site.emulator.lag(0);
      assert.deepEqual((await site.open().load()).body, { phase: "done" });
    });

    it("neither takes an earlier ledger for the ledger nor commits over others", async () => {
      const { store, fence } = await started();
      const other = site.open();
      await other.load();
      const revision = await store.commit({ phase: "promoted" }, fence);
      for (let lag = 1; lag <= 5; lag++) {
        site.emulator.lag(lag);
        const fresh = await site.open().load();
        assert.deepEqual([fresh.revision, fresh.body], [revision, { phase: "promoted" }], `${lag} reads lag`);
        site.emulator.lag(lag);
        await assert.rejects(other.commit({ phase: "stale" }, fence), ConflictError);
      }
      site.emulator.lag(0);
      assert.deepEqual((await site.open().load()).body, { phase: "promoted" });
    });

    it("does not promote from an earlier ledger", async () => {
      const { store, first, second, fence } = await started();
      await store.commit({ phase: "somebody else's" }, fence);
      site.emulator.lag(4);
      await assert.rejects(site.open().promote(second.ref, first.ref, fence, 2), ConflictError);
      site.emulator.lag(0);
      assert.deepEqual((await site.open().load()).current, first.ref);
      assert.deepEqual(holding(second), []);
    });

    it("promotes once", async () => {
      for (let lag = 1; lag <= 8; lag++) {
        site.fresh();
        const { first, second, fence } = await started();
        site.emulator.lag(lag);
        await site.open().promote(second.ref, first.ref, fence, 2);
        site.emulator.lag(0);
        assert.deepEqual(holding(second), [2], `${lag} reads lag`);
        for (const by of ["latest", "current"]) assert.equal(await site.readNative(by), payloadOf(second));
      }
    });
  });

  describe("permissions", () => {
    const PIPELINE = Object.values(PERMISSIONS).filter((permission) => permission !== PERMISSIONS.createSecret);
    /** As the page of the store lists them. */
    const ON_NATIVE = PIPELINE.filter((permission) => permission !== PERMISSIONS.listSecretVersions);
    const ON_COMPANION = PIPELINE.filter(
      (permission) => permission !== PERMISSIONS.disableSecretVersion && permission !== PERMISSIONS.enableSecretVersion,
    );

    async function wholeLife(store: Store) {
      const [first, second] = [makeVersion(1), makeVersion(2)];
      await promoteNew(store, first);
      const fence = await promoteNew(store, second);
      await store.disable(first.ref);
      await store.enable(first.ref);
      await store.promote(first.ref, second.ref, fence, 3);
      await store.retire(second.ref);
      await store.readPayload();
      await store.clearCurrent(fence);
      await store.retire(first.ref);
      await store.load();
    }

    it("of the page suffice for a whole life, and where both secrets exist none on the project is needed", async () => {
      const grants = () => ({ [site.name]: ON_NATIVE, [`${site.name}-rotation`]: ON_COMPANION });
      site.emulator.grant({ ...grants(), "*": [PERMISSIONS.createSecret] });
      await wholeLife(site.open());
      site.fresh();
      await site.open().commit({}, "0");
      site.emulator.grant(grants());
      await wholeLife(site.open());
    });

    for (const method of Object.keys(PERMISSIONS) as Method[])
      it(`names ${PERMISSIONS[method]} when it is missing, and no value`, async () => {
        const others = Object.values(PERMISSIONS).filter((permission) => permission !== PERMISSIONS[method]);
        site.emulator.grant({ "*": others });
        const store = site.open();
        const act = async () => {
          await wholeLife(store);
          // What is only asked for in a corner: the state of a version that readers of "latest" do not get.
          await store.load();
        };
        const error = await act().catch((thrown: unknown) => thrown as Error);
        const told = `${error instanceof Error ? everythingOf(error) : ""} ${site.log.join("\n")}`;
        if (method === "listSecretVersions" || (method === "destroySecretVersion" && !(error instanceof Error)))
          assert.match(told, new RegExp(`could not be destroyed \\(${method}: PERMISSION_DENIED\\)`));
        else {
          assert.ok(error instanceof ConfigurationError, told);
          assert.ok(error.message.includes(`the permission ${PERMISSIONS[method]} is missing`), told);
          assert.match(error.message, /on the (secret orders-db-\d+(-rotation)? of the )?project shop-prod/);
        }
        assert.ok(!told.includes(SECRET_MARK), told);
      });

    it("are no help where the API is not enabled, and that is told", async () => {
      const failing = () =>
        Promise.reject(new CallFailure("getSecret", "orders", "PERMISSION_DENIED", "SERVICE_DISABLED"));
      const told = { location: "gcp:shop-prod/orders", project: "shop-prod", service: "secretmanager.googleapis.com" };
      const error = await errorOf(translatingFailures(told, "load the ledger", failing));
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /not enabled in the project shop-prod.*gcloud services enable secretmanager/);
    });

    it("says that a project does not exist", async () => {
      site.emulator.fail({ method: "CreateSecret", code: "NOT_FOUND" });
      await assert.rejects(site.open().commit({}, "0"), /the project shop-prod does not exist/);
    });
  });

  describe("no value of a secret", () => {
    it("is in an error or a log line, whatever the service answers", async () => {
      const codes = [
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        "UNAVAILABLE",
        "INTERNAL",
        "PERMISSION_DENIED",
      ] as const;
      const message = `the service quotes ${SECRET_MARK}-1 of the request`;
      const told: string[] = [];
      for (const code of codes)
        for (const method of [
          "AddSecretVersion",
          "UpdateSecret",
          "AccessSecretVersion",
          "DestroySecretVersion",
        ] as const) {
          site.fresh();
          site.hurry();
          const { store, first, second, fence } = await started();
          site.emulator.fail({ method, code, message, times: 999 });
          for (const act of [
            () => store.putVersion(makeVersion(1)),
            () => store.promote(second.ref, first.ref, fence, 2),
            () => store.read(first.ref),
            () => store.retire(second.ref),
          ])
            told.push(
              await act().then(
                () => "",
                (error: unknown) => everythingOf(error),
              ),
            );
          told.push(...site.log);
        }
      assert.ok(told.filter((text) => text !== "").length > 20);
      for (const text of told) assert.ok(!text.includes(SECRET_MARK), text);
    }).timeout(60_000);

    it("is logged by Google's client, also when its own log is turned on", async () => {
      const child = join(__dirname, "gcpLogging.child.ts");
      const args = ["--import", "tsx", child, site.emulator.endpoint, site.name, SECRET_MARK];
      const env = { ...process.env, GOOGLE_SDK_NODE_LOGGING: "all" };
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env });
      assert.match(stdout, /promoted/);
      const seen = `${stdout}${stderr}`;
      for (const form of [SECRET_MARK, Buffer.from(SECRET_MARK).toString("base64").slice(0, -4), "104,117,110,116"])
        assert.ok(!seen.includes(form), `${form} in: ${seen.slice(0, 2000)}`);
      assert.equal(await site.readNative("current"), JSON.stringify({ password: SECRET_MARK }));
    }).timeout(30_000);
  });

  describe("the way there", () => {
    it("that leads nowhere is told, with what to do, and no value", async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      await new Promise((resolve) => server.close(resolve));
      const store = site.open({ endpoint: `127.0.0.1:${port}` });
      const error = await errorOf(store.putVersion(makeVersion(1)));
      assert.ok(error instanceof UnreachableError, everythingOf(error));
      assert.match(
        error.message,
        new RegExp(`127\\.0\\.0\\.1:${port} did not answer in time, or not well \\(UNAVAILABLE\\)`),
      );
      assert.ok(!everythingOf(error).includes(SECRET_MARK));
    });

    it("whose end never answers is given up after the time limit", async () => {
      const store = site.open({ timeout: "300ms" });
      site.emulator.fail({ hang: true, times: 99 });
      const began = performance.now();
      const error = await errorOf(store.load());
      assert.ok(error instanceof UnreachableError && /DEADLINE_EXCEEDED/.test(error.message), String(error));
      assert.ok(performance.now() - began < 5000);
    });

    it("whose end takes the connection and says nothing is given up after the time limit", async () => {
      const sockets: Socket[] = [];
      const server = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      try {
        const error = await errorOf(site.open({ endpoint: `127.0.0.1:${port}`, timeout: "300ms" }).load());
        assert.ok(error instanceof UnreachableError, String(error));
      } finally {
        for (const socket of sockets) socket.destroy();
        server.close();
      }
    });

    it("is left at once when the run is cancelled, also between two tries", async () => {
      for (const fault of [{ hang: true }, { code: "RESOURCE_EXHAUSTED" as const }]) {
        site.fresh();
        const run = new AbortController();
        const store = site.open({}, run.signal);
        site.emulator.fail({ ...fault, times: 99 });
        const loading = errorOf(store.load());
        const asked = site.emulator.calls.length;
        while (site.emulator.calls.length < asked + 2) await new Promise((resolve) => setImmediate(resolve));
        const began = performance.now();
        const reason = new Error("the run was cancelled");
        run.abort(reason);
        assert.equal(await loading, reason);
        assert.ok(performance.now() - began < 500);
        await assert.rejects(store.load(), reason);
      }
    });

    it("is encrypted unless plain text was asked for: a server that has no TLS is not talked to", async () => {
      await withCredentials(serviceAccount(), async () => {
        const asked = site.emulator.calls.length;
        const endpoint = site.emulator.endpoint.replace("127.0.0.1", "localhost");
        const error = await errorOf(site.open({ insecure: false, endpoint }).load());
        assert.ok(error instanceof UnreachableError, everythingOf(error));
        assert.equal(site.emulator.calls.length, asked);
      });
    });

    it("needs somebody to log in as, and says how, also in a second try", async () => {
      await withCredentials(undefined, async () => {
        const store = site.open({ insecure: false, timeout: "5s" });
        for (let i = 0; i < 2; i++) {
          const error = await errorOf(store.load());
          assert.ok(error instanceof ConfigurationError, everythingOf(error));
          assert.match(error.message, /no usable credentials .*gcloud auth application-default login/);
        }
      });
    });

    it("needs Google's client, and says how to install it", async () => {
      const missing = () => Promise.reject(Object.assign(new Error("gone"), { code: "MODULE_NOT_FOUND" }));
      const error = await errorOf(loadSdk(missing));
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, /not installed\. Run: npm install @google-cloud\/secret-manager/);
      const broken = () => Promise.reject(new Error("syntax"));
      await assert.rejects(loadSdk(broken), /syntax/);
    });
  });
});

/** A key that is nobody's: enough to make a token with, which no one would accept. */
function serviceAccount(): object {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    type: "service_account",
    project_id: "shop-prod",
    private_key_id: "1",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: "nobody@shop-prod.iam.gserviceaccount.com",
    client_id: "1",
  };
}

/** @param content of the file that GOOGLE_APPLICATION_CREDENTIALS names; `undefined`: there is no such file. */
async function withCredentials(content: object | undefined, act: () => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rotation-test-"));
  const file = join(folder, "credentials.json");
  if (content !== undefined) await writeFile(file, JSON.stringify(content));
  const before = process.env["GOOGLE_APPLICATION_CREDENTIALS"];
  process.env["GOOGLE_APPLICATION_CREDENTIALS"] = file;
  try {
    await act();
  } finally {
    if (before === undefined) delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    else process.env["GOOGLE_APPLICATION_CREDENTIALS"] = before;
    await rm(folder, { recursive: true, force: true });
  }
}
