/** Runs that are killed between any two calls, answers that get lost, and writers that are late. */
import assert from "node:assert/strict";
import type { SecretStore } from "../../../provider/contracts/store";
import { ConflictError, NotFoundError } from "../../../provider/lifecycle/errors";
import { loadClient, type ClientModule, type Surroundings } from "../../../provider/net/kubernetes/client";
import { failureOf, makeVersion, realContext, rotate, type Site } from "./site";

const [FIRST, SECOND, THIRD] = [makeVersion(1), makeVersion(2), makeVersion(3)];
const MUTATING = /^(create|replace|delete)Namespaced/;

/** One call of the client: its method, and the Secret's name. */
interface Call {
  readonly method: string;
  readonly name: string;
}

type Hook = (call: Call, proceed: () => Promise<unknown>) => Promise<unknown>;

class Killed extends Error {}

/** The real client, with something between it and its callers. */
function intercepted(hook: Hook): Surroundings {
  return {
    load: async (): Promise<ClientModule> => {
      const client = await loadClient("The test");
      const CoreV1Api = new Proxy(client.CoreV1Api, {
        construct: (target, args: [never]) => {
          const api = new target(...args) as unknown as Record<string, (param: any) => Promise<unknown>>;
          const through = (method: string) => (param: any) =>
            hook({ method, name: param.name ?? param.body?.metadata?.name ?? "" }, () => api[method]!(param));
          return new Proxy(api, { get: (_api, method) => through(String(method)) });
        },
      });
      return { ...client, CoreV1Api };
    },
  };
}

/** Lets so many calls pass and none after. */
function killedAfter(calls: number): Surroundings & { wasKilled(): boolean } {
  let [left, killed] = [calls, false];
  const surroundings = intercepted(async (_call, proceed) => {
    if (left-- > 0) return proceed();
    killed = true;
    throw new Killed("killed");
  });
  return { ...surroundings, wasKilled: () => killed };
}

