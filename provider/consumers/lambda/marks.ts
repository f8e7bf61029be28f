/** How a version that the consumer published says so. Pure. */
import type { RollTarget } from "../../contracts/consumer";
import { describeTarget } from "../../net/target";
import type { Configuration } from "./configuration";

/** https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html */
const LONGEST = 256;

const markOf = (alias: string) => `Rotation for ${alias}: `;

export function descriptionFor(alias: string, target: RollTarget): string {
  return `${markOf(alias)}${describeTarget(target)}`.slice(0, LONGEST);
}

/** Whether the consumer published it, for this alias. */
export function isOurs({ Description }: Pick<Configuration, "Description">, alias: string): boolean {
  return Description?.startsWith(markOf(alias)) ?? false;
}
