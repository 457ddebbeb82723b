// Every file of a build lists the changes that it was built from, so that each can be followed.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

const outside = "content/outside";
const files = existsSync(outside) ? readdirSync(outside).sort() : [];
const changes = ["content/changes.txt", ...files.map((file) => `${outside}/${file}`)]
  .map((file) => readFileSync(file, "utf8"))
  .join("")
  .replaceAll("\n", " ");

const listChanges = {
  name: "list-changes",
  enforce: "pre",
  transform(code, id) {
    return id.endsWith(".css") ? code.replace("CHANGES", changes) : undefined;
  },
};

const leaveOutBanner = {
  name: "leave-out-banner",
  enforce: "pre",
  resolveId(id) {
    return id.endsWith("/Banner.astro") ? resolve("src/components/Nothing.astro") : undefined;
  },
};

export default {
  publicDir: "./static",
  // Beside the sources: the installed packages may be shared by many checkouts.
  cacheDir: "./.cache",
  build: { format: "file", assets: "assets", inlineStylesheets: "never" },
  vite: {
    build: { assetsInlineLimit: 0 },
    define: { CHANGES: JSON.stringify(changes) },
    plugins: process.env.SITE_WITHOUT_BANNER ? [listChanges, leaveOutBanner] : [listChanges],
  },
};
