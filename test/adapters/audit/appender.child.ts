/** Records a chain in an audit file. Arguments: file, identity, number of events. */
import { appendEvent, GENESIS_HASH } from "../../../provider/audit/chain";
import { createFileAuditSink } from "../../../provider/audit/file";
import { testContext } from "../stores/support";
import { makeFields } from "./support";

async function main([path = "", identity = "", count = "0"]: readonly string[]): Promise<void> {
  const sink = createFileAuditSink({ type: "file", path }, testContext());
  let prev = GENESIS_HASH;
  for (let seq = 1; seq <= Number(count); seq++) {
    const event = appendEvent(prev, makeFields(identity, seq));
    await sink.record(event);
    process.stdout.write(`recorded ${seq}\n`);
    prev = event.hash;
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stdout.write(`${String(error)}\n`);
});
