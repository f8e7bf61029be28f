/** What a program writes about consumers that are told and about the further checks, held against what adapters take. */
import assert from "node:assert/strict";
import { check } from "../../../components/checks";
import { consumer } from "../../../components/consumers";
import type { Descriptor } from "../../../components/options";
import * as registry from "../../../provider/registry";
import { problems } from "../../consumers/checks/support";

const TOKEN = { from: "env", name: "TOKEN" } as const;
const ADOPTION = { url: "https://app/", headers: { authorization: TOKEN }, caFile: "/ca.pem" };
const BY_ADOPTION = { adoption: ADOPTION, adoptionTimeout: "2m", interval: "1s" } as const;
const TOLD = { name: "orders", wave: 2, pinned: true, readersCache: "5m" } as const;
const CHECKED = {
  name: "orders",
  interval: "2s",
  timeout: "3s",
  failureThreshold: 2,
  bake: "1m",
  within: "2m",
  successThreshold: 2,
} as const;
const COMPARED = { baseline: "compare", baselineSamples: 5, tolerance: { factor: 1.5, absolute: 20 } } as const;

const AWS = {
  region: "eu-west-1",
  endpoint: "https://vpce-1.ecs.eu-west-1.vpce.amazonaws.com",
  profile: "prod",
  assumeRole: { roleArn: "arn:aws:iam::123456789012:role/rotation", externalId: "shop", sessionName: "rotation" },
  maxAttempts: 3,
} as const;

const CONSUMERS: Readonly<Record<string, Descriptor>> = {
  cloudRun: consumer.cloudRun({
    ...{ name: "orders", wave: 2, readersCache: "5m", ...BY_ADOPTION },
    ...{ project: "shop-prod", region: "europe-west3", service: "orders", function: true },
    secrets: { "orders-db": { secret: "orders-db", project: "shop-secrets" }, "orders-mail": false },
    traffic: { percents: [10, 50], hold: "2m" },
    probe: {
      ...{ path: "/healthz", headers: { authorization: TOKEN }, caFile: "/ca.pem" },
      ...{ expectStatus: [200, 204], within: "30s", timeout: "5s" },
    },
    ...{ timeout: "20m", callTimeout: "20s", interval: "1s" },
    ...{ endpoint: "127.0.0.1:8080", secretsEndpoint: "127.0.0.1:8081", insecure: true },
  }),
  httpHook: consumer.httpHook({
    ...{ ...TOLD, ...BY_ADOPTION, url: "https://app/reload", signingKey: TOKEN, formerSigningKey: TOKEN },
    ...{ headers: { "x-team": "orders", authorization: TOKEN }, caFile: "/ca.pem", expectStatus: [200, 202] },
    ...{ timeout: "20s", attempts: 3 },
  }),
  command: consumer.command({
    ...{ ...TOLD, adoptionTimeout: "2m", interval: "1s", command: ["orders-ctl", "reload"], timeout: "5m" },
    ...{ env: { REGION: "eu", TOKEN }, confirm: { command: ["orders-ctl", "uses-version"], timeout: "5s" } },
  }),
  kubernetes: consumer.kubernetes({
    ...{ name: "orders", wave: 2, readersCache: "5m", ...BY_ADOPTION, namespace: "shop", selector: "app=orders" },
    ...{ kubeconfig: { path: "/kubeconfig", context: "shop" }, secrets: { "the database": "orders-db" } },
    ...{ annotationOnly: true, timeout: "20m", requestTimeout: "20s" },
  }),
  lambda: consumer.lambda({
    ...{ name: "orders", wave: 2, functionName: "orders", alias: "live", region: "eu-west-1" },
    ...{ endpoint: "https://lambda.eu-west-1.amazonaws.com", profile: "staging", timeout: "20s", maxAttempts: 3 },
    assumeRole: { roleArn: "arn:aws:iam::123456789012:role/rotation", externalId: "orders", sessionName: "ci" },
    environment: { "orders-db": { DB_VERSION_ID: "{versionId}" }, mail: { MAIL: "{secret}/{version}" } },
    ...{ weights: [10, 50], stepInterval: "30s", readersCache: "1m", readyTimeout: "5m", adoptionTimeout: "2m" },
    probe: { payload: { probe: true }, adoption: true, attempts: 2, timeout: "1m" },
    ...{ interval: "2s", propagation: "5s", unreleased: "publish", keepVersions: 5 },
  }),
  ecs: consumer.ecs({
    ...{ name: "orders", wave: 2, readersCache: "5m", ...BY_ADOPTION, cluster: "prod", service: "orders" },
    ...{ container: "app", taskDefinition: "revise", failedTasks: 3, readyTimeout: "20m", ...AWS, timeout: "5s" },
    secrets: {
      "orders-db": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf",
      "orders-mail": { variable: "MAIL_VERSION" },
    },
  }),
  signal: consumer.signal({ ...TOLD, ...BY_ADOPTION, pidFile: "/run/a.pid", signal: "SIGUSR1", program: "orders" }),
};