export function describeInterruptions(site: () => Site): void {
  for (const stableName of [false, true]) {
    const suffix = stableName ? "with" : "without";

    /** Kills `step` before each of its calls in turn, until it gets through. */
    const killEverywhere = async (
      prepare: (store: SecretStore) => Promise<void>,
      step: (store: SecretStore) => Promise<unknown>,
      check: (name: string, completed: boolean) => Promise<void>,
    ) => {
      for (let calls = 0; ; calls++) {
        const name = site().newName();
        await prepare(await site().open({ name, stableName }));
        const kill = killedAfter(calls);
        const victim = await site().open({ name, stableName }, realContext(), kill);
        await step(victim).catch((error: unknown) => assert.ok(kill.wasKilled(), String(error)));
        await check(name, !kill.wasKilled());
        if (!kill.wasKilled()) return calls;
        assert.ok(calls < 30, "it never gets through");
      }
    };

    describe(`killed between any two calls, ${suffix} a stable name`, () => {
      it("completes a promotion, of which no reader gets a part", async () => {
        const steps = await killEverywhere(
          async (store) => {
            await rotate(store, FIRST, 1);
            await store.putVersion(SECOND);
          },
          async (store) => {
            const { revision, current } = await store.load();
            return store.promote(SECOND.ref, current, revision, 2);
          },
          async (name, completed) => {
            const store = await site().open({ name, stableName });
            const { revision, current } = await store.load();
            if (completed) assert.deepEqual(current, SECOND.ref);
            if (stableName) {
              const served = await site().mount(name);
              assert.ok(served?.["username"] === "orders_v1" || served?.["username"] === "orders_v2");
              assert.equal(Object.keys(served).length, 2);
            }
            assert.deepEqual(await site().mount(`${name}-v1-e1`), FIRST.value);
            await store.promote(SECOND.ref, current, revision, 2);
            assert.deepEqual((await store.load()).current, SECOND.ref);
            assert.deepEqual(await store.readPayload(), SECOND.value);
            assert.deepEqual(await site().mount(`${name}-v2-e2`), SECOND.value);
          },
        );
        assert.ok(steps >= 8, String(steps));
      });

      it("completes taking the label away", async () => {
        await killEverywhere(
          async (store) => {
            await rotate(store, FIRST, 1);
          },
          async (store) => store.clearCurrent((await store.load()).revision),
          async (name) => {
            const store = await site().open({ name, stableName });
            await store.clearCurrent((await store.load()).revision);
            assert.equal((await store.load()).current, null);
            await assert.rejects(store.readPayload(), NotFoundError);
            assert.equal(await site().mount(name), undefined);
          },
        );
      });

      it("completes a retirement, and lists the version until all of it is gone", async () => {
        await killEverywhere(
          async (store) => {
            await rotate(store, FIRST, 1);
            await rotate(store, SECOND, 2);
            await store.promote(FIRST.ref, SECOND.ref, (await store.load()).revision, 3);
            await rotate(store, SECOND, 4);
          },
          (store) => store.retire(FIRST.ref),
          async (name, completed) => {
            const store = await site().open({ name, stableName });
            const left = (await site().namesOf(name)).filter((one) => one.startsWith(`${name}-v1-`));
            const isListed = (await store.list()).some(({ version }) => version === 1);
            assert.ok(isListed || left.length === 0, left.join());
            if (completed) assert.ok(!isListed);
            await store.retire(FIRST.ref);
            assert.deepEqual(await store.list(), [SECOND.ref]);
            assert.equal(await site().mount(`${name}-v1-e1`), undefined);
            assert.equal(await site().mount(`${name}-v1-e3`), undefined);
          },
        );
      });
    });

    it(`finds that a call took effect whose answer was lost, ${suffix} a stable name`, async () => {
      const name = site().newName();
      let lost = 0;
      const first = new Set<string>();
      const losing = intercepted(async ({ method, name: which }, proceed) => {
        const answer = await proceed();
        if (!MUTATING.test(method) || first.has(`${method} ${which}`)) return answer;
        first.add(`${method} ${which}`);
        lost++;
        throw Object.assign(new Error("lost"), { code: "ECONNRESET" });
      });
      const store = await site().open({ name, stableName }, realContext(), losing);
      const fence = await store.commit({ n: 1 }, "0");
      assert.deepEqual(await store.putVersion(FIRST), FIRST.ref);
      const promoted = await store.promote(FIRST.ref, null, fence, 1);
      assert.deepEqual(await store.load(), { revision: promoted, body: { n: 1 }, current: FIRST.ref });
      const second = await rotate(store, SECOND, 2);
      await store.retire(FIRST.ref);
      await store.clearCurrent((await store.load()).revision);
      await store.retire(second);
      assert.deepEqual(await site().namesOf(name), [`${name}-rotation`]);
      assert.ok(lost >= (stableName ? 12 : 9), String(lost));
    });
  }

  describe("racing others", () => {
    it("promotes again with the same arguments after it was promoted", async () => {
      const store = await site().open({ name: site().newName() });
      const fence = await store.commit({}, "0");
      await store.putVersion(FIRST);
      const promoted = await store.promote(FIRST.ref, null, fence, 1);
      assert.equal(await store.promote(FIRST.ref, null, fence, 1), promoted);
      await store.commit({ n: 2 }, promoted);
      await assert.rejects(store.promote(FIRST.ref, null, fence, 1), ConflictError);
    });

    it("commits although somebody changed the Secret around the ledger meanwhile", async () => {
      const name = site().newName();
      let times = 0;
      const meddled = intercepted(async ({ method }, proceed) => {
        if (method === "replaceNamespacedSecret" && times++ < 2)
          await site().secret("PATCH", `${name}-rotation`, { metadata: { annotations: { seen: String(times) } } });
        return proceed();
      });
      const store = await site().open({ name }, realContext(), meddled);
      const first = await store.commit({ n: 1 }, "0");
      await store.commit({ n: 2 }, first);
      assert.equal(times, 3);
      assert.deepEqual((await store.load()).body, { n: 2 });
      const { annotations } = (await site().secret("GET", `${name}-rotation`)).body.metadata;
      assert.equal(annotations.seen, "2", "what others wrote stays");
    });

    it("does not write an earlier version into the stable Secret when it comes late", async () => {
      const name = site().newName();
      const options = { name, stableName: true };
      await rotate(await site().open(options), FIRST, 1);
      let overtaken = false;
      const slow = intercepted(async ({ method, name: which }, proceed) => {
        if (method === "replaceNamespacedSecret" && which === name && !overtaken) {
          overtaken = true;
          const fast = await site().open(options);
          await fast.putVersion(THIRD);
          const { revision, current } = await fast.load();
          assert.equal(current, null, "the label has moved, its readers have not");
          await fast.promote(THIRD.ref, null, revision, 3);
        }
        return proceed();
      });
      const late = await site().open(options, realContext(), slow);
      const error = await failureOf(rotate(late, SECOND, 2));
      assert.ok(error instanceof ConflictError && overtaken, error.message);
      assert.deepEqual(await site().mount(name), THIRD.value);
      assert.deepEqual((await late.load()).current, THIRD.ref);
    });

    it("gives up, and says so, where a Secret is changed again each time", async () => {
      const name = site().newName();
      let times = 0;
      const restless = intercepted(async ({ method }, proceed) => {
        if (method === "replaceNamespacedSecret")
          await site().secret("PATCH", `${name}-rotation`, { metadata: { annotations: { n: String(++times) } } });
        return proceed();
      });
      const store = await site().open({ name }, realContext(), restless);
      const first = await store.commit({ n: 1 }, "0");
      const error = await failureOf(store.commit({ n: 2 }, first));
      assert.ok(error instanceof ConflictError);
      assert.match(error.message, /was changed 5 times/);
      assert.equal((await store.load()).revision, first);
    });
  });
}
