/** The lint rule that holds the direction of dependencies must not silently stop working. */
import { ESLint } from "eslint";
import assert from "node:assert/strict";
import { join, resolve } from "node:path";

const ROOT = resolve(__dirname, "../..");
const RULE = "rotation/import-direction";

describe("The direction of dependencies", function () {
  this.timeout(120_000); // the first use loads typescript-eslint

  let eslint: ESLint;
  before(() => {
    eslint = new ESLint({
      cwd: ROOT,
      // The project's own configuration, less what needs the files to be real.
      ruleFilter: ({ ruleId }) => ruleId === RULE,
      overrideConfig: { languageOptions: { parserOptions: { project: false } } },
    });
  });

  async function complaints(file: string, code: string): Promise<string[]> {
    const [result] = await eslint.lintText(code, { filePath: join(ROOT, file) });
    assert.ok(result, `ESLint did not look at ${file}`);
    const broken = result.messages.filter(({ ruleId }) => ruleId !== RULE);
    assert.deepEqual(broken, [], `ESLint could not check ${file}`);
    return result.messages.map(({ message }) => message);
  }

  const forbidden: [what: string, file: string, code: string][] = [
    ["the lifecycle imports a contract", "provider/lifecycle/x.ts", 'import { a } from "../contracts/kind";'],
    [
      "the lifecycle imports even a type of a contract",
      "provider/lifecycle/x.ts",
      'import type { A } from "../contracts/kind";',
    ],
    ["the lifecycle reads files", "provider/lifecycle/x.ts", 'import * as fs from "node:fs";'],
    ["the lifecycle imports Pulumi", "provider/lifecycle/x.ts", 'import * as pulumi from "@pulumi/pulumi";'],
    ["a contract imports a rotation step", "provider/contracts/x.ts", 'export * from "../rotation/rotate";'],
    ["a trigger imports a rotation step", "provider/triggers/x.ts", 'import { a } from "../rotation/rotate";'],
    ["a rotation step imports an adapter", "provider/rotation/x.ts", 'import { a } from "../kinds/postgres";'],
    ["a rotation step imports the audit sink", "provider/rotation/x.ts", 'import { a } from "../audit/file";'],
    [
      "a rotation step loads an adapter late",
      "provider/rotation/x.ts",
      'export const a = () => import("../stores/file");',
    ],
    ["a kind imports another kind", "provider/kinds/postgres/x.ts", 'import { a } from "../mysql/y";'],
    ["a kind imports a store", "provider/kinds/postgres/x.ts", 'import { a } from "../../stores/file/store";'],
    ["a store imports a rotation step", "provider/stores/file/x.ts", 'import { a } from "../../rotation/rotate";'],
    [
      "a consumer requires a check",
      "provider/consumers/process/x.ts",
      'const a = require("../../checks/http"); export { a };',
    ],
    ["a check imports an audit sink", "provider/checks/x.ts", 'import { a } from "../audit/file";'],
    ["an audit sink imports the registry", "provider/audit/x.ts", 'import { a } from "../registry";'],
    ["a secret source imports Pulumi", "provider/secrets/x.ts", 'import * as pulumi from "@pulumi/pulumi";'],
    ["an adapter imports Pulumi", "provider/stores/file/x.ts", 'import type { Output } from "@pulumi/pulumi";'],
    [
      "an adapter imports the package by its own name",
      "provider/stores/file/x.ts",
      'import { a } from "pulumi-rotating-secrets/testing";',
    ],
    ["an input shape imports a rotation step", "provider/inputs/x.ts", 'import { a } from "../rotation/rotate";'],
    ["an engine method names an adapter", "provider/engine/x.ts", 'import { a } from "../stores/file";'],
    ["a folder without a place imports anything", "provider/novelty/x.ts", 'import { a } from "../rotation/rotate";'],
    ["the handler names an adapter", "provider/handler.ts", 'import { a } from "./kinds/postgres";'],
    ["the handler imports Pulumi", "provider/handler.ts", 'import * as pulumi from "@pulumi/pulumi";'],
    ["the registry imports Pulumi", "provider/registry.ts", 'import * as pulumi from "@pulumi/pulumi";'],
    ["a resource names an adapter", "provider/resources/x.ts", 'import { a } from "../stores/file";'],
    ["a component loads an adapter", "components/x.ts", 'import { a } from "../provider/kinds/postgres";'],
    [
      "a component loads an adapter beside a type",
      "components/x.ts",
      'import { type A, b } from "../provider/kinds/postgres";',
    ],
    ["a component loads an adapter for its effects", "components/x.ts", 'import "../provider/kinds/postgres";'],
    ["a component loads an SDK", "components/x.ts", 'import { Client } from "pg";'],
    ["a component loads a native SDK", "components/x.ts", 'import { Secret } from "@pulumi/aws/secretsmanager";'],
    ["a component loads a native entry", "components/x.ts", 'import { AwsSecret } from "./aws";'],
    [
      "a native entry loads another SDK",
      "components/aws/x.ts",
      'import { Namespace } from "@pulumi/kubernetes/core/v1";',
    ],
    ["a native entry loads another one", "components/aws/x.ts", 'import { GcpSecret } from "../gcp";'],
    ["a native entry loads an adapter", "components/vault/x.ts", 'import { a } from "../../provider/stores/file";'],
    ["index.ts loads a native entry", "index.ts", 'export { AwsSecret } from "./components/aws";'],
    ["index.ts loads an adapter", "index.ts", 'export { a } from "./provider/stores/file";'],
    ["index.ts loads an SDK", "index.ts", 'import { Client } from "pg";'],
    ["the command names an adapter", "cli/x.ts", 'import { a } from "../provider/stores/file";'],
    ["the command imports Pulumi", "cli/x.ts", 'import * as pulumi from "@pulumi/pulumi";'],
    ["the client loads something of the provider", "client/x.ts", 'import { a } from "../provider/lifecycle/errors";'],
    ["the client loads a package", "client/x.ts", 'import { z } from "zod";'],
    ["a conformance suite names an adapter", "testing/x.ts", 'import { a } from "../provider/stores/file";'],
  ];
  for (const [what, file, code] of forbidden) {
    it(`is reported as broken when ${what}`, async () => {
      const found = await complaints(file, code);
      assert.equal(found.length, 1, `expected one complaint about ${file}: ${code}\nfound: ${found.join("\n")}`);
      assert.match(found[0]!, /may not import .* Allowed: /);
    });
  }

  const allowed: [what: string, file: string, code: string][] = [
    [
      "the lifecycle imports itself, luxon and zod",
      "provider/lifecycle/x.ts",
      'import "./ledger"; import "luxon"; import "zod";',
    ],
    ["a contract imports the lifecycle", "provider/contracts/x.ts", 'import { a } from "../lifecycle/ledger";'],
    [
      "a trigger imports lifecycle and contracts",
      "provider/triggers/x.ts",
      'import "../lifecycle/ledger"; import "../contracts/kind";',
    ],
    ["a rotation step chains audit records", "provider/rotation/x.ts", 'import { a } from "../audit/chain";'],
    ["a kind imports its own folder and its SDK", "provider/kinds/postgres/x.ts", 'import "./session"; import "pg";'],
    ["a store imports its own folder by name", "provider/stores/file/x.ts", 'import { a } from "../file";'],
    ["a check imports its own folder", "provider/checks/x.ts", 'import { a } from "./schedule";'],
    ["the registry loads an adapter", "provider/registry.ts", 'export const a = () => import("./kinds/postgres");'],
    ["the handler imports the registry", "provider/handler.ts", 'import { a } from "./registry";'],
    ["a resource imports Pulumi", "provider/resources/x.ts", 'import * as pulumi from "@pulumi/pulumi";'],
    [
      "a component imports Pulumi and a resource",
      "components/x.ts",
      'import "@pulumi/pulumi"; import "../provider/resources/rollout";',
    ],
    [
      "a component imports a type of an adapter",
      "components/x.ts",
      'import type { A } from "../provider/kinds/postgres";',
    ],
    [
      "a native entry imports its own SDK, its own folder and the plain stores",
      "components/aws/x.ts",
      'import "@pulumi/pulumi"; import "@pulumi/aws/iam"; import "./policies"; import "../stores"; import "../../provider/lifecycle/payload";',
    ],
    [
      "index.ts exports a component and types",
      "index.ts",
      'export * from "./components/rollout"; export type { A } from "./provider/contracts/kind";',
    ],
    ["a test imports anything", "test/unit/x.ts", 'import "../../provider/stores/file"; import "@pulumi/pulumi";'],
  ];
  for (const [what, file, code] of allowed) {
    it(`is kept when ${what}`, async () => {
      assert.deepEqual(await complaints(file, code), []);
    });
  }
});
