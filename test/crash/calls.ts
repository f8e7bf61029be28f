/** What a stopped process says of a call, which is a place in compiled code, under its name in the census. */
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { join } from "node:path";
import type { Census } from "./census";
import { ROOT } from "./compiled";

/** A point of the matrix: who asks, and what is done for it. */
export interface Point {
  /** Names of the call sites, the one who asked first. */
  readonly sites: readonly string[];
  /** The call on the adapter, such as `store.commit`. */
  readonly effect: string;
}

export class CallNames {
  private readonly maps = new Map<string, SourceMap>();

  constructor(private readonly census: Census) {}

  /** @throws Error for a call that is not in the census: then the census is wrong. */
  pointOf(call: string): Point {
    const places = call.split(" ");
    const effect = places.pop() as string;
    return { sites: places.map((place) => this.siteAt(place)), effect };
  }

  private siteAt(place: string): string {
    const [file = "", line = "", column = ""] = place.split(":");
    const found = this.mapOf(file).findEntry(Number(line) - 1, Number(column) - 1);
    if (!("originalLine" in found)) throw new Error(`${place} is not in the source map`);
    const source = file.replace(/\.js$/, ".ts");
    const site = this.census.sites.find(
      (one) => one.file === source && one.line === found.originalLine + 1 && one.column === found.originalColumn + 1,
    );
    if (site) return site.name;
    throw new Error(
      `A side effect is asked for at ${source}:${found.originalLine + 1}:${found.originalColumn + 1}, where the census has none`,
    );
  }

  private mapOf(file: string): SourceMap {
    let map = this.maps.get(file);
    if (!map) {
      map = new SourceMap(JSON.parse(readFileSync(join(ROOT, "dist", `${file}.map`), "utf8")));
      this.maps.set(file, map);
    }
    return map;
  }
}

/** As people read it. */
export function describePoint({ sites, effect }: Point): string {
  const last = sites.at(-1) ?? "";
  const asked = sites[0] ?? "";
  return sites.length > 1 && !last.startsWith(asked) ? `${asked} → ${effect}` : asked.replace(/: \S+/, `: ${effect}`);
}
