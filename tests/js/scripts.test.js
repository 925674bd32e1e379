// Rules for every script of ours, so that no linter has to be installed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const FOLDER = fileURLToPath(new URL("../../static/js/", import.meta.url));
const SCRIPTS = readdirSync(FOLDER, { recursive: true }).filter((name) => name.endsWith(".js"));
const MAX_LINES = 150;

for (const name of SCRIPTS) {
  const source = readFileSync(FOLDER + name, "utf8");

  test(`${name} parses`, () => {
    const { status, stderr } = spawnSync(process.execPath, ["--check", FOLDER + name], { encoding: "utf8" });

    assert.equal(status, 0, stderr);
  });

  test(`${name} makes no HTML or code out of strings`, () => {
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/);
  });

  test(`${name} opens with a comment that says what it does, and fits on two screens`, () => {
    assert.match(source, /^\/\/ \S/);
    const isCatalogue = name.startsWith("locales/"); // One line a text.
    assert.ok(isCatalogue || source.split("\n").length <= MAX_LINES, "split it by behavior");
  });
}
