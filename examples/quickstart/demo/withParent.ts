/** Runs the program that its first argument names, and ends with the process that started it, however that ends. */
process.once("disconnect", () => process.exit(1));
process.argv.splice(1, 1);
void import(process.argv[1] ?? "");
