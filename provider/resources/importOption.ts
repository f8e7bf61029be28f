import * as pulumi from "@pulumi/pulumi";

/** The engine would read what is to be imported, and nothing is there to be read: the ledger tells what there is. */
export function refuseImport(name: string, opts: pulumi.CustomResourceOptions | undefined): void {
  if (opts?.import === undefined) return;
  throw new pulumi.RunError(
    `${name}: the option "import" does not apply here. Nothing was changed. Leave it out: a secret is found again by its ` +
      `store, and a rollout registers by itself. A credential that is in use already is taken over with the input ` +
      `"adopt", a secret of another stack with: rotation adopt NAME --reason TEXT`,
  );
}
