/** What may happen, one after the other: the alphabet of the random sequences. */
import fc from "fast-check";
import { EVENT_REASONS } from "../../provider/triggers/due";
import type { Fault } from "./boundary";
import type { Setup } from "./world";

export type UpMode = "plain" | "target secret" | "target rollout" | "force" | "without rollout";
export type NativeOutcome = "ok" | "before" | "half" | "after";

export type Action =
  | {
      readonly do: "up";
      readonly mode: UpMode;
      readonly native: NativeOutcome;
      readonly fault: Fault;
      /** Whether the other stack runs between the native resource and the rollout. */
      readonly between: boolean;
      readonly continueOnError: boolean;
      readonly retain: boolean;
    }
  | {
      readonly do:
        "other up" | "key up" | "destroy" | "other destroy" | "former destroy" | "rotation adopt" | "hand over";
      readonly fault: Fault;
    }
  | { readonly do: "take out of the program"; readonly fault: Fault; readonly retain: boolean }
  /** The next version that is made: a workload does not come up with it, or is unwell on it, or it does not log in. */
  | { readonly do: "spoil next version"; readonly how: "sick api" | "api refuses" | "sick reports" | "cannot log in" }
  | {
      readonly do:
        | "mend everything"
        | "restart workloads"
        | "read current"
        | "read replica"
        | "change inputs"
        | "migrate"
        | "use superseded"
        | "release what left"
        | "set the clock back"
        | "the issuer cannot tell who uses what"
        | "the state of an older package"
        | "a newer package writes the ledger"
        | "upgrade the package";
    }
  | {
      readonly do: "wait";
      readonly for: "a minute" | "past the lease" | "grace" | "a day" | "the interval" | "the window";
    }
  | { readonly do: "wait for the clocks to change"; readonly minutes: number }
  | { readonly do: "rename the rollout"; readonly alias: boolean }
  | { readonly do: "forget in the state"; readonly what: "secret" | "pending" | "rollout" | "other rollout" }
  /** From the backup that was made so many actions ago. */
  | { readonly do: "restore the state"; readonly of: "owner" | "other"; readonly back: number }
  | { readonly do: "restore the ledger"; readonly back: number; readonly values: boolean }
  | { readonly do: "event"; readonly reason: (typeof EVENT_REASONS)[number] };

const one = <T>(value: T) => fc.constant(value);
const either = <const T>(...values: T[]) => fc.constantFrom(...values);
const rarely = (how: number) => fc.oneof({ weight: how, arbitrary: one(false) }, { weight: 1, arbitrary: one(true) });

/** A rotation has some thirty effects, an update some ten. */
const at = fc.oneof(fc.nat(12), fc.nat(40));
const holder = either("dead", "unknown");
const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 12, arbitrary: one<Fault>({ kind: "none" }) },
  { weight: 5, arbitrary: fc.record({ kind: either("killBefore", "killAfter"), at, holder }) },
  { weight: 2, arbitrary: fc.record({ kind: either("failBefore", "replyLost"), at }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: one("down" as const),
      place: either("store", "replica", "issuer", "audit", "consumer"),
      at: fc.oneof(one(0), at),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: one("loseSave" as const), at: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: one("intruder" as const), at, who: either("owner", "other") }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: one("pause" as const), at, meanwhile: either("nobody", "owner", "other") }),
  },
);

const up: fc.Arbitrary<Action> = fc.record({
  do: one("up" as const),
  mode: fc.oneof(
    { weight: 6, arbitrary: one<UpMode>("plain") },
    { weight: 1, arbitrary: either<UpMode>("target secret", "target rollout", "force", "without rollout") },
  ),
  native: fc.oneof(
    { weight: 6, arbitrary: one<NativeOutcome>("ok") },
    { weight: 1, arbitrary: either<NativeOutcome>("before", "half", "after") },
  ),
  fault,
  between: rarely(8),
  continueOnError: rarely(5),
  retain: rarely(12),
});

const only = (...what: Action["do"][]) => fc.record({ do: fc.constantFrom(...what) }) as fc.Arbitrary<Action>;
const run = (...what: Action["do"][]) => fc.record({ do: fc.constantFrom(...what), fault }) as fc.Arbitrary<Action>;

/** What happens to any secret. */
const usual: fc.Arbitrary<Action> = fc.oneof(
  { weight: 24, arbitrary: up },
  { weight: 8, arbitrary: run("other up") },
  { weight: 3, arbitrary: run("key up") },
  { weight: 2, arbitrary: run("destroy", "other destroy") },
  {
    weight: 1,
    arbitrary: fc.record({ do: one("take out of the program" as const), fault, retain: rarely(3) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: one("spoil next version" as const),
      how: either("sick api", "api refuses", "sick reports", "cannot log in"),
    }),
  },
  { weight: 8, arbitrary: only("restart workloads", "read current", "read replica", "mend everything") },
  {
    weight: 4,
    arbitrary: only("change inputs", "migrate", "use superseded", "release what left", "set the clock back"),
  },
  {
    weight: 16,
    arbitrary: fc.record({
      do: one("wait" as const),
      for: either("a minute", "past the lease", "grace", "a day", "the interval", "the window"),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: one("event" as const), reason: fc.constantFrom(...EVENT_REASONS) }) },
);

