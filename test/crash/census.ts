/**
 * Every place in the library that causes a side effect, found in its source by the compiler: what the crash matrix has to
 * stop at, all of it.
 */
import { join, relative, resolve } from "node:path";
import ts from "typescript";
import { SIDE_EFFECTS } from "../../provider/rotation/effects";

const ROOT = resolve(__dirname, "../..");

/** What a session does for its callers. */
const SESSION_EFFECTS: Readonly<Record<string, string>> = {
  commit: "ledger.commit",
  createLedger: "ledger.create",
  promoteEverywhere: "label.move",
  clearCurrentEverywhere: "label.clear",
};

/** Methods of the contracts without side effects. A new method has to be put here, or into the table of the seam. */
const WITHOUT_EFFECT: Readonly<Record<keyof typeof SIDE_EFFECTS, readonly string[]>> = {
  SecretStore: ["load", "read", "readPayload", "list", "usage", "close"],
  CredentialKind: ["propose", "verify", "inspect", "usage", "refusals", "adopt", "close"],
  AuditSink: ["probe", "read", "close"],
  Consumer: ["confirm"],
};

const NAMES: Readonly<Record<keyof typeof SIDE_EFFECTS, string>> = {
  SecretStore: "store",
  CredentialKind: "issuer",
  AuditSink: "audit",
  Consumer: "consumer",
};

/** A ledger is a part of a store. */
const CONTRACT_OF: Readonly<Record<string, keyof typeof SIDE_EFFECTS>> = {
  SecretStore: "SecretStore",
  Ledger: "SecretStore",
  CredentialKind: "CredentialKind",
  AuditSink: "AuditSink",
  Consumer: "Consumer",
};

/** What is behind the contracts, and may do there what it likes. */
const ADAPTERS = /^provider\/(kinds|stores|consumers|checks|audit|net)\//;

export interface CallSite {
  /** Unique, and the same where lines have moved: `retire.ts destroy: ledger.commit (retired)`. */
  readonly name: string;
  readonly file: string;
  /** Where the method is named, both counted from 1. */
  readonly line: number;
  readonly column: number;
}

export interface Census {
  readonly sites: readonly CallSite[];
  /** Side effects that do not pass the seam, and methods of which nobody said whether they have any. */
  readonly problems: readonly string[];
}

/** @param added sources that are not on the disk, by their path in the checkout. */
export function takeCensus(added: Readonly<Record<string, string>> = {}): Census {
  const { program, files } = open(added);
  const checker = program.getTypeChecker();
  const sites: (CallSite & { readonly plain: string; readonly step: string | undefined })[] = [];
  const problems = unclassified(program);
  for (const source of files) {
    const file = relative(ROOT, source.fileName);
    const visit = (node: ts.Node): void => {
      ts.forEachChild(node, visit);
      if (!ts.isPropertyAccessExpression(node) && !ts.isBindingElement(node)) return;
      const what = effectOf(checker, node);
      if (what === undefined) return;
      const name = ts.isPropertyAccessExpression(node) ? node.name : node;
      const at = source.getLineAndCharacterOfPosition(name.getStart());
      const here = `${file}:${at.line + 1}: ${node.getText()}`;
      const call = node.parent;
      if (!ts.isPropertyAccessExpression(node) || !ts.isCallExpression(call) || call.expression !== node)
        return void problems.push(`${here} is not called there, so nobody can say who calls it`);
      if (!what.bySession && !passesSeam(checker, node.expression))
        return void problems.push(`${here} does not pass the seam`);
      const plain = `${file.split("/").at(-1)} ${functionAround(node)}: ${what.name}`;
      const step = what.bySession ? stepOf(call) : undefined;
      sites.push({ plain, step, name: plain, file, line: at.line + 1, column: at.character + 1 });
    };
    visit(source);
  }
  return { sites: named(sites), problems };
}

function open(added: Readonly<Record<string, string>>): { program: ts.Program; files: ts.SourceFile[] } {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(ROOT, "tsconfig.json"),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: () => undefined,
    },
  );
  if (!config) throw new Error("tsconfig.json cannot be read");
  const extra = new Map(Object.entries(added).map(([path, text]) => [join(ROOT, path), text]));
  const host = ts.createCompilerHost(config.options);
  const { readFile, fileExists } = host;
  host.readFile = (path) => extra.get(path) ?? readFile(path);
  host.fileExists = (path) => extra.has(path) || fileExists(path);
  // What only declares resources causes no side effects, and would bring the whole SDK with it.
  const names = config.fileNames.filter((name) => /^(provider(?!\/resources)|cli)\//.test(relative(ROOT, name)));
  const program = ts.createProgram(
    [...names, ...extra.keys()],
    { ...config.options, noEmit: true, incremental: false },
    host,
  );
  const files = program.getSourceFiles().filter(({ fileName }) => {
    const path = relative(ROOT, fileName);
    return /^(provider|cli)\//.test(path) && !ADAPTERS.test(path);
  });
  return { program, files };
}

