import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../static/js/labeling/board.js";
import { emptyWork, rate, setCannotJudge, setCannotRank, setFlag, withBoard, withItem } from "../../static/js/labeling/judgments.js";
import { submission, workFrom } from "../../static/js/labeling/submission.js";

const IDS = [7, 8];
const ranked = (work, id, row) => withBoard(work, place(work.board, id, row));

test("a submission has dense ranks and leaves out what is empty", () => {
  const flagged = setFlag(rate(rate(emptyWork(IDS), 7, 6), 8, 2), 7, "hallucination", true);
  const work = withItem(ranked(ranked(flagged, 7, 1), 8, 1), 8, { note: " cut off " });

  assert.deepEqual(submission(work, IDS), {
    responses: [
      { id: 7, rank: 1, rating: 6, flags: ["hallucination"] },
      { id: 8, rank: 1, rating: 2, flags: [], note: "cut off" },
    ],
    rank_origin: "manual",
  });
});

test("a submission marks what cannot be judged and gives it no rank", () => {
  const work = setCannotJudge(ranked(rate(emptyWork(IDS), 7, 6), 7, 0), 8, "empty");

  assert.deepEqual(submission(work, IDS).responses[1], {
    id: 8, rank: null, rating: null, flags: [], cannot_judge: "empty",
  });
});

test("responses with the same text get the same values", () => {
  const work = ranked(ranked(rate(emptyWork(IDS), 7, 6), 7, 0), 8, 1);
  const { responses } = submission(work, IDS, { twins: new Map([[7, [9]], [8, []]]) });

  assert.deepEqual(responses.map(({ id, rank, rating, same_as: twin }) => [id, rank, rating, twin]), [
    [7, 1, 6, undefined], [9, 1, 6, 7], [8, 2, null, undefined],
  ]);
});

test("what cannot be ranked is sent with the reason and without ranks", () => {
  const work = setCannotRank(ranked(emptyWork(IDS), 7, 0), "incomparable");
  const sent = submission(work, IDS);

  assert.equal(sent.cannot_rank, "incomparable");
  assert.deepEqual(sent.responses.map(({ rank }) => rank), [null, null]);
});

test("a submitted ranking comes back as the work that it was", () => {
  const flagged = setFlag(rate(rate(emptyWork(IDS), 7, 6), 8, 2), 7, "opinion", true);
  const work = withItem(ranked(ranked(flagged, 7, 0), 8, 0), 8, { note: "cut off" });
  const stored = { items: {}, note: null, flags: [], cannot_rank: null, rank_origin: "guided" };
  for (const { id, ...item } of submission(work, IDS).responses) {
    stored.items[id] = { ...item, note: item.note ?? null };
  }

  assert.deepEqual(workFrom(stored, IDS), { ...withBoard(work, { ...work.board, last: null }), origin: "guided" });
});
