import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import { filledFromRatings, isRated } from "../../static/js/labeling/fill.js";
import { beforeRanking, beforeRating, RANK_FIRST, RATE_FIRST, RATED_BY_RULE, whyNotRated } from "../../static/js/labeling/flow.js";
import { emptyWork, rate, setCannotJudge, setCannotRank, withBoard } from "../../static/js/labeling/judgments.js";

const IDS = [1, 2, 3, 4];
const rated = (ratings) => ratings.reduce((work, rating, index) => rate(work, IDS[index], rating), emptyWork(IDS));
const ranked = (work, ids) => ids.reduce((now, id) => withBoard(now, place(now.board, id, 0)), work);

test("the highest rating goes first, equal ratings share a row", () => {
  const { board, origin } = filledFromRatings(rated([3, 7, 3, 1]), IDS);

  assert.deepEqual(board.rows, [[2], [1, 3], [4], []]);
  assert.equal(origin, "from_ratings");
});

test("what cannot be judged is left out and needs no rating", () => {
  const work = setCannotJudge(rated([3, 7, 3]), 4, "empty");

  assert.equal(isRated(rated([3, 7, 3]), IDS), false);
  assert.equal(isRated(work, IDS), true);
  assert.deepEqual(filledFromRatings(work, IDS).board.rows, [[2], [1, 3], [], []]);
});

test("filling replaces what was ranked before", () => {
  assert.deepEqual(filledFromRatings(ranked(rated([1, 2, 3, 4]), [1, 2]), IDS).board.rows, [[4], [3], [2], [1]]);
});

test("an empty board has no origin but the labeler", () => {
  const filled = filledFromRatings(rated([3, 3, 3, 3]), IDS);

  assert.equal(withBoard(filled, place(filled.board, 1, 2)).origin, "from_ratings");
  assert.equal(withBoard(filled, emptyWork(IDS).board).origin, "manual");
});

test("in two steps the ranking waits for all ratings", () => {
  const half = rated([3, 7]);

  assert.equal(beforeRanking("two_step", half, IDS), RATE_FIRST);
  assert.equal(beforeRanking("two_step", rated([3, 7, 3, 1]), IDS), null);
  assert.equal(beforeRanking("two_step", ranked(half, [1]), IDS), null);
  assert.equal(beforeRanking("single_screen", half, IDS), null);
});

test("where ranks come first the ratings wait for them", () => {
  const half = ranked(emptyWork(IDS), [1, 2]);

  assert.equal(beforeRating("rank_first", half, IDS), RANK_FIRST);
  assert.equal(beforeRating("rank_first", ranked(half, [3, 4]), IDS), null);
  assert.equal(beforeRating("rank_first", rate(half, 1, 4), IDS), null);
  assert.equal(beforeRating("rank_first", setCannotRank(half, "incomparable"), IDS), null);
  assert.equal(beforeRating("single_screen", half, IDS), null);
});

test("what the project's rule rates is rated by nobody else", () => {
  const rules = { flow: "single_screen", ratesUnjudged: true };
  const work = setCannotJudge(emptyWork(IDS), 4, "empty", rules);

  assert.equal(whyNotRated(rules, work, IDS, 4), RATED_BY_RULE);
  assert.equal(whyNotRated(rules, work, IDS, 1), null);
  assert.equal(whyNotRated({ ...rules, ratesUnjudged: false }, work, IDS, 4), null);
  assert.equal(whyNotRated({ ...rules, flow: "rank_first" }, work, IDS, 1), RANK_FIRST);
});
