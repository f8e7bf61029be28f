import assert from "node:assert/strict";
import { isConfirmed, unconfirmedUsers } from "../../provider/lifecycle/confirmation";
import { decide, type Situation } from "../../provider/lifecycle/decide";
import { describeDuration, parseDuration } from "../../provider/lifecycle/duration";
import { decodeLedger, type LedgerState, type VersionRecord, type VersionState } from "../../provider/lifecycle/ledger";
import { decideRetirement, type RetirementPolicy } from "../../provider/lifecycle/retirement";
import { decideDue, type DueInputs } from "../../provider/triggers/due";
import { compileSchedule } from "../../provider/triggers/compile";
import { isInWindow } from "../../provider/triggers/windows";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2026, 5, 1);

function version(number: number, state: VersionState, more: Partial<VersionRecord> = {}): VersionRecord {
  return {
    version: number,
    rotationId: `r${number}`,
    state,
    reason: { code: "schedule", message: "old" },
    inputsDigest: "inputs",
    adopted: false,
    proposedAt: NOW - DAY,
    issued: { name: `role${number}` },
    issuedAt: NOW - DAY,
    expiresAt: null,
    fingerprint: "f",
    leftAt: state === "active" || state === "pending" ? null : NOW - 2 * HOUR,
    rejected: state === "rejected",
    supersededAt: state === "active" || state === "pending" ? null : NOW - 2 * HOUR,
    disabledAt: state === "disabled" ? NOW - HOUR / 2 : null,
    putOff: null,
    alarmedAt: null,
    proof: null,
    endedAt: null,
    ...more,
  };
}

/** v1 superseded two hours ago, v2 active and confirmed by the one rollout of the owning stack. */
function ledger(more: Partial<LedgerState> = {}): LedgerState {
  return {
    schema: 1,
    secret: "db",
    identity: "id",
    owner: { id: "o", stack: "org/app/prod" },
    status: "live",
    movedTo: null,
    movedFrom: null,
    declared: {
      kind: { type: "memory" },
      replicas: [],
      audit: null,
      everyMs: 90 * DAY,
      graceMs: HOUR,
      soakMs: HOUR,
      requireUnused: true,
      terminateSessions: false,
      alarmAfterMs: null,
      compromisedBefore: null,
      revokeFirstBefore: null,
    },
    counters: { version: 2, incarnation: 2, epoch: 2 },
    audit: { seq: 0, hash: "" },
    fingerprintKey: "",
    active: 2,
    versions: [version(1, "superseded"), version(2, "active")],
    rotation: {
      id: "r2",
      version: 2,
      phase: "done",
      reason: { code: "schedule", message: "old" },
      startedAt: NOW - DAY,
      returnTo: null,
      promotedAt: NOW - DAY,
      attempts: 1,
      inventory: null,
    },
    confirmation: "required",
    ownerUnconfirmed: false,
    rollouts: { a: rollout([2]) },
    residues: {},
    confirmedIssueAt: NOW - DAY,
    failures: null,
    drift: null,
    incidents: [],
    inspectDue: false,
    lease: null,
    outbox: [],
    ...more,
  };
}

function rollout(mayUse: (number | "unknown")[], stack = "org/app/prod") {
  return { stack, name: "orders", mayUse, pinned: true, registeredAt: 0, confirmedAt: 0, evidence: "adoption" };
}

const policy: RetirementPolicy = { graceMs: HOUR, soakMs: HOUR, canDisable: true, compromisedBefore: null };

