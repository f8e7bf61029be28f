/** What may happen, one after the other: the alphabet of the random sequences. */
import fc from "fast-check";
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
      readonly between: boolean;
    }
  | { readonly do: "other up" | "destroy" | "take out of the program" | "other destroy"; readonly fault: Fault }
  /** The next version that is made: a workload does not come up with it, or is unwell on it, or it does not log in. */
  | { readonly do: "spoil next version"; readonly how: "sick api" | "api refuses" | "sick reports" | "cannot log in" }
  | {
      readonly do:
        "mend everything" | "restart workloads" | "read current" | "read replica" | "change inputs" | "migrate";
    }
  | { readonly do: "use superseded" | "release what left" }
  | { readonly do: "wait"; readonly for: "a minute" | "past the lease" | "grace" | "a day" | "the interval" }
  | { readonly do: "set the clock back" }
  | { readonly do: "event"; readonly reason: "on-demand" | "suspected-compromise" };

/** A rotation has some thirty effects, an update some ten. */
const at = fc.oneof(fc.nat(12), fc.nat(40));
const holder = fc.constantFrom("dead" as const, "unknown" as const);
const none = fc.constant<Fault>({ kind: "none" });
const faulty: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("killBefore" as const, "killAfter" as const), at, holder }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("failBefore" as const, "replyLost" as const), at }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("down" as const),
      place: fc.constantFrom(
        "store" as const,
        "replica" as const,
        "issuer" as const,
        "audit" as const,
        "consumer" as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("loseSave" as const), at: fc.nat(4) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("intruder" as const),
      at,
      who: fc.constantFrom("owner" as const, "other" as const),
    }),
  },
);
const fault = fc.oneof({ weight: 3, arbitrary: none }, { weight: 3, arbitrary: faulty });

const up: fc.Arbitrary<Action> = fc.record({
  do: fc.constant("up" as const),
  mode: fc.oneof(
    { weight: 6, arbitrary: fc.constant<UpMode>("plain") },
    { weight: 1, arbitrary: fc.constantFrom<UpMode>("target secret", "target rollout", "force", "without rollout") },
  ),
  native: fc.oneof(
    { weight: 6, arbitrary: fc.constant<NativeOutcome>("ok") },
    { weight: 1, arbitrary: fc.constantFrom<NativeOutcome>("before", "half", "after") },
  ),
  fault,
  between: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
});

const only = (...what: Action["do"][]) => fc.record({ do: fc.constantFrom(...what) }) as fc.Arbitrary<Action>;

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: up },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("other up" as const), fault }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom("destroy" as const, "take out of the program" as const), fault }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("other destroy" as const), fault }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("spoil next version" as const),
      how: fc.constantFrom(
        "sick api" as const,
        "api refuses" as const,
        "sick reports" as const,
        "cannot log in" as const,
      ),
    }),
  },
  { weight: 4, arbitrary: only("restart workloads", "read current", "read replica", "mend everything") },
  {
    weight: 2,
    arbitrary: only("change inputs", "migrate", "use superseded", "release what left", "set the clock back"),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      for: fc.constantFrom("a minute", "past the lease", "grace", "a day", "the interval"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("event" as const),
      reason: fc.constantFrom("on-demand" as const, "suspected-compromise" as const),
    }),
  },
);

export const actions = fc.array(action, { minLength: 1, maxLength: 14, size: "max" });

export const setup: fc.Arbitrary<Setup> = fc.record({
  soak: fc.constantFrom("0s" as const, "1h" as const),
  confirmation: fc.oneof(
    { weight: 6, arbitrary: fc.constant("required" as const) },
    { weight: 1, arbitrary: fc.constantFrom("elsewhere" as const, "none" as const) },
  ),
  dependents: fc.boolean(),
  pinned: fc.boolean(),
  replica: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  minted: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  begin: fc.nat(3),
  adopt: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
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
      return `, ${fault.place} down`;
    case "loseSave":
      return `, killed before the engine saved provider call ${fault.at}`;
    case "intruder":
      return `, with another run of the ${fault.who} stack at effect ${fault.at}`;
  }
}

export function describe(action: Action): string {
  switch (action.do) {
    case "up": {
      const native = action.native === "ok" ? "" : `, native fails ${action.native}`;
      return `up (${action.mode}${native}${action.between ? ", other up before the rollout" : ""}${describeFault(action.fault)})`;
    }
    case "other up":
    case "other destroy":
    case "destroy":
    case "take out of the program":
      return `${action.do}${describeFault(action.fault)}`;
    case "spoil next version":
      return `${action.do}: ${action.how}`;
    case "wait":
      return `wait ${action.for}`;
    case "event":
      return `event ${action.reason}`;
    default:
      return action.do;
  }
}
