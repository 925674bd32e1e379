import assert from "node:assert/strict";
import { test } from "node:test";
import { language, t, tn } from "../../static/js/words.js";

// A module of its own, for a page in German.
async function inGerman() {
  globalThis.document = { documentElement: { lang: "de" } };
  try {
    return await import("../../static/js/words.js?german");
  } finally {
    delete globalThis.document;
  }
}

test("without a page it is English", () => {
  assert.equal(language, "en");
  assert.equal(t("{letter} rated {rating}", { letter: "A", rating: 5 }), "A rated 5");
});

test("a value may stand twice, and a value's own braces stay", () => {
  assert.equal(t("{a} and {a}", { a: "{b}" }), "{b} and {b}");
});

test("a plural takes the form of its count", () => {
  const forms = { one: "{count} ranking waits", other: "{count} rankings wait" };

  assert.equal(tn(forms, 1), "1 ranking waits");
  assert.equal(tn(forms, 0), "0 rankings wait");
});

test("a page in German has German texts, and English ones where the catalogue has none", async () => {
  const german = await inGerman();

  assert.equal(german.t("{letter} rated {rating}", { letter: "A", rating: 5 }), "A bewertet mit 5");
  assert.equal(german.t("of no catalogue"), "of no catalogue");
});

test("a plural in German has the catalogue's forms", async () => {
  const german = await inGerman();
  const forms = {
    one: "{count} second is very short for {words} words.", other: "{count} seconds are very short for {words} words.",
  };

  assert.equal(german.tn(forms, 1, { words: 9 }), "1 Sekunde ist sehr kurz für 9 Wörter.");
  assert.equal(german.tn(forms, 2, { words: 9 }), "2 Sekunden sind sehr kurz für 9 Wörter.");
});