/** What happens to few, and once. */
const unusual: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: run("hand over", "former destroy", "rotation adopt") },
  { weight: 2, arbitrary: fc.record({ do: one("rename the rollout" as const), alias: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: one("forget in the state" as const),
      what: either("secret", "pending", "rollout", "other rollout"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: one("restore the state" as const), of: either("owner", "other"), back: fc.nat(5) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: one("restore the ledger" as const), back: fc.nat(5), values: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: only("the state of an older package", "a newer package writes the ledger", "upgrade the package"),
  },
  { weight: 1, arbitrary: only("the issuer cannot tell who uses what") },
  {
    weight: 2,
    arbitrary: fc.record({
      do: one("wait for the clocks to change" as const),
      minutes: either(-75, -30, 0, 15, 45, 75, 135),
    }),
  },
);

const action = fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: unusual });

export const actions = fc.array(action, { minLength: 1, maxLength: 14, size: "max" });

/** One that the change to summer time leaves out, one that it cuts, one over midnight, and one where half an hour changes. */
const window = either<Setup["window"] & object>(
  { from: "02:00", to: "03:00", timeZone: "Europe/Berlin" },
  { from: "01:30", to: "02:30", timeZone: "Europe/Berlin" },
  { days: ["sat"], from: "23:00", to: "01:00", timeZone: "Europe/Berlin" },
  { days: ["sun"], from: "02:00", to: "02:30", timeZone: "Australia/Lord_Howe" },
);

export const setup: fc.Arbitrary<Setup> = fc.record({
  soak: either("0s", "1h"),
  confirmation: fc.oneof(
    { weight: 6, arbitrary: one<Setup["confirmation"]>("required") },
    { weight: 1, arbitrary: either<Setup["confirmation"]>("elsewhere", "none") },
  ),
  dependents: fc.boolean(),
  pinned: fc.boolean(),
  replica: rarely(3),
  minted: rarely(3),
  begin: fc.nat(3),
  adopt: rarely(4),
  key: rarely(4),
  jobs: rarely(3),
  requireUnused: fc.boolean(),
  window: fc.oneof({ weight: 6, arbitrary: one(null) }, { weight: 1, arbitrary: window }),
});

function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case "none":
      return "";
    case "killBefore":
    case "killAfter":
      return `, ${fault.kind === "killBefore" ? "killed before" : "killed after"} effect ${fault.at} (holder ${fault.holder})`;
    case "failBefore":
    case "replyLost":
      return `, ${fault.kind === "failBefore" ? "no answer to" : "reply lost of"} effect ${fault.at}`;
    case "down":
      return `, ${fault.place} down from effect ${fault.at} on`;
    case "loseSave":
      return `, killed before the engine saved provider call ${fault.at}`;
    case "intruder":
      return `, with another run of the ${fault.who} stack at effect ${fault.at}`;
    case "pause":
      return `, asleep past its lease after effect ${fault.at} (meanwhile: ${fault.meanwhile})`;
  }
}

export function describe(action: Action): string {
  switch (action.do) {
    case "up": {
      const told = [
        action.mode,
        ...(action.native === "ok" ? [] : [`native fails ${action.native}`]),
        ...(action.between ? ["other up before the rollout"] : []),
        ...(action.continueOnError ? ["continue on error"] : []),
        ...(action.retain ? ["retain on delete"] : []),
      ];
      return `up (${told.join(", ")}${describeFault(action.fault)})`;
    }
    case "take out of the program":
      return `${action.do}${action.retain ? ", retained" : ""}${describeFault(action.fault)}`;
    case "other up":
    case "key up":
    case "other destroy":
    case "former destroy":
    case "rotation adopt":
    case "hand over":
    case "destroy":
      return `${action.do}${describeFault(action.fault)}`;
    case "spoil next version":
      return `${action.do}: ${action.how}`;
    case "wait":
      return `wait: ${action.for}`;
    case "wait for the clocks to change":
      return `${action.do}, ${action.minutes} minutes`;
    case "rename the rollout":
      return `${action.do} ${action.alias ? "with" : "without"} an alias`;
    case "forget in the state":
      return `${action.do}: ${action.what}`;
    case "restore the state":
      return `${action.do} of ${action.of} from ${action.back} actions ago`;
    case "restore the ledger":
      return `${action.do} from ${action.back} actions ago${action.values ? ", with its versions" : ""}`;
    case "event":
      return `event ${action.reason}`;
    default:
      return action.do;
  }
}
