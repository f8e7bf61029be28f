/** docs/native.md is held against the components, and their permissions against what the stores' own pages say. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { consumerPolicy, pipelinePolicy } from "../../../components/aws/policies";
import { PIPELINE_PERMISSIONS } from "../../../components/gcp";
import { PIPELINE_RULES } from "../../../components/kubernetes/roles";
import { consumerRules, pipelineRules, policyText, type PolicyRule } from "../../../components/vault/policies";

const ROOT = resolve(__dirname, "../../..");
const page = read("docs/native.md");

const COMPONENTS = {
  VaultKvSecret: "components/vault/vaultKvSecret.ts",
  AwsSecret: "components/aws/awsSecret.ts",
  GcpSecret: "components/gcp/gcpSecret.ts",
  KubernetesSecretStore: "components/kubernetes/kubernetesSecretStore.ts",
};
const PLACE = { mount: "secret", path: "orders/db" };
const SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-a1B2c3";
const COMPANION = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-rotation-d4E5f6";
const KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, block]) => block ?? "",
  );
}

/** The names in the first cells of the tables of a section, by the heading of that column. */
function namesIn(section: string, heading: string): string[] {
  const table = new RegExp(`^\\| ${heading} [\\s\\S]*?(?=\\n\\n|$(?![\\s\\S]))`, "m").exec(section)?.[0] ?? "";
  const cells = table.split("\n").map((row) => /^\| (`.*?) +\|/.exec(row)?.[1] ?? "");
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name ?? "")).sort();
}

/** The members of the interface of arguments, and the public ones of the class. */
function membersOf(file: string, component: string): { args: string[]; outputs: string[] } {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const members: Record<string, string[]> = {};
  source.forEachChild((node) => {
    if (ts.isInterfaceDeclaration(node)) members[node.name.text] = node.members.map((member) => nameOf(member.name));
    if (ts.isClassDeclaration(node) && node.name)
      members[node.name.text] = node.members.filter(ts.isPropertyDeclaration).map((member) => nameOf(member.name));
  });
  return { args: (members[`${component}Args`] ?? []).sort(), outputs: (members[component] ?? []).sort() };
}

function nameOf(name: ts.PropertyName | undefined): string {
  return name && ts.isIdentifier(name) ? name.text : "unreadable";
}

describe("the page of the native resources", () => {
  for (const [component, file] of Object.entries(COMPONENTS)) {
    it(`names every argument and every output of ${component}, and no other`, () => {
      const section = page.split(`\n## ${component}\n`)[1]?.split("\n## ")[0] ?? "";
      const { args, outputs } = membersOf(file, component);
      assert.ok(args.length > 4 && outputs.length > 2, "they were found");
      assert.deepEqual(namesIn(section, "argument"), args);
      assert.deepEqual(namesIn(section, "output"), outputs);
    });
  }

  it("shows the policies as they are", () => {
    assert.deepEqual(
      blocksOf(page, "hcl"),
      [pipelineRules, consumerRules].map((rules) => policyText(rules(PLACE))),
    );
    const place = { secret: SECRET, companion: COMPANION, key: KEY };
    assert.deepEqual(
      blocksOf(page, "json").map((block) => JSON.parse(block) as unknown),
      [pipelinePolicy(place), consumerPolicy(place)].map((policy) => JSON.parse(policy) as unknown),
    );
    assert.deepEqual(blocksOf(page, "text"), [`${PIPELINE_PERMISSIONS.join("\n")}\n`]);
    assert.deepEqual(blocksOf(page, "yaml").map(verbsIn), [PIPELINE_RULES.map(({ verbs }) => verbs)]);
  });
});

describe("the permissions of the native resources", () => {
  it("are those that the Vault store needs", () => {
    const text = read("docs/stores/vault.md");
    const [pipeline = "", consumer = ""] = blocksOf(text, "hcl");
    assert.deepEqual(rulesIn(pipeline), pipelineRules(PLACE));
    assert.deepEqual(rulesIn(consumer), consumerRules(PLACE));
  });

  it("are those that the AWS store needs, less what makes and deletes secrets", () => {
    const text = read("docs/stores/aws.md");
    const [pipeline] = blocksOf(text, "json");
    const { Statement } = JSON.parse(pipelinePolicy({ secret: SECRET, companion: COMPANION })) as {
      Statement: { Action: string[] }[];
    };
    const ofSecrets = /^secretsmanager:(Create|Restore|Delete|Tag)/;
    const needed = [...(pipeline ?? "").matchAll(/"(secretsmanager:\w+)"/g)].map(([, action]) => action ?? "");
    assert.ok(needed.length > 3);
    assert.deepEqual(
      Statement.flatMap(({ Action }) => Action).sort(),
      [...new Set(needed)].filter((action) => !ofSecrets.test(action)).sort(),
    );
  });

  it("are those that the Google Cloud store needs, less what makes secrets", () => {
    const text = read("docs/stores/gcp.md");
    const section = text.split("\n## Permissions\n")[1]?.split("\n## ")[0] ?? "";
    const needed = [...section.matchAll(/secretmanager\.(?:secrets|versions)\.\w+/g)].map(([permission]) => permission);
    assert.deepEqual(
      [...PIPELINE_PERMISSIONS],
      [...new Set(needed)].filter((permission) => permission !== "secretmanager.secrets.create").sort(),
    );
  });

  it("are those that the Kubernetes store needs", () => {
    const text = read("docs/stores/kubernetes.md");
    assert.deepEqual(
      blocksOf(text, "yaml").slice(0, 1).flatMap(verbsIn).flat(),
      PIPELINE_RULES.flatMap(({ verbs }) => verbs),
    );
  });
});

function rulesIn(policy: string): PolicyRule[] {
  return [...policy.matchAll(/path "([^"]+)" \{\s*capabilities = (\[[^\]]*\])/g)].map(([, path = "", list = ""]) => ({
    path,
    capabilities: JSON.parse(list) as PolicyRule["capabilities"],
  }));
}

function verbsIn(role: string): string[][] {
  return [...role.matchAll(/verbs: (\[.*\])/g)].map(([, verbs]) => JSON.parse(verbs ?? "[]") as string[]);
}
