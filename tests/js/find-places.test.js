import assert from "node:assert/strict";
import { test } from "node:test";
import { countsText, placesOf } from "../../static/js/labeling/find-places.js";

const textAt = (nodes, { from, to }) => (from.node === to.node
  ? nodes[from.node].slice(from.offset, to.offset)
  : nodes[from.node].slice(from.offset) + nodes.slice(from.node + 1, to.node).join("") + nodes[to.node].slice(0, to.offset));

test("every place is found, also across nodes and whatever the case", () => {
  const nodes = ["The Moon, the m", "o", "on", " and a MOON."];

  const places = placesOf(nodes, " moon ");

  assert.deepEqual(places.map((place) => textAt(nodes, place)), ["Moon", "moon", "MOON"]);
  assert.deepEqual(places[1], { from: { node: 0, offset: 14 }, to: { node: 2, offset: 2 } });
});

test("places do not overlap, and an empty text has none", () => {
  assert.equal(placesOf(["aaaa"], "aa").length, 2);
  assert.deepEqual(placesOf(["aaaa"], "  "), []);
  assert.deepEqual(placesOf([], "a"), []);
});

test("a letter that grows with its case moves no place", () => {
  const nodes = ["\u0130stanbul, then moon"];

  assert.deepEqual(placesOf(nodes, "moon").map((place) => textAt(nodes, place)), ["moon"]);
});

test("counts name only the parts that have some", () => {
  assert.equal(countsText("moon", [["Prompt", 0], ["A", 2], ["B", 0], ["C", 1]]), "A 2, C 1");
  assert.equal(countsText("moon", [["A", 0]]), "not found");
  assert.equal(countsText(" ", [["A", 0]]), "");
});
