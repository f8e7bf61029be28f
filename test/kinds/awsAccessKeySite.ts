/** What the tests of AWS access keys share: moto that checks credentials, a user for each test, and the documented policy. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { IAM } from "@aws-sdk/client-iam";
import { STS } from "@aws-sdk/client-sts";
import type { AdapterContext } from "../../provider/contracts/context";
import type { CredentialKind } from "../../provider/contracts/kind";
import {
  awsAccessKeyOptions,
  createAwsAccessKeyKind,
  type AwsAccessKeyOptions,
} from "../../provider/kinds/awsAccessKey";
import { startFront, type Front } from "../stores/servers/front";
import { ACCOUNT, REGION, startMoto, type AccessKey, type Moto } from "../stores/servers/moto";
import { kindContext } from "./support";

const PAGE = join(__dirname, "../../docs/kinds/awsAccessKey.md");
const DOCUMENTED_USER = "orders";
const VARIABLES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE", "AWS_CONFIG_FILE"].concat(
  ["AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"],
);

interface Policy {
  readonly Version: string;
  readonly Statement: { Action: string[]; Condition?: unknown }[];
}

/** The policy of the page for this user. moto cannot decide conditions on tags, so they are left out. */
export function documentedPolicy(user: string, without?: string): Policy {
  const [, json] = /```json\n(.*?)```/s.exec(readFileSync(PAGE, "utf8")) ?? [];
  const policy = JSON.parse((json ?? "").replaceAll(`user/${DOCUMENTED_USER}"`, `user/${user}"`)) as Policy;
  for (const statement of policy.Statement) {
    delete statement.Condition;
    statement.Action = statement.Action.filter((action) => action !== without);
  }
  return policy;
}

export interface Site {
  readonly moto: Moto;
  /** Before the same server, for what a test does to single calls. */
  readonly front: Front;
  /** The user of this test. */
  readonly user: string;
  newUser(): Promise<void>;
  options(more?: Partial<AwsAccessKeyOptions>): AwsAccessKeyOptions;
  open(more?: Partial<AwsAccessKeyOptions>, context?: AdapterContext): CredentialKind;
  /** Lets who rotates do what the page says, but for one action. */
  allow(without?: string): Promise<void>;
  /** Whoever owns the account. */
  readonly iam: IAM;
  sts(value: Readonly<Record<string, string>>): STS;
  /** A key that this package did not make. */
  foreignKey(): Promise<{ accessKeyId: string; secretAccessKey: string }>;
  tags(): Promise<Record<string, string>>;
}

/** One server for the tests of a file; call within `describe`. */
export function useAccessKeys(): Site {
  let users = 0;
  let admin: IAM;
  let saved: Record<string, string | undefined> = {};
  const clients: { destroy(): void }[] = [];
  const kinds: CredentialKind[] = [];
  const kept = <T extends { destroy(): void }>(client: T): T => {
    clients.push(client);
    return client;
  };
  const credentials = ({ accessKeyId, secretAccessKey }: AccessKey) => ({ accessKeyId, secretAccessKey });
  const site = {
    moto: undefined as unknown as Moto,
    front: undefined as unknown as Front,
    user: "",
    newUser: async () => {
      site.user = `orders-${++users}`;
      await site.moto.iam("CreateUser", { UserName: site.user });
      await site.allow();
    },
    allow: (without?: string) => site.moto.allow("pipeline", documentedPolicy(site.user, without)),
    options: (more: Partial<AwsAccessKeyOptions> = {}) =>
      awsAccessKeyOptions.parse({
        type: "awsAccessKey",
        user: site.user,
        region: REGION,
        endpoint: site.moto.endpoint,
        ...more,
      }),
    open: (more: Partial<AwsAccessKeyOptions> = {}, context: AdapterContext = kindContext({}, true)) => {
      const kind = createAwsAccessKeyKind(site.options(more), context);
      kinds.push(kind);
      return kind;
    },
    get iam() {
      return admin;
    },
    sts: (value: Readonly<Record<string, string>>) =>
      kept(
        new STS({
          region: REGION,
          endpoint: site.moto.endpoint,
          credentials: credentials(value as unknown as AccessKey),
          maxAttempts: 1,
        }),
      ),
    foreignKey: async () => {
      const { AccessKey: key } = await admin.createAccessKey({ UserName: site.user });
      return { accessKeyId: key!.AccessKeyId!, secretAccessKey: key!.SecretAccessKey! };
    },
    tags: async () => {
      const { Tags = [] } = await admin.listUserTags({ UserName: site.user });
      return Object.fromEntries(Tags.map(({ Key, Value }) => [Key!, Value!]));
    },
  };
  before(async () => {
    saved = Object.fromEntries(VARIABLES.map((name) => [name, process.env[name]]));
    site.moto = await startMoto();
    site.front = await startFront(site.moto.endpoint);
    const keys = { owner: await site.moto.user("owner"), pipeline: await site.moto.user("pipeline") };
    await site.moto.allow("owner", {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
    });
    admin = kept(
      new IAM({ region: REGION, endpoint: site.moto.endpoint, credentials: credentials(keys.owner), maxAttempts: 1 }),
    );
    for (const name of VARIABLES) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, {
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_ACCESS_KEY_ID: keys.pipeline.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.pipeline.secretAccessKey,
    });
    await site.moto.checkCredentials(true);
  });
  beforeEach(async () => {
    site.front.actions.length = 0;
    site.front.meddle = ({ forward }) => forward();
    await site.newUser();
  });
  after(async () => {
    for (const name of VARIABLES) {
      const value = saved[name];
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    for (const kind of kinds) await kind.close();
    for (const client of clients) client.destroy();
    await (site.front as Front | undefined)?.stop();
    await (site.moto as Moto | undefined)?.stop();
  });
  return site;
}

export { ACCOUNT };
