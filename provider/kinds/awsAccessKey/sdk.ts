/** Loads AWS's SDK when it is first needed: only programs that rotate access keys have to install it. */
import type * as Iam from "@aws-sdk/client-iam";
import type * as Sts from "@aws-sdk/client-sts";
import { loadAwsPackage } from "../../net/aws/sdk";

const USER = "The kind awsAccessKey";

export function loadIam(load: () => Promise<unknown> = () => import("@aws-sdk/client-iam")): Promise<typeof Iam> {
  return loadAwsPackage("@aws-sdk/client-iam", USER, load);
}

export function loadSts(load: () => Promise<unknown> = () => import("@aws-sdk/client-sts")): Promise<typeof Sts> {
  return loadAwsPackage("@aws-sdk/client-sts", USER, load);
}