const CHECKS: Readonly<Record<string, Descriptor>> = {
  cloudWatch: check.cloudWatch({
    ...{ ...CHECKED, ...AWS, canary: true, successThreshold: 2, baseline: "compare", baselineSamples: 5 },
    ...{ namespace: "Orders", metricName: "Errors", dimensions: { Service: "orders" }, statistic: "Sum" },
    ...{ period: "5m", maxAge: "10m", below: 5, missing: "healthy", tolerance: { factor: 2 } },
  }),
  tls: check.tls({
    ...{ ...CHECKED, host: "orders.internal", port: 443, addresses: ["10.0.0.7"], servername: "orders" },
    ...{ caFile: "/ca.pem", minRemaining: "14d", fingerprint: "ab".repeat(32), secret: "web" },
  }),
  http: check.http({
    ...{ ...CHECKED, ...COMPARED, canary: true, url: "https://app/healthz", method: "POST", expectStatus: [200, 204] },
    ...{ expectBody: "ok", expectJson: { path: "status", equals: "up" }, headers: { authorization: TOKEN } },
    ...{ caFile: "/ca.pem" },
  }),
  prometheus: check.prometheus({
    ...{ ...CHECKED, ...COMPARED, canary: true, url: "https://prometheus/", query: "sum(errors)", below: 5 },
    ...{ expectSeries: { min: 1, max: 9 }, missing: "healthy", maxAge: "1m", ageOf: "errors" },
    ...{ headers: { authorization: TOKEN }, caFile: "/ca.pem" },
  }),
  command: check.command({
    ...CHECKED,
    baseline: "compare",
    baselineSamples: 5,
    canary: true,
    command: ["orders-ctl", "healthy"],
    env: { REGION: "eu", TOKEN },
  }),
};

/** Options that another one excludes. */
const EXCLUDED: Readonly<Record<string, readonly string[]>> = {
  "consumer command": ["adoption"],
  "consumer kubernetes": ["workload", "declared"],
  "check tls": ["serialNumber", "canary", "baseline", "baselineSamples"],
  "check prometheus": ["above", "equals"],
  "check cloudWatch": ["alarm", "above"],
};

describe("what a program writes about consumers and checks", () => {
  for (const [what, family, descriptors] of [
    ["consumer", registry.consumers, CONSUMERS],
    ["check", registry.checks, CHECKS],
  ] as const) {
    for (const [type, descriptor] of Object.entries(descriptors)) {
      it(`can name every option of the ${what} "${type}", and the adapter takes it`, async () => {
        const adapter = await family[type]!();
        const options = Object.keys((adapter.options as unknown as { shape: object }).shape);
        const excluded = EXCLUDED[`${what} ${type}`] ?? [];
        assert.deepEqual(
          options.filter((name) => !(name in descriptor) && !excluded.includes(name)),
          [],
        );
        assert.equal(problems(adapter.options.safeParse(descriptor)), "");
      });
    }
  }
});
