/**
 * Sequences that once broke a promise, as a failure prints them. They are kept as they are, and not by seed and path,
 * which lead elsewhere as soon as the alphabet (actions.ts) changes.
 */
import type { Action } from "./actions";
import type { Fault } from "./boundary";
import type { Setup } from "./world";

export interface Former {
  readonly what: string;
  readonly setup: Partial<Setup>;
  readonly actions: readonly Action[];
}

/** What a former sequence says nothing of. */
export const plain: Setup = {
  soak: "0s",
  confirmation: "required",
  dependents: false,
  pinned: false,
  replica: false,
  minted: false,
  begin: 0,
  adopt: false,
  key: false,
  jobs: false,
  requireUnused: true,
  window: null,
};

const fault: Fault = { kind: "none" };
const up: Extract<Action, { do: "up" }> = {
  do: "up",
  mode: "plain",
  native: "ok",
  fault,
  between: false,
  continueOnError: false,
  retain: false,
};

export const former: readonly Former[] = [
  {
    what: "a move that stands still writes over the ledger of the run that finished it",
    setup: { confirmation: "none", replica: true, begin: 1 },
    actions: [{ do: "migrate" }, { ...up, mode: "force", fault: { kind: "pause", at: 9, meanwhile: "owner" } }],
  },
  {
    what: "a rollout leaves a ledger that is older than what is in the store",
    setup: { soak: "1h", dependents: true, begin: 3 },
    actions: [
      { ...up, mode: "target secret" },
      { do: "restore the ledger", back: 1, values: false },
      { do: "destroy", fault },
    ],
  },
  {
    what: "the entry of a former store stays for ever after a move that two machines made",
    setup: { soak: "1h", dependents: true, pinned: true, begin: 3 },
    actions: [
      { do: "event", reason: "on-demand" },
      { do: "migrate" },
      { ...up, fault: { kind: "pause", at: 1, meanwhile: "owner" } },
    ],
  },
  {
    what: "a window in the hour that the clocks leave out is open for a day",
    setup: { begin: 1, window: { from: "02:00", to: "03:00", timeZone: "Europe/Berlin" } },
    actions: [
      { do: "wait", for: "the interval" },
      { do: "wait for the clocks to change", minutes: 15 },
      { do: "wait for the clocks to change", minutes: 135 },
      up,
    ],
  },
];
