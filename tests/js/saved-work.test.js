import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import { newerDraft } from "../../static/js/labeling/draft.js";
import { emptyWork, rate, withBoard } from "../../static/js/labeling/judgments.js";
import { restoredWork } from "../../static/js/labeling/saved-work.js";

const IDS = [7, 8];
const ranked = (work, id, row) => withBoard(work, place(work.board, id, row));

test("stored work comes back, and what is damaged in it is dropped", () => {
  const work = ranked(rate(emptyWork(IDS), 7, 6), 7, 0);
  const damaged = { items: { 7: { rating: 9, flags: "x", note: 3 } }, board: 4, note: null };

  assert.deepEqual(restoredWork(JSON.parse(JSON.stringify(work)), IDS), work);
  assert.deepEqual(restoredWork(damaged, IDS), emptyWork(IDS));
  assert.deepEqual(restoredWork(null, IDS), emptyWork(IDS));
});

test("the draft that has all of the other is gone on from; else the labeler is asked", () => {
  const server = { version: 4, body: {} };

  assert.equal(newerDraft(null, null), null);
  assert.equal(newerDraft(null, server), "server");
  assert.equal(newerDraft({ base: 0, isSynced: false }, null), "local");
  assert.equal(newerDraft({ base: 4, isSynced: false }, server), "local");
  assert.equal(newerDraft({ base: 3, isSynced: true }, server), "server");
  assert.equal(newerDraft({ base: 3, isSynced: false }, server), "ask");
  const own = { version: 4, body: { writer: "w" } };
  assert.equal(newerDraft({ base: 3, isSynced: false, writer: "w" }, own, "w"), "local");
  assert.equal(newerDraft({ base: 3, isSynced: false, writer: "v" }, own, "w"), "ask");
  assert.equal(newerDraft({ base: 3, isSynced: false, writer: "w" }, own, "v"), "ask");
});
