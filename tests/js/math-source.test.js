import assert from "node:assert/strict";
import { test } from "node:test";

import { texOf } from "../../static/js/math-source.js";

test("the delimiters say whether a formula is displayed, and are taken off", () => {
  assert.deepEqual(texOf("$x^2$"), { tex: "x^2", displayMode: false });
  assert.deepEqual(texOf("\\( x \\)"), { tex: "x", displayMode: false });
  assert.deepEqual(texOf("$$\nx\n$$"), { tex: "x", displayMode: true });
  assert.deepEqual(texOf("\\[x\\]"), { tex: "x", displayMode: true });
});

test("what is no formula is left alone", () => {
  for (const source of ["", "$", "x", "$x", "\\(x$"]) {
    assert.equal(texOf(source), null, source);
  }
});

test("long sources and definitions of macros are not set", () => {
  assert.equal(texOf(`$${"x".repeat(2000)}$`), null);
  for (const name of ["def", "gdef", "edef", "let", "newcommand", "renewcommand", "providecommand", "global"]) {
    assert.equal(texOf(`$\\${name}\\a{bb}\\a$`), null, name);
  }
  assert.deepEqual(texOf("$a \\le b \\leftarrow c \\longrightarrow d$")?.displayMode, false);
});

test("formulas that reach far out of their place are not set", () => {
  for (const length of ["900em", "-10em", "-1em", "10.5 ex", "100pt", "1000mu"]) {
    for (const source of [`\\kern${length} x`, `\\hspace{${length}}`, `\\\\[ ${length} ]`]) {
      assert.equal(texOf(`$${source}$`), null, source);
    }
  }
  for (const length of ["1.25em", "-0.5em", "9em", "12pt", "18mu", "0.123cm"]) {
    assert.notEqual(texOf(`$\\kern${length} x$`), null, length);
  }
  for (const source of ["$100$", "$\\text{10 in a row}$", "$x = -5 in$"]) {
    assert.notEqual(texOf(source), null, source);
  }
});
