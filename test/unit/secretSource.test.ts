import assert from "node:assert/strict";
import { secretFrom } from "../../components/options";
import { secretSourceSchema, type SecretSource } from "../../provider/contracts/secretSource";
import { ConfigurationError } from "../../provider/lifecycle/errors";
import { Runtime } from "../../provider/runtime";
import { resetMemoryStores } from "../../provider/stores/memory";

const STORE = { type: "memory", name: "admin" };

async function holding(value: Record<string, string>): Promise<Runtime> {
  resetMemoryStores();
  const runtime = new Runtime(() => undefined);
  const store = await runtime.store(STORE);
  const ref = { version: 1, token: "one" };
  await store.putVersion({ secret: "admin", ref, fingerprint: "fp", issued: {}, value });
  await store.promote(ref, null, (await store.load()).revision, 1);
  return runtime;
}

describe("a credential whose source is a store", () => {
  const resolve = async (runtime: Runtime, source: SecretSource) => runtime.context.resolveSecret(source);

  it("is the field that is named", async () => {
    const runtime = await holding({ username: "admin", password: "hunter2" });
    assert.equal(await resolve(runtime, secretFrom.store(STORE, "password")), "hunter2");
  });

  it("is the only field where none is named", async () => {
    assert.equal(await resolve(await holding({ token: "t0ken" }), secretFrom.store(STORE)), "t0ken");
  });

  it("is read again each time, so that it may be rotated itself", async () => {
    const runtime = await holding({ token: "first" });
    const source = secretFrom.store(STORE);
    assert.equal(await resolve(runtime, source), "first");
    const store = await runtime.store(STORE);
    const ref = { version: 2, token: "two" };
    await store.putVersion({ secret: "admin", ref, fingerprint: "fp", issued: {}, value: { token: "second" } });
    const { current, revision } = await store.load();
    await store.promote(ref, current, revision, 2);
    assert.equal(await resolve(runtime, source), "second");
  });

  it("is refused with the names that there are, and without a value, where it is not clear which is meant", async () => {
    const runtime = await holding({ username: "admin", password: "hunter2" });
    for (const [field, expected] of [
      [undefined, /memory:admin has several fields, and none is named; there are username, password/],
      ["pass", /memory:admin has no field "pass", or it is empty; there are username, password/],
      ["toString", /has no field "toString"/],
    ] as const)
      await assert.rejects(resolve(runtime, secretFrom.store(STORE, field)), (error: Error) => {
        assert.ok(error instanceof ConfigurationError);
        assert.match(error.message, expected);
        assert.ok(!error.message.includes("hunter2"));
        return true;
      });
  });
});

describe("where a credential is found", () => {
  const schema = secretSourceSchema("connection.admin");

  it("is one of four, told by its options", () => {
    const sources = [
      secretFrom.env("A"),
      secretFrom.file("a"),
      secretFrom.config("a"),
      secretFrom.store(STORE),
      secretFrom.store(STORE, "password"),
    ];
    for (const source of sources) assert.deepEqual(schema.parse(source), source);
  });

  it("is never the credential itself, and the message does not repeat what was given", () => {
    for (const given of ["postgres://admin:hunter2@db", { from: "hunter2" }, { from: "env", name: "A", more: 1 }, {}]) {
      const { error } = schema.safeParse(given);
      assert.ok(error, JSON.stringify(given));
      assert.ok(!error.message.includes("hunter2"), error.message);
    }
    assert.match(schema.safeParse("hunter2").error?.message ?? "", /connection\.admin must say where it is found/);
  });
});
