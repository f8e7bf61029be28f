// Entry of `npm test [suite]` and `npm run demo`. Works from a fresh clone: it needs Node and npm, nothing else,
// so neither this file nor anything in lib/ may import a package.
const OLDEST_NODE = 20;

const node = Number(process.versions.node.split(".")[0]);
if (node < OLDEST_NODE) {
  console.error(
    `This needs Node ${OLDEST_NODE} or newer, and this is Node ${process.versions.node} (${process.execPath}). ` +
      "Install a newer one from https://nodejs.org, or with your version manager (for example: nvm install 22).",
  );
  process.exit(1);
}

// Loaded only now: an older Node would stop at the syntax below before it could say why.
const { main } = await import("./lib/main.mjs");
process.exitCode = await main(process.argv.slice(2));
