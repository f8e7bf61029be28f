/** What Cloud Run says of who gets the requests, and which versions those can use. */
import type { Adoption, RollTarget } from "../../contracts/consumer";
import type { AdapterContext } from "../../contracts/context";
import { awaitAdoption } from "../../net/awaitAdoption";
import { durationMs } from "../../net/options";
import { describeTarget } from "../../net/target";
import { waitUntil } from "../../net/waitUntil";
import type { CloudRunClient } from "./client";
import { goalOf } from "./goal";
import type { Revision } from "./messages";
import type { Seen } from "./nextStep";
import type { CloudRunConsumerOptions } from "./options";
import { isPinned, namedVersions, type Pin } from "./references";
import { lookAt } from "./roll";
import { servingShares } from "./traffic";

interface Judged extends Adoption {
  /** Cloud Run is carrying out a change: the answer may soon be another one. */
  readonly moving: boolean;
}

export async function confirm(
  options: CloudRunConsumerOptions,
  target: RollTarget,
  client: CloudRunClient,
  context: AdapterContext,
): Promise<Adoption> {
  const goal = await goalOf(target, options, client, context);
  const { adopted, detail } = await waitUntil<Judged>(
    {
      what: `consumer "${options.name}" to use ${describeTarget(target)}`,
      intervalMs: durationMs(options.interval, "2s"),
      timeoutMs: durationMs(options.adoptionTimeout, "60s"),
      ask: async () => judge(await lookAt(client), goal),
      good: (judged) => judged.adopted || !judged.moving,
      describe: (judged) => judged.detail,
    },
    context,
  );
  const { name, adoption, adoptionTimeout, interval } = options;
  if (!adopted || adoption === undefined) return { adopted, detail };
  const request = { consumer: name, adoption, timeout: adoptionTimeout, interval };
  const answer = await awaitAdoption(request, target, context);
  return { adopted: answer.adopted, detail: `${detail}; ${answer.detail}` };
}

function judge({ service, revisions }: Seen, goal: readonly Pin[]): Judged {
  const moving = service.reconciling === true;
  const serving = [...servingShares(service)].map(([name, percent]) => ({
    name,
    percent,
    revision: revisions.get(name),
  }));
  if (serving.length === 0) return { adopted: false, moving, detail: "no revision gets requests" };
  const told = serving.map(
    ({ name, percent, revision }) => `${name} gets ${percent}% of the requests ${describe(revision, goal)}`,
  );
  const adopted = serving.every(({ revision }) => revision !== undefined && isPinned(revision, goal));
  return { adopted, moving, detail: told.join("; ") };
}

function describe(revision: Revision | undefined, goal: readonly Pin[]): string {
  if (revision === undefined) return "and is not there any more";
  const named = goal.map((pin) => {
    const versions = [...new Set(namedVersions(revision, pin))];
    if (versions.length === 0) return `no version of ${pin.id}`;
    const which = versions.length === 1 ? `version ${versions[0] ?? ""}` : `versions ${versions.join(", ")}`;
    const holds = isPinned(revision, [pin])
      ? `which holds v${pin.version}`
      : `where ${pin.numbers.join(" or ")} holds v${pin.version}`;
    return `${which} of ${pin.id}, ${holds}`;
  });
  return `and names ${named.join("; ")}`;
}
