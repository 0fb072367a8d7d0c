// Turns `registry.js` into a component: node build.js WIT WORLD OUTPUT

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";

const [witPath, worldName, output] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath: fileURLToPath(new URL("registry.js", import.meta.url)),
  witPath,
  worldName,
  // What an agent gives no component anyway. Errors go to its log.
  disableFeatures: ["random", "http", "fetch-event"],
});
await writeFile(output, component);
