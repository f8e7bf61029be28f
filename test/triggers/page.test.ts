/** The examples that docs/schedules.md works out. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { runInNewContext } from "node:vm";
import { scheduleInput } from "../../provider/inputs/schedule";
import { compileSchedule } from "../../provider/triggers/compile";
import { planOf } from "../../provider/triggers/schedule";
import { at, version } from "./table";

const page = readFileSync(resolve(__dirname, "../../docs/schedules.md"), "utf8");
const examples = page.split("\n## Worked examples\n")[1]?.split("\n## ")[0] ?? "";
const rows = [...examples.matchAll(/^\| `(\{.*\})` +\| (\S+) +\| (\S+) +\|/gm)];

describe("the examples of the page on schedules", () => {
  it("are there", () => {
    assert.ok(rows.length > 12);
    assert.equal(rows.length, (examples.match(/^\|/gm) ?? []).length - 2, "every row is read");
  });

  for (const [, code = "", issued = "", next = ""] of rows)
    it(`${code}, issued ${issued}, is due ${next}`, () => {
      const schedule = scheduleInput.parse(runInNewContext(`(${code})`));
      assert.equal(
        new Date(planOf(compileSchedule(schedule), version(issued), "a-secret")?.at ?? 0).toISOString(),
        new Date(at(next)).toISOString(),
      );
    });
});
