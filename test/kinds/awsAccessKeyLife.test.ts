import * as assert from "node:assert/strict";
import { useAccessKeys } from "./awsAccessKeySite";
import { HOUR, Life } from "./life";

describe("a secret that is an AWS access key", () => {
  const site = useAccessKeys();
  let life: Life;
  const keys = async () =>
    Object.fromEntries(
      ((await site.iam.listAccessKeys({ UserName: site.user })).AccessKeyMetadata ?? []).map((key) => [
        key.AccessKeyId,
        key.Status,
      ]),
    );
  const kind = () => ({ ...site.options({ endpoint: site.front.endpoint, usedWithin: "5h" }) });
  const works = async (value: Readonly<Record<string, string>>) =>
    site
      .sts(value)
      .getCallerIdentity({})
      .then(
        () => true,
        () => false,
      );

  beforeEach(() => (life = new Life(kind)));

  it("is superseded, held back while it is used, made inactive, and deleted with a proof", async () => {
    await life.up();
    const first = life.current().value;
    life.event();
    await life.up();
    const second = life.current().value;
    assert.notEqual(second["accessKeyId"], first["accessKeyId"]);
    assert.deepEqual([await works(first), await works(second)], [true, true]);
    life.clock.advance(2 * HOUR);
    await life.up();
    assert.deepEqual(await life.states(), { v1: "superseded", v2: "active" });
    const held = (await life.ledger()).versions[0]?.putOff;
    assert.match(held?.message ?? "", /^v1 \(orders-\d+\/AKIA\w+\) is still used by sts in/);
    life.clock.advance(4 * HOUR);
    await life.up();
    assert.deepEqual(await life.states(), { v1: "disabled", v2: "active" });
    assert.deepEqual(await keys(), { [first["accessKeyId"]!]: "Inactive", [second["accessKeyId"]!]: "Active" });
    life.clock.advance(HOUR + 1000);
    await life.up();
    assert.deepEqual(await life.states(), { v1: "retired", v2: "active" });
    assert.deepEqual(await keys(), { [second["accessKeyId"]!]: "Active" });
    assert.match(
      (await life.ledger()).versions[0]?.proof?.detail ?? "",
      /refuses a log-in with it \(InvalidClientTokenId\)/,
    );
    assert.deepEqual(Object.keys(await site.tags()), [`rotation:${second["accessKeyId"]}`]);
  });

  it("goes on after a run that was stopped as AWS had made the key and nobody had its secret", async () => {
    await life.up();
    const first = life.current().value;
    life.event();
    let made = 0;
    site.front.meddle = async (call) => {
      const answer = await call.forward();
      return call.action === "CreateAccessKey" && ++made === 1 ? "drop" : answer;
    };
    assert.match(String((await life.run()).error), /CreateAccessKey .*Whether it was done is not known/);
    const lost = Object.keys(await keys()).find((id) => id !== first["accessKeyId"]);
    assert.ok(lost, "AWS has made it");
    assert.deepEqual(life.current().value, first);
    await life.up();
    const second = life.current().value;
    assert.deepEqual(Object.keys(await keys()).toSorted(), [first["accessKeyId"], second["accessKeyId"]].toSorted());
    assert.ok(!(lost in (await keys())), "the lost one is deleted");
    assert.equal(made, 2);
    assert.deepEqual([await works(first), await works(second)], [true, true]);
  });

  it("stops before a key that nobody knows, and goes on when it is gone", async () => {
    await life.up();
    const first = life.current().value;
    const foreign = await site.foreignKey();
    life.event();
    const { error } = await life.run();
    assert.match(String(error), new RegExp(`does not know: ${foreign.accessKeyId} \\(active`));
    assert.deepEqual(life.current().value, first);
    assert.equal(await works(foreign), true);
    await site.iam.deleteAccessKey({ UserName: site.user, AccessKeyId: foreign.accessKeyId });
    await life.up();
    assert.equal((await life.states())["v2"], "active");
  });

  it("begins with a key that is in use, which becomes the superseded version", async () => {
    const given = await site.foreignKey();
    process.env["ROTATION_TEST_KEY"] = given.secretAccessKey;
    life = new Life(kind, {
      adopt: { username: given.accessKeyId, password: { from: "env", name: "ROTATION_TEST_KEY" } },
    });
    await life.up();
    assert.equal((await life.ledger()).versions[0]?.adopted, true);
    assert.notEqual(life.current().value["accessKeyId"], given.accessKeyId);
    assert.equal(await works(given), true);
    for (const hours of [7, 2, 2]) {
      life.clock.advance(hours * HOUR);
      await life.up();
    }
    assert.equal(await works(given), false);
    assert.deepEqual(Object.keys(await keys()), [life.current().value["accessKeyId"]]);
  });

  it("leaves nothing at the issuer when it is torn down", async () => {
    await life.up();
    const { error } = await life.stack.destroy();
    assert.ifError(error);
    assert.deepEqual(await keys(), {});
    assert.deepEqual(await site.tags(), {});
  });
});
