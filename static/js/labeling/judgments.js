// A labeler's work on one task as pure data: the board, per response a rating, flags, a note and why it cannot be
// judged, and what is said of the whole task. Nothing has a value before the labeler gave it one. No DOM here.
import { emptyBoard, isEmpty, isRanked, unrank } from "./board.js";
import { t } from "../words.js";

const MAX_NAMED = 3;
const BLANK = { rating: null, flags: [], notFlagged: [], note: "", cannotJudge: null };

// What a project asks for; `ratesUnjudged` gives what cannot be judged the rating 1, `forcedFlags` each need a yes or a no,
// `noteFlags` need a note when set.
export const LENIENT = {
  needsRating: false, needsRank: false, ratesUnjudged: false, allowsTies: true, forcedFlags: [], noteFlags: [],
};
export const USUAL = { ...LENIENT, needsRating: true, needsRank: true };

export function emptyWork(ids) {
  return {
    board: emptyBoard(ids.length),
    items: Object.fromEntries(ids.map((id) => [id, BLANK])),
    note: "",
    flags: [],
    cannotRank: null,
    origin: "manual",
  };
}

// `origin` says what first put responses on the board: once all of them are taken off again, nothing did.
export function withBoard(work, board) {
  return { ...work, board, origin: isEmpty(board) ? "manual" : work.origin };
}

export function withItem(work, id, change) {
  return { ...work, items: { ...work.items, [id]: { ...work.items[id], ...change } } };
}

export function rate(work, id, rating) {
  return withItem(work, id, { rating });
}

// `answer` is true for yes, false for no, null for none; without forced answers no and none are the same.
export function setFlag(work, id, key, answer) {
  const { flags, notFlagged } = work.items[id];
  const others = (keys) => keys.filter((other) => other !== key);
  return withItem(work, id, {
    flags: answer === true ? [...others(flags), key] : others(flags),
    notFlagged: answer === false ? [...others(notFlagged), key] : others(notFlagged),
  });
}

export function setTaskFlag(work, key, isSet) {
  const others = work.flags.filter((other) => other !== key);
  return { ...work, flags: isSet ? [...others, key] : others };
}

// A response that cannot be judged leaves the board: it has no rank. `reason` is null when it can be; a rating that it
// only had by the project's rule is gone then.
export function setCannotJudge(work, id, reason, rules = USUAL) {
  const board = reason ? unrank(work.board, id) : work.board;
  const change = rules.ratesUnjudged ? { cannotJudge: reason, rating: reason ? 1 : null } : { cannotJudge: reason };
  return withItem(withBoard(work, board), id, change);
}

export function setCannotRank(work, reason) {
  return { ...work, cannotRank: reason };
}

// What still keeps the work from being submitted, by response.
export function missing(work, ids, rules = USUAL) {
  const judged = ids.filter((id) => work.items[id].cannotJudge === null);
  const needsRank = rules.needsRank && work.cannotRank === null;
  const lacksAnswer = ({ flags, notFlagged }) => rules.forcedFlags
    .some((key) => !flags.includes(key) && !notFlagged.includes(key));
  const lacksNote = ({ flags, note }) => note.trim() === "" && flags.some((key) => rules.noteFlags.includes(key));
  return {
    unrated: rules.needsRating ? judged.filter((id) => work.items[id].rating === null) : [],
    unranked: needsRank ? judged.filter((id) => !isRanked(work.board, id)) : [],
    unflagged: judged.filter((id) => lacksAnswer(work.items[id])),
    unexplained: ids.filter((id) => lacksNote(work.items[id])),
    tied: rules.allowsTies || work.cannotRank !== null ? [] : work.board.rows.filter((row) => row.length > 1).flat(),
  };
}

// The first response that lacks something, if one does.
export function firstIncomplete(work, ids, rules = USUAL) {
  const lacking = Object.values(missing(work, ids, rules)).flat();
  return ids.find((id) => lacking.includes(id));
}

export function isComplete(work, ids, rules = USUAL) {
  return firstIncomplete(work, ids, rules) === undefined;
}

// "C, E not rated; F not ranked"; many of them, or all, are only counted.
export function missingText(work, letters, rules = USUAL) {
  const ids = [...letters.keys()];
  const lacking = missing(work, ids, rules);
  const named = (those) => {
    const isShort = those.length < ids.length && those.length <= MAX_NAMED;
    return isShort ? those.map((id) => letters.get(id)).join(", ") : those.length;
  };
  const parts = [
    [lacking.unrated, (which) => t("{which} not rated", { which })],
    [lacking.unranked, (which) => t("{which} not ranked", { which })],
    [lacking.unflagged, (which) => t("{which} with open flags", { which })],
    [lacking.unexplained, (which) => t("{which} without the note that a flag needs", { which })],
    [lacking.tied, (which) => t("{which} tied, but ties are not allowed here", { which })],
  ].filter(([those]) => those.length > 0);
  return parts.map(([those, say]) => say(named(those))).join("; ") || t("Ready to submit");
}