describe("retirement", () => {
  const step = (state: LedgerState, number: number, given = policy) => {
    const record = state.versions.find((one) => one.version === number);
    assert.ok(record);
    const verdict = decideRetirement(state, record, given, NOW);
    return verdict.step === "hold" ? verdict.code : verdict.step;
  };

  it("disables a superseded version once everybody has confirmed and its grace is over", () => {
    assert.equal(step(ledger(), 1), "disable");
  });
  it("destroys without disabling where there is no soak, or where the issuer cannot disable", () => {
    assert.equal(step(ledger(), 1, { ...policy, soakMs: 0 }), "destroy");
    assert.equal(step(ledger(), 1, { ...policy, canDisable: false }), "destroy");
  });
  it("holds a version back during its grace", () => {
    assert.equal(step(ledger(), 1, { ...policy, graceMs: 3 * HOUR }), "grace");
  });
  it("never touches the active version, nor one in the making", () => {
    assert.equal(step(ledger(), 2), "active");
    assert.equal(step(ledger({ versions: [version(2, "active"), version(3, "pending")] }), 3), "ended");
  });
  it("holds while a rollout, in whatever stack, has not confirmed exactly the active version", () => {
    for (const mayUse of [["unknown"], [1, 2], [1], []] as const)
      assert.equal(
        step(ledger({ rollouts: { a: rollout([2]), b: rollout([...mayUse], "org/x/y") } }), 1),
        "unconfirmed",
      );
  });
  it("holds while the owning stack has never confirmed, and where nobody is registered at all", () => {
    assert.equal(step(ledger({ ownerUnconfirmed: true }), 1), "unconfirmed");
    assert.equal(step(ledger({ rollouts: {} }), 1), "unconfirmed");
    assert.equal(step(ledger({ rollouts: {}, confirmation: "elsewhere" }), 1), "unconfirmed");
    assert.equal(step(ledger({ rollouts: {}, confirmation: "none" }), 1), "disable");
  });
  it("holds what a residue may still use, and only that", () => {
    const residue = (mayUse: (number | "unknown")[]) => ({
      b: { stack: "s", name: "gone", mayUse, pinned: true, leftAt: 0 },
    });
    assert.equal(step(ledger({ residues: residue([1]) }), 1), "residue");
    assert.equal(step(ledger({ residues: residue(["unknown"]) }), 1), "residue");
    assert.equal(step(ledger({ residues: residue([2]) }), 1), "disable");
  });
  it("holds while a rotation has side effects to finish", () => {
    const rotation = ledger().rotation;
    assert.ok(rotation);
    assert.equal(step(ledger({ rotation: { ...rotation, version: 3, phase: "issued" } }), 1), "rotation-unfinished");
  });
  it("retires a rejected version by who may use it, whether the active one is confirmed or not", () => {
    const versions = [version(1, "active"), version(2, "rejected")];
    assert.equal(step(ledger({ active: 1, versions, rollouts: { a: rollout([1, 2]) } }), 2), "may-be-used");
    assert.equal(step(ledger({ active: 1, versions, rollouts: { a: rollout(["unknown"]) } }), 2), "may-be-used");
    assert.equal(step(ledger({ active: 1, versions, rollouts: { a: rollout([1]) } }), 2), "disable");
  });
  it("watches a disabled version for its soak, and enables it again when somebody may need it", () => {
    const versions = [version(1, "disabled"), version(2, "active")];
    assert.equal(step(ledger({ versions }), 1), "soak");
    assert.equal(step(ledger({ versions }), 1, { ...policy, soakMs: HOUR / 4 }), "destroy");
    assert.equal(step(ledger({ versions, rollouts: { a: rollout([2]), b: rollout(["unknown"], "s") } }), 1), "enable");
  });
  it("goes on with what has begun to be destroyed, whatever else is the case", () => {
    assert.equal(
      step(ledger({ versions: [version(1, "retiring"), version(2, "active")], rollouts: {} }), 1),
      "destroy",
    );
  });
  it("gives a compromised version neither grace nor soak", () => {
    const given = { ...policy, graceMs: 30 * DAY, compromisedBefore: NOW - DAY };
    assert.equal(step(ledger(), 1, { ...given, compromisedBefore: NOW - 2 * DAY }), "grace");
    assert.equal(step(ledger(), 1, given), "destroy");
  });
});

