#!/usr/bin/env node
/** The `rotation` command: looks at rotating secrets, and the exits for what no run decides by itself. */
import { Command, CommanderError } from "commander";
import { RotationError } from "../provider/lifecycle/errors";
import { addAdopt } from "./adopt";
import { addAudit } from "./auditVerify";
import { EXIT, EXIT_CODES_HELP, UsageError } from "./failures";
import { addRelease } from "./release";
import { addReport } from "./report";
import { addStatus } from "./status";

function build(): Command {
  const program = new Command("rotation")
    .description(
      "Rotating secrets of the current Pulumi stack. Run it where you run pulumi, with the same environment.",
    )
    .option("-C, --cwd <folder>", "as in pulumi: run as if in this folder")
    .option("-s, --stack <name>", "as in pulumi: the stack; by default the selected one")
    .addHelpText("after", EXIT_CODES_HELP)
    .exitOverride();
  for (const add of [addStatus, addReport, addRelease, addAdopt, addAudit]) add(program);
  return program;
}

/** @returns the exit code. */
function report(error: unknown): number {
  // It has said what was wrong by itself.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof RotationError || error instanceof UsageError) {
    process.stderr.write(`error: ${error.message}\n`);
    return error instanceof UsageError ? EXIT.usage : EXIT.refused;
  }
  process.stderr.write(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.refused;
}

build()
  .parseAsync()
  .catch((error: unknown) => {
    process.exitCode = report(error);
  });
