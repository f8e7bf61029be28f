import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { PASSPHRASE, Site } from "./site";

const DAY = 86_400_000;

describe("secret values", function () {
  this.timeout(180_000);
  let site: Site;
  before(async () => {
    site = await Site.open();
  });
  after(async () => {
    await site.close();
  });

  /** Every text that the run could have left a value in, by name. */
  function places(outputs: Record<string, string>): Record<string, string> {
    const audit = readFileSync(join(site.stack.folder, "secrets/orders-db/audit.jsonl"), "utf8");
    const backend = filesBelow(join(site.stack.folder, "backend")).map((file) => [file, readFileSync(file, "latin1")]);
    return { ...outputs, "the audit trail": audit, ...(Object.fromEntries(backend) as Record<string, string>) };
  }

  it("are in no state, no output at the highest verbosity, no trace and no audit record", async () => {
    const adminUrl = site.stack.env["PGADMIN_URL"] ?? "";
    const adminPassword = new URL(adminUrl).password;
    // The admin credential comes from an encrypted configuration key, the usual place.
    delete site.stack.env["PGADMIN_URL"];
    await site.stack.must("config", "set", "--secret", "adminUrl", adminUrl);
    site.program({ admin: 'rotation.secretFrom.config("adminUrl")' });
    const trace = join(site.stack.folder, "grpc.json");
    const loud = (...args: string[]) =>
      site.stack.start([...args, "--debug", "-v=11", "--logtostderr", "--logflow"], { PULUMI_DEBUG_GRPC: trace }).done;
    const passwords: string[] = [];
    const outputs: Record<string, string> = {};
    const record = async (name: string, ...args: string[]) => {
      const { code, output } = await loud(...args);
      assert.equal(code, 0, output.slice(-3000));
      outputs[`output of ${name}`] = output;
      passwords.push(...deliveredPasswords());
    };
    const deliveredPasswords = () => {
      const { secrets } = JSON.parse(readFileSync(join(site.stack.folder, "app.json"), "utf8")) as {
        secrets: Record<string, { value: Record<string, string> }>;
      };
      return Object.values(secrets).map((secret) => secret.value["password"] ?? "");
    };
    await record("the first up", "up", "--yes", "--skip-preview");
    site.advance(91 * DAY);
    await record("preview", "preview", "--diff");
    await record("the rotation", "up", "--yes", "--skip-preview");
    site.advance(DAY);
    await record("the retirement", "up", "--yes", "--skip-preview");
    outputs["the exported state"] = await site.stack.must("stack", "export");
    const decrypted = JSON.parse(await site.stack.must("stack", "export", "--show-secrets")) as {
      deployment: { resources: { type: string }[] };
    };
    // Of the decrypted state only our own entries: the engine keeps the configuration with its provider entry.
    const entries = decrypted.deployment.resources.filter((entry) => /rotation:/.test(entry.type));
    outputs["our entries, decrypted"] = JSON.stringify(entries, null, 1);

    const ours = [...new Set(passwords)];
    assert.equal(ours.length, 2, "the test knows both passwords");
    const everywhere = places({ ...outputs, "the gRPC trace": readFileSync(trace, "utf8") });
    for (const [place, text] of Object.entries(everywhere)) {
      for (const password of [...ours, PASSPHRASE])
        assert.equal(text.includes(password), false, `a secret value is in ${place}`);
    }

    // The engine hands a stack's configuration to the language host and to every provider, and shows that at this
    // verbosity, with this package or without. So what is held against us is what a stack without us does not show.
    for (const [place, text] of Object.entries(everywhere)) {
      const lines = text.split("\n").filter((line) => line.includes(adminPassword) && !isTheEnginesOwn(line));
      assert.deepEqual(lines.map(describeLine), [], `the admin's password is in ${place}`);
    }
  });

  it("of the configuration are shown by the engine itself in the same places, without this package", async () => {
    const bare = await Site.open();
    try {
      const value = "configured-secret-value";
      await bare.stack.must("config", "set", "--secret", "adminUrl", value);
      bare.stack
        .program(`class Native extends pulumi.CustomResource { constructor(name) { super("pulumi-nodejs:dynamic/test:Native", name, { __provider: 'exports.handler=()=>({ create: async () => ({ id: "native", outs: {} }) })' }); } }
new Native("native");`);
      const trace = join(bare.stack.folder, "grpc.json");
      const loud = ["up", "--yes", "--skip-preview", "--debug", "-v=11", "--logtostderr", "--logflow"];
      await bare.stack.mustUp();
      const { code, output } = await bare.stack.start(loud, { PULUMI_DEBUG_GRPC: trace }).done;
      assert.equal(code, 0, output);
      const shown = [...output.split("\n"), ...readFileSync(trace, "utf8").split("\n")].filter((line) =>
        line.includes(value),
      );
      for (const place of [/Configure\(\)\.inputs/, /LanguageRuntime\/Run/, /DiffConfig/, /CheckConfig/])
        assert.ok(
          shown.some((line) => place.test(line)),
          `the engine shows it in ${place.source}`,
        );
      assert.deepEqual(shown.filter((line) => !isTheEnginesOwn(line)).map(describeLine), []);
    } finally {
      await bare.close();
    }
  });
});

/** Messages by which the engine distributes the configuration; no resource's properties are in them. */
function isTheEnginesOwn(line: string): boolean {
  if (/RPC\[Provider\[\w+\]\.Configure\(\)\.inputs\]/.test(line)) return true;
  const method = /"method":"([^"]+)"/.exec(line)?.[1] ?? "";
  return [
    "/pulumirpc.LanguageRuntime/Run",
    "/pulumirpc.ResourceProvider/CheckConfig",
    "/pulumirpc.ResourceProvider/DiffConfig",
    "/pulumirpc.ResourceProvider/Configure",
  ].includes(method);
}

/** Enough to find the line again, and none of its values. */
function describeLine(line: string): string {
  return /"method":"([^"]+)"/.exec(line)?.[1] ?? line.slice(0, 120);
}

describe("the state of a rotating secret and its rollout", function () {
  this.timeout(120_000);
  let site: Site;
  before(async () => {
    site = await Site.open();
    site.program();
    await site.stack.mustUp();
  });
  after(async () => {
    await site.close();
  });

  it("takes at most 6 KB, of which the provider text is under 300 bytes a resource", async () => {
    const { deployment } = await site.stack.exported();
    const ours = (deployment.resources ?? []).filter((entry) => /rotation:/.test(entry.type));
    assert.equal(ours.length, 3, "a component, its version, and a rollout");
    const bytes = ours.reduce((sum, entry) => sum + Buffer.byteLength(JSON.stringify(entry)), 0);
    assert.ok(bytes <= 6 * 1024, `${bytes} bytes`);
    for (const entry of ours) {
      const text = [entry.inputs, entry.outputs].map(textOf).join("");
      assert.ok(text.length < 300, `${text.length} bytes of provider text in ${entry.type}`);
    }
  });
});

function textOf(properties: Record<string, unknown> | undefined): string {
  const text = properties?.["__provider"];
  return typeof text === "string" ? text : "";
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? filesBelow(path) : [path]));
}