describe("a decision", () => {
  const situation = (more: Partial<Situation> = {}): Situation => ({
    ledger: ledger({ versions: [version(2, "active")] }),
    entry: { version: 2, incarnation: 2, epoch: 2 },
    forced: false,
    due: null,
    policy,
    unconfirmed: { attempts: 3, withinMs: DAY },
    now: NOW,
    ...more,
  });
  const due = { code: "schedule", message: "old" } as const;

  it("is to do nothing when nothing is due and nothing is left to do", () => {
    assert.deepEqual(decide(situation()), { action: "same" });
  });
  it("is to rotate when something is due and nothing else is alive", () => {
    assert.equal(decide(situation({ due })).action, "rotate");
  });
  it("is to wait with a rotation while another version may not go yet, and to say why", () => {
    const waiting = decide(situation({ due, ledger: ledger(), policy: { ...policy, graceMs: DAY } }));
    assert.equal(waiting.action, "same");
    assert.match(
      "waiting" in waiting ? (waiting.waiting ?? "") : "",
      /a rotation is due .* and waits: the grace period of v1/,
    );
  });
  it("is to finish what is unfinished, due or not", () => {
    for (const phase of ["proposed", "staged", "issued", "verified", "promoting", "returning", "abandoning"] as const) {
      const rotation = ledger().rotation;
      assert.ok(rotation);
      assert.equal(decide(situation({ ledger: ledger({ rotation: { ...rotation, phase } }) })).action, "resume", phase);
    }
  });
  it("is to hand the active version out again when the entry names another version or incarnation", () => {
    for (const entry of [{ version: 1, incarnation: 2, epoch: 2 }, { version: 2, incarnation: 1, epoch: 2 }, null])
      assert.equal(decide(situation({ entry })).action, "hand-out");
  });
  it("is to update when only the epoch of the reference differs", () => {
    assert.equal(decide(situation({ entry: { version: 2, incarnation: 2, epoch: 1 } })).action, "update");
  });
  it("is to record what a run that was killed could not, and to leave one alone that may still live", () => {
    const killed = (more: Partial<LedgerState>) =>
      decide(situation({ ledger: ledger({ versions: [version(2, "active")], ...more }) })).action;
    const lease = { run: "r", user: "u", host: "h", scope: "s", pid: 1, processStart: "1", acquiredAt: NOW - HOUR };
    const outbox = [{} as LedgerState["outbox"][number]];
    assert.equal(killed({ lease: { ...lease, expiresAt: NOW }, outbox }), "update");
    assert.equal(killed({ lease: null, outbox }), "update");
    assert.equal(killed({ lease: { ...lease, expiresAt: NOW + 1 }, outbox }), "same");
  });
  it("is to return only from what the owning stack has left unconfirmed for too long, and never once it was confirmed", () => {
    const rotation = ledger().rotation;
    assert.ok(rotation);
    const confirming = { ...rotation, phase: "confirming" as const, attempts: 3 };
    const own = ledger({ rotation: confirming, rollouts: { a: rollout([1, 2]) } });
    assert.equal(decide(situation({ ledger: own })).action, "return");
    const foreign = ledger({ rotation: confirming, rollouts: { a: rollout([2]), b: rollout([1], "org/x/y") } });
    assert.notEqual(decide(situation({ ledger: foreign })).action, "return");
    const late = ledger({ rollouts: { a: rollout([2]), b: rollout(["unknown"]) } });
    assert.notEqual(decide(situation({ ledger: late })).action, "return");
  });
  it("is a first version where there is no ledger or only a tombstone, with the next number", () => {
    assert.deepEqual(decide(situation({ ledger: null })), { action: "first", text: "v1: first version" });
    assert.deepEqual(decide(situation({ ledger: ledger({ status: "torn-down" }) })), {
      action: "first",
      text: "v3: first version",
    });
  });
});

describe("what makes a rotation due", () => {
  const inputs: DueInputs = {
    schedule: compileSchedule({ every: "30d" }),
    events: [],
    inputsDigest: "inputs",
    retryAfterMs: 60_000,
  };
  const at = (now: number, more: Partial<DueInputs> = {}, state: Partial<LedgerState> = {}) =>
    decideDue({ ...inputs, ...more }, ledger(state), now);

  it("is the interval since the issue, to the millisecond", () => {
    const issued = NOW - DAY;
    assert.equal(at(issued + 30 * DAY - 1).due, null);
    assert.deepEqual(at(issued + 30 * DAY).due, { code: "schedule", message: "30 days old, every 30d" });
  });
  it("is nothing for a clock that jumped back", () => {
    assert.equal(at(NOW - 365 * DAY).due, null);
  });
  it("is a change of the inputs that a version is issued from", () => {
    assert.equal(at(NOW, { inputsDigest: "others" }).due?.code, "policy");
  });
  it("is an event until a version issued after it is confirmed", () => {
    const events = [{ id: "e", reason: "audit-finding" as const, at: NOW - HOUR }];
    assert.deepEqual(at(NOW, { events }).due?.events, ["e"]);
    assert.equal(at(NOW, { events }, { confirmedIssueAt: NOW }).due, null);
  });
  it("waits after a failure, twice as long after each, but not for a compromise", () => {
    const failed = (count: number) => ({ failures: { count, lastAt: NOW, message: "broken" } });
    const changed = { inputsDigest: "others" };
    assert.equal(at(NOW + 59_000, changed, failed(1)).due, null);
    assert.equal(at(NOW + 60_000, changed, failed(1)).due?.code, "policy");
    assert.match(at(NOW + 200_000, changed, failed(3)).waiting ?? "", /the last attempt failed \(broken\)/);
    assert.equal(at(NOW + 240_000, changed, failed(3)).due?.code, "policy");
    const events = [{ id: "e", reason: "suspected-compromise" as const, at: NOW - HOUR }];
    assert.equal(at(NOW, { events }, failed(9)).due?.code, "suspected-compromise");
  });
});

