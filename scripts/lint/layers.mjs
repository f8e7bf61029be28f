// Which folder may import which: the direction of dependencies as data. Read by importDirection.mjs.
//
// `files` are the files a layer is made of, `ours` what of this repository they may import, `packages` which npm
// packages (absent: any but @pulumi/*). `types` may be imported with `import type` only: nothing of them is loaded.
// The first layer that fits a file counts. Files that fit none (tests, examples, scripts) may import anything.

const PULUMI = /^@pulumi\//;
const PULUMI_SDK = /^@pulumi\/pulumi(\/|$)/;
/** Our own name is no way around either. */
const OTHER_THAN_PULUMI = /^(?!@pulumi\/|pulumi-rotating-secrets(\/|$))/;
const BUILT_IN = /^node:/;

/** A folder and all in it. @param {string} folder */
const within = (folder) => new RegExp(`^${folder}(/|$)`);

const ADAPTER_FOLDERS = "kinds|stores|consumers|checks|audit|secrets";
/** Adapters that have a folder each, such as provider/kinds/postgres; the others share one, such as provider/checks. */
const FOLDER_EACH = /^provider\/(?:kinds|stores|consumers)\/[^/]+(?=\/)/;
const FOLDER_SHARED = new RegExp(`^provider/(?:${ADAPTER_FOLDERS})(?=/)`);

const adapters = within(`provider/(${ADAPTER_FOLDERS})`);
const lifecycle = within("provider/lifecycle");
const contracts = within("provider/contracts");
const triggers = within("provider/triggers");
const rotation = within("provider/rotation");
const net = within("provider/net");
const inputs = within("provider/inputs");
const engine = within("provider/engine");
const resources = within("provider/resources");
const NATIVE = ["vault", "aws", "gcp", "kubernetes"];
/** The files of components/ itself, which the main entry loads. Each folder in it is an entry of its own. */
const components = new RegExp(`^components/(?!(${NATIVE.join("|")})$)[^/]+$`);
const cli = within("cli");
const client = within("client");
const testing = within("testing");
/** Not an adapter but how audit records are chained, and how a chain is checked. */
const auditChain = /^provider\/audit\/chain$/;
const auditVerify = /^provider\/audit\/verify$/;
/** The files of provider/ itself, such as provider/handler. */
const providerRoot = new RegExp(`^provider/(?!(${ADAPTER_FOLDERS})$)[^/]+$`);

/**
 * @typedef {{ name: string, files: RegExp, ours: RegExp[], types?: RegExp[], packages?: RegExp[], rule: string,
 *   ownFolder?: boolean }} Layer
 * @type {Layer[]}
 */
