import { type KindSubject, kindConformance } from "../../testing/kindConformance";
import { useAccessKeys, type Site } from "./awsAccessKeySite";
import { kindContext, type KindContext } from "./support";

/** A port on which nothing listens. */
const NOWHERE = "http://127.0.0.1:1";

async function subject(site: Site): Promise<KindSubject> {
  await site.newUser();
  const contexts: KindContext[] = [];
  const open = (more = {}) => {
    const context = kindContext({}, true);
    contexts.push(context);
    return site.open(more, context);
  };
  return {
    kind: open(),
    another: () => open(),
    unreachable: () => open({ endpoint: NOWHERE, maxAttempts: 1 }),
    secretFields: ["secretAccessKey"],
    falsify: (value) => ({ ...value, secretAccessKey: "wrong-but-also-secret" }),
    use: async (value) => {
      await site.sts(value).getCallerIdentity({});
      return { end: async () => undefined };
    },
    existing: () => site.foreignKey(),
    logged: () => contexts.flatMap(({ lines }) => lines),
    dispose: async () => undefined,
  };
}

describe("AWS access key, conformance", () => {
  const site = useAccessKeys();
  const deviations = { revokeRefusesWhileUsed: false, reissueReplaces: true };
  for (const { name, run } of kindConformance({ subject: () => subject(site), deviations })) it(name, run);
});
