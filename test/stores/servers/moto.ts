/** AWS as far as the tests need it: moto with the rules of `test/servers/aws/moto_strict.py`, on loopback. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { freePort, serverFile } from "../../support/servers";

const SCRIPT = join(__dirname, "../../servers/aws/moto_strict.py");
const READY_WITHIN_MS = 60_000;
export const REGION = "eu-west-1";
export const ACCOUNT = "123456789012";

export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface Moto {
  readonly endpoint: string;
  /** Forgets everything, users and the check of credentials included. */
  reset(): Promise<void>;
  /** From now on every call needs credentials that are known and a policy that allows it, or none does. */
  checkCredentials(on: boolean): Promise<void>;
  /** A call of IAM by the root of the account, whatever is checked; gives the XML. */
  iam(action: string, parameters: Record<string, string>): Promise<string>;
  /** A user with one key. */
  user(name: string): Promise<AccessKey>;
  /** Makes this the only policy of the user. */
  allow(user: string, policy: object): Promise<void>;
  stop(): Promise<void>;
}

/**
 * @param versionsOfADay how many versions of a secret there may be, none of them older than a day. AWS allows 100; tests
 * in which months pass within a minute need more.
 */
export async function startMoto(versionsOfADay = 100): Promise<Moto> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = spawn(serverFile("moto/bin/python"), [SCRIPT, "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
    // Its log would be a line for each request.
    env: {
      ...process.env,
      PYTHONDONTWRITEBYTECODE: "1",
      AWS_DEFAULT_REGION: REGION,
      ROTATION_MOTO_VERSIONS: String(versionsOfADay),
    },
  });
  let output = "";
  const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-8000));
  server.stdout.on("data", keep);
  server.stderr.on("data", keep);
  const ended = new Promise<void>((resolve) => server.once("close", () => resolve()));
  const stop = async () => {
    server.kill("SIGKILL");
    await ended;
  };
  let checked = false;

  const post = async (path: string, body: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await fetch(endpoint + path, { method: "POST", body, headers });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`moto answered ${path} with ${answer.status}: ${text}`);
    return text;
  };
  const check = (on: boolean) => post("/moto-api/reset-auth", on ? "0" : "inf");

  const moto: Moto = {
    endpoint,
    stop,
    reset: async () => {
      await post("/moto-api/reset", "");
      await moto.checkCredentials(false);
    },
    checkCredentials: async (on) => {
      checked = on;
      await check(on);
    },
    iam: async (action, parameters) => {
      await check(false);
      const body = new URLSearchParams({ Action: action, Version: "2010-05-08", ...parameters }).toString();
      const scope = "Credential=root/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
      const answer = await post("/", body, {
        authorization: `AWS4-HMAC-SHA256 ${scope}`,
        "content-type": "application/x-www-form-urlencoded",
      });
      await check(checked);
      return answer;
    },
    user: async (name) => {
      await moto.iam("CreateUser", { UserName: name });
      const xml = await moto.iam("CreateAccessKey", { UserName: name });
      const element = (tag: string) => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(xml)?.[1] ?? "";
      return { accessKeyId: element("AccessKeyId"), secretAccessKey: element("SecretAccessKey") };
    },
    allow: async (user, policy) => {
      await moto.iam("PutUserPolicy", {
        UserName: user,
        PolicyName: "only",
        PolicyDocument: JSON.stringify(policy),
      });
    },
  };

  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline && server.exitCode === null) {
    const up = await fetch(`${endpoint}/moto-api/data.json`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (up) return moto;
    await sleep(100);
  }
  await stop();
  throw new Error(`moto did not come up on port ${port}:\n${output}`);
}