function effectOf(
  checker: ts.TypeChecker,
  node: ts.PropertyAccessExpression | ts.BindingElement,
): { name: string; bySession: boolean } | undefined {
  for (const declaration of symbolOf(checker, node)?.declarations ?? []) {
    const owner = declaration.parent as ts.Node & { name?: ts.Identifier };
    const method = (declaration as ts.Declaration & { name?: ts.Node }).name?.getText() ?? "";
    const path = relative(ROOT, declaration.getSourceFile().fileName);
    if (
      path === "provider/rotation/session.ts" &&
      owner.name?.text === "Session" &&
      Object.hasOwn(SESSION_EFFECTS, method)
    )
      return { name: SESSION_EFFECTS[method] as string, bySession: true };
    const contract = path.startsWith("provider/contracts/") ? CONTRACT_OF[owner.name?.text ?? ""] : undefined;
    if (contract && (SIDE_EFFECTS[contract] as readonly string[]).includes(method))
      return { name: `${NAMES[contract]}.${method}`, bySession: false };
  }
  return undefined;
}

function symbolOf(checker: ts.TypeChecker, node: ts.PropertyAccessExpression | ts.BindingElement) {
  if (ts.isPropertyAccessExpression(node)) return checker.getSymbolAtLocation(node.name);
  const key = node.propertyName ?? node.name;
  return ts.isIdentifier(key) ? checker.getTypeAtLocation(node.parent).getProperty(key.text) : undefined;
}

/** The mark of `Seamed` is a property that only types have. */
function passesSeam(checker: ts.TypeChecker, receiver: ts.Expression): boolean {
  const properties = checker.getPropertiesOfType(checker.getTypeAtLocation(receiver));
  return properties.some((property) => String(property.escapedName).startsWith("__@SEAM@"));
}

/** The outermost function or method of its file. */
function functionAround(node: ts.Node): string {
  let name = "(module)";
  ts.findAncestor(node, (at) => {
    if ((ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at) || ts.isVariableDeclaration(at)) && at.name)
      name = at.name.getText();
    return false;
  });
  return name;
}

/** The event that a change of the ledger is told by. */
function stepOf(call: ts.CallExpression): string | undefined {
  let found: string | undefined;
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAssignment(node) && node.name.getText() === "step" && ts.isStringLiteral(node.initializer))
      found ??= node.initializer.text;
    ts.forEachChild(node, visit);
  };
  call.arguments.forEach(visit);
  return found;
}

/** A number only where nothing else tells two calls in one function apart. */
function named(found: readonly (CallSite & { plain: string; step: string | undefined })[]): CallSite[] {
  const told = found.map((site) => ({ site, text: site.step ? `${site.plain} (${site.step})` : site.plain }));
  const seen = new Map<string, number>();
  return told.map(({ site: { file, line, column }, text }) => {
    const nth = (seen.get(text) ?? 0) + 1;
    seen.set(text, nth);
    return { name: nth === 1 ? text : `${text}, no. ${nth}`, file, line, column };
  });
}

function unclassified(program: ts.Program): string[] {
  const problems: string[] = [];
  for (const source of program.getSourceFiles()) {
    if (!relative(ROOT, source.fileName).startsWith("provider/contracts/")) continue;
    source.forEachChild((node) => {
      const contract = ts.isInterfaceDeclaration(node) ? CONTRACT_OF[node.name.text] : undefined;
      if (!contract || !ts.isInterfaceDeclaration(node)) return;
      for (const member of node.members.filter((one) => ts.isMethodSignature(one))) {
        const method = member.name.getText();
        if ((SIDE_EFFECTS[contract] as readonly string[]).includes(method)) continue;
        if (!WITHOUT_EFFECT[contract].includes(method))
          problems.push(`${node.name.text}.${method}: nobody has said whether it has side effects`);
      }
    });
  }
  return problems;
}