export const LAYERS = [
  {
    name: "provider/lifecycle",
    files: lifecycle,
    ours: [lifecycle],
    packages: [/^(luxon|zod)$/, /^node:(crypto|util)$/],
    rule: "it is pure: only itself, luxon, zod and Node's crypto and util",
  },
  {
    name: "provider/contracts",
    files: contracts,
    ours: [contracts, lifecycle],
    packages: [/^(luxon|zod)$/, BUILT_IN],
    rule: "only itself and provider/lifecycle",
  },
  {
    name: "provider/triggers",
    files: triggers,
    ours: [triggers, lifecycle, contracts],
    packages: [/^(croner|luxon|zod)$/, BUILT_IN],
    rule: "only itself, provider/lifecycle and provider/contracts",
  },
  {
    name: "provider/rotation",
    files: rotation,
    ours: [rotation, triggers, lifecycle, contracts, auditChain],
    packages: [/^(luxon|zod)$/, BUILT_IN],
    rule: "only itself, provider/triggers, provider/lifecycle, provider/contracts and provider/audit/chain; adapters are given to it",
  },
  {
    name: "provider/net",
    files: net,
    ours: [net, lifecycle, contracts],
    packages: [OTHER_THAN_PULUMI],
    rule: "only itself, provider/lifecycle and provider/contracts (it is what adapters share)",
  },
  {
    name: "an adapter",
    files: adapters,
    ours: [lifecycle, contracts, net],
    ownFolder: true,
    packages: [OTHER_THAN_PULUMI],
    rule: "only its own folder, provider/lifecycle, provider/contracts and provider/net; never another adapter, never @pulumi/*",
  },
  {
    name: "provider/registry.ts",
    files: /^provider\/registry\.ts$/,
    ours: [within("provider")],
    packages: [OTHER_THAN_PULUMI],
    rule: "anything in provider/, but no @pulumi/*",
  },
  {
    name: "provider/inputs",
    files: inputs,
    ours: [inputs, lifecycle, contracts, triggers],
    packages: [/^(luxon|zod)$/, BUILT_IN],
    rule: "only itself, provider/lifecycle, provider/contracts and provider/triggers",
  },
  {
    name: "provider/engine",
    files: engine,
    ours: [engine, inputs, lifecycle, contracts, triggers, rotation, net, providerRoot, auditChain],
    packages: [OTHER_THAN_PULUMI],
    rule: "anything in provider/ but adapters, which only provider/registry.ts names, and no @pulumi/*",
  },
  {
    name: "provider/resources",
    files: resources,
    ours: [resources, inputs, lifecycle, contracts, triggers, rotation, net, providerRoot, auditChain],
    packages: [PULUMI, OTHER_THAN_PULUMI],
    rule: "anything in provider/ but adapters, which only provider/registry.ts names",
  },
  {
    name: "provider/*.ts",
    files: /^provider\/[^/]+\.ts$/,
    ours: [providerRoot, engine, inputs, resources, lifecycle, contracts, triggers, rotation, net, auditChain],
    packages: [OTHER_THAN_PULUMI],
    rule: "anything in provider/ but adapters, which only provider/registry.ts names, and no @pulumi/*",
  },
  ...NATIVE.map((vendor) => ({
    name: `components/${vendor}`,
    files: within(`components/${vendor}`),
    ours: [within(`components/${vendor}`), components, lifecycle],
    types: [within("provider")],
    packages: [PULUMI_SDK, new RegExp(`^@pulumi/${vendor}(/|$)`), BUILT_IN],
    rule:
      `@pulumi/pulumi, @pulumi/${vendor}, its own folder, the files of components/ itself and provider/lifecycle, and ` +
      "with `import type` all of provider/; no other SDK may be loaded with it",
  })),
  {
    // A folder that nobody has thought about here is held to the same.
    name: "components",
    files: within("components"),
    ours: [components, resources, inputs, lifecycle, contracts, triggers, providerRoot],
    types: [within("provider")],
    packages: [PULUMI_SDK, /^(luxon|zod)$/, BUILT_IN],
    rule:
      "@pulumi/pulumi, the files of components/ itself, provider/resources, provider/inputs, provider/lifecycle, provider/contracts and provider/triggers, with " +
      "`import type` all of provider/; no adapter and no SDK may be loaded with them",
  },
  {
    name: "index.ts",
    files: /^index\.ts$/,
    ours: [components],
    types: [within("provider")],
    packages: [],
    rule: "the files of components/ itself, and types of provider/ with `import type` or `export type`; no adapter and no SDK may be loaded with it",
  },
  {
    name: "cli",
    files: cli,
    ours: [cli, inputs, lifecycle, contracts, triggers, rotation, net, providerRoot, auditChain, auditVerify],
    packages: [OTHER_THAN_PULUMI],
    rule: "anything in provider/ but adapters, which only provider/registry.ts names, and no @pulumi/*",
  },
  {
    name: "client",
    files: client,
    ours: [client],
    types: [within("provider")],
    packages: [BUILT_IN],
    rule: "only itself and what Node has built in, and with `import type` all of provider/: applications load it, and nothing else of this package",
  },
  {
    name: "testing",
    files: testing,
    ours: [testing, inputs, lifecycle, contracts, triggers, rotation, net, providerRoot, auditChain, auditVerify],
    types: [within("provider")],
    packages: [OTHER_THAN_PULUMI],
    rule: "anything in provider/ but adapters (a suite is given the adapter it tests), and no @pulumi/*",
  },
  {
    // A folder that nobody has thought about here would otherwise be free to import anything.
    name: "a folder of provider/ without a place in the order",
    files: within("provider"),
    ours: [lifecycle, contracts],
    packages: [],
    rule: "only provider/lifecycle and provider/contracts, until it is given a layer",
  },
];

/** The folder that counts as an adapter's own. @param {string} file relative to the root, with forward slashes */
export function ownFolder(file) {
  return (FOLDER_EACH.exec(file) ?? FOLDER_SHARED.exec(file))?.[0];
}

/**
 * Whether a file may import something.
 *
 * @param {string} file relative to the root, with forward slashes
 * @param {{ path: string } | { package: string }} target a file of ours without its ending, or a package
 * @param {boolean} typeOnly
 * @returns {Layer | undefined} the layer that forbids it
 */
export function forbiddenBy(file, target, typeOnly) {
  const layer = LAYERS.find((candidate) => candidate.files.test(file));
  if (!layer) return undefined;
  return mayImport(layer, file, target, typeOnly) ? undefined : layer;
}

function mayImport(layer, file, target, typeOnly) {
  if ("package" in target)
    return (layer.packages ?? [OTHER_THAN_PULUMI]).some((allowed) => allowed.test(target.package));
  if (layer.ours.some((allowed) => allowed.test(target.path))) return true;
  if (typeOnly && layer.types?.some((allowed) => allowed.test(target.path))) return true;
  if (!layer.ownFolder) return false;
  const own = ownFolder(file);
  return own !== undefined && (ownFolder(target.path) === own || target.path === own);
}
