/** What the person at the terminal sees. */
const colours = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
const paint = (code: number) => (text: string) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);

export const bold = paint(1);
export const dim = paint(2);
export const red = paint(31);
export const green = paint(32);

export function say(text = ""): void {
  console.log(text);
}

/** `1:07` for 67 seconds. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export function count(number: number): string {
  return number.toLocaleString("en-US");
}

const WIDTH = 116;

/** Wrapped at words, each line behind so many blanks. */
export function indent(text: string, blanks: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && blanks + line.length + word.length >= WIDTH) lines.push(`  ${word}`);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => " ".repeat(blanks) + line).join("\n");
}

/** What matters of a run's output: the library's own lines, what failed, and what was done to the resources. */
export function digest(output: string): string[] {
  const lines = output.split("\n");
  const section = (title: string) => {
    const start = lines.indexOf(title);
    const rest = start < 0 ? [] : lines.slice(start + 1);
    const end = rest.findIndex((line) => /^\S/.test(line));
    return rest.slice(0, end < 0 ? undefined : end).map((line) => line.trim());
  };
  const told = section("Diagnostics:").filter((line) => line !== "" && !/^\S+:\S+ \(.*\):$/.test(line));
  const resources = section("Resources:").filter((line) => line !== "");
  return [...new Set(told), `resources: ${resources.join(", ") || "none"}`];
}

export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
