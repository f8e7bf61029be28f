// `npm run servers`: gets all servers of the tests and prints their folder, for single test files and for looking around.
import { stopAllOnSignal } from "./processes.mjs";
import { SERVERS } from "./server-recipes.mjs";
import { linkServers, provideServer } from "./servers.mjs";

/** @returns {Promise<number>} the exit code */
export async function printServers() {
  stopAllOnSignal();
  const folders = {};
  for (const name of Object.keys(SERVERS)) folders[name] = await provideServer(name, { live: true });
  process.stdout.write(`${await linkServers(folders)}\n`);
  return 0;
}
