/** Loads AWS's SDK when it is first needed: only programs that move functions of Lambda have to install it. */
import type * as Lambda from "@aws-sdk/client-lambda";
import { loadAwsPackage } from "../../net/aws/sdk";

export type LambdaSdk = typeof Lambda;

export function loadLambda(load: () => Promise<unknown> = () => import("@aws-sdk/client-lambda")): Promise<LambdaSdk> {
  return loadAwsPackage("@aws-sdk/client-lambda", "The consumer lambda", load);
}