describe("a rotation window", () => {
  const utc = (text: string) => Date.parse(`${text}Z`);

  it("is open from its beginning up to, and without, its end, on its days", () => {
    const window = { days: ["sun"], from: "02:00", to: "04:00" } as const;
    assert.equal(isInWindow(window, utc("2026-11-22T02:00:00")), true);
    assert.equal(isInWindow(window, utc("2026-11-22T03:59:59")), true);
    assert.equal(isInWindow(window, utc("2026-11-22T04:00:00")), false);
    assert.equal(isInWindow(window, utc("2026-11-23T03:00:00")), false);
  });
  it("belongs to the day on which it opened when it goes over midnight", () => {
    const window = { days: ["sat"], from: "23:00", to: "01:00" } as const;
    assert.equal(isInWindow(window, utc("2026-11-22T00:30:00")), true);
    assert.equal(isInWindow(window, utc("2026-11-21T00:30:00")), false);
  });
  it("follows the clock of its time zone through both changes of daylight saving", () => {
    const window = { from: "03:00", to: "04:00", timeZone: "Europe/Berlin" } as const;
    assert.equal(isInWindow(window, utc("2026-03-28T02:30:00")), true, "winter");
    assert.equal(isInWindow(window, utc("2026-03-29T01:30:00")), true, "the morning of the change");
    assert.equal(isInWindow(window, utc("2026-10-25T02:30:00")), true, "the morning it changes back");
    assert.equal(isInWindow(window, utc("2026-07-01T02:30:00")), false, "summer");
  });

  it("does not open for a day where the clocks leave the window's hour out", () => {
    const window = { from: "02:00", to: "03:00", timeZone: "Europe/Berlin" };
    assert.equal(isInWindow(window, utc("2026-03-29T00:59:00")), false, "01:59, before the change");
    assert.equal(isInWindow(window, utc("2026-03-29T01:00:00")), false, "03:00, after it");
    assert.equal(isInWindow(window, utc("2026-03-29T12:00:00")), false, "14:00 on the same day");
    assert.equal(isInWindow(window, utc("2026-03-30T00:30:00")), true, "02:30 on the next day");
  });

  it("opens twice where the clocks show the window's hour twice", () => {
    const window = { from: "02:00", to: "03:00", timeZone: "Europe/Berlin" };
    assert.equal(isInWindow(window, utc("2026-10-25T00:30:00")), true, "02:30 in summer time");
    assert.equal(isInWindow(window, utc("2026-10-25T01:30:00")), true, "02:30 in winter time");
    assert.equal(isInWindow(window, utc("2026-10-25T02:00:00")), false, "03:00");
  });
});

describe("a duration", () => {
  it("is read in short form and in ISO 8601, and refused where its length is not fixed", () => {
    const cases: [string, number | undefined][] = [
      ["90s", 90_000],
      ["15m", 900_000],
      ["36h", 36 * HOUR],
      ["90d", 90 * DAY],
      ["2w", 14 * DAY],
      ["0s", 0],
      ["P90D", 90 * DAY],
      ["PT1H30M", 1.5 * HOUR],
      ["P1M", undefined],
      ["P1Y", undefined],
      ["90 days", undefined],
      ["-1h", undefined],
      ["", undefined],
      ["1.5h", undefined],
    ];
    for (const [text, expected] of cases) assert.equal(parseDuration(text), expected, text);
  });
  it("is told in the unit that says most", () => {
    const cases: [number, string][] = [
      [91 * DAY, "91 days"],
      [DAY, "1 day"],
      [DAY + HOUR, "25 hours"],
      [79_000, "79 seconds"],
      [60_000, "1 minute"],
      [500, "500 ms"],
    ];
    for (const [ms, expected] of cases) assert.equal(describeDuration(ms), expected);
  });
});

describe("the ledger", () => {
  it("is refused when a newer package wrote it, or when it is something else", () => {
    assert.throws(() => decodeLedger({ schema: 2 }, "file:/x"), /schema 2, written by a newer/);
    assert.throws(() => decodeLedger({ some: "thing" }, "file:/x"), /not a ledger/);
    assert.equal(decodeLedger(undefined, "file:/x"), null);
  });
  it("tells who has yet to confirm, by name", () => {
    const state = ledger({ rollouts: { a: rollout([1, 2]), b: rollout([2], "org/x/y") } });
    assert.equal(isConfirmed(state), false);
    assert.deepEqual(
      unconfirmedUsers(state).map((user) => user.who),
      ["rollout orders of org/app/prod"],
    );
  });
});
