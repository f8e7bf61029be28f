/** The file that a process consumer is given: `{ "secrets": { "<name>": { version, fingerprint, value } } }`. */
import { open, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { describeError, IncompleteError, isMissing, SecretError } from "./errors";
import { sealed, type Fields, type Reading, type SecretSource } from "./source";
import { watchFolder } from "./watching";

/** A look is one `stat`. */
const MAX_AGE_MS = 1000;

/**
 * @param path the `file` of `consumer.process`. It may be replaced by a rename, as the library does, or written anew in
 *   place; what is half written is not taken. A relative path is taken from the working directory of now.
 */
export function fromFile(path: string): SecretSource<Fields> {
  const file = resolve(path);
  const description = `the file ${file}`;
  return {
    description,
    maxAge: MAX_AGE_MS,
    async read({ name }) {
      return select(parse(await readWhole(file, description), description), name, description);
    },
    look: async () => markOf(await stat(file, { bigint: true })),
    // The folder: the file itself is another one after each change. In a volume of Kubernetes the link ..data changes.
    watch: (changed) => watchFolder(dirname(file), (name) => name === basename(file) || name.startsWith(".."), changed),
  };
}

interface Marked {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

function markOf({ dev, ino, size, mtimeNs, ctimeNs }: Marked): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(":");
}

async function readWhole(file: string, description: string): Promise<string> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "r");
    const before = markOf(await handle.stat({ bigint: true }));
    const text = await handle.readFile("utf8");
    if (markOf(await handle.stat({ bigint: true })) === before) return text;
  } catch (error) {
    if (isMissing(error)) throw new SecretError(`${capital(description)} does not exist: nothing was delivered yet.`);
    throw new SecretError(`${capital(description)} cannot be read: ${describeError(error)}.`);
  } finally {
    await handle?.close();
  }
  throw new IncompleteError(`${capital(description)} was written while it was read.`);
}

type Delivered = ReadonlyMap<string, Reading<Fields>>;

function parse(text: string, description: string): Delivered {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new IncompleteError(`${capital(description)} is no whole JSON text.`);
  }
  const secrets = isObject(content) ? content["secrets"] : undefined;
  const wrong = () =>
    new SecretError(
      `${capital(description)} is not what a process consumer is given: ` +
        '{ "secrets": { "<name>": { "version", "fingerprint", "value": { "<field>": "<text>" } } } }.',
    );
  if (!isObject(secrets)) throw wrong();
  return new Map(
    Object.entries(secrets).map(([name, entry]) => {
      if (!isObject(entry)) throw wrong();
      const { version, fingerprint, value } = entry;
      if (typeof version !== "number" || typeof fingerprint !== "string" || !isFields(value)) throw wrong();
      return [name, { name, version, fingerprint, value: sealed(value) }];
    }),
  );
}

function select(secrets: Delivered, name: string | undefined, description: string): Reading<Fields> {
  const names = [...secrets.keys()].map((known) => JSON.stringify(known)).join(", ") || "none";
  const [only] = secrets.values();
  const found = name === undefined ? only : secrets.get(name);
  if (found !== undefined && (name !== undefined || secrets.size === 1)) return found;
  throw new SecretError(
    name === undefined
      ? `${capital(description)} holds these secrets: ${names}. Tell openSecret which one by "name".`
      : `${capital(description)} holds no secret ${JSON.stringify(name)}; it holds ${names}.`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFields(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((field) => typeof field === "string");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
