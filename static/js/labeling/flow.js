// In which order a project lets its labelers rate and rank, as pure data. No DOM here.
import { isEmpty, isRanked } from "./board.js";
import { isRated, judgedOf } from "./fill.js";
import { t } from "../words.js";

export const RATE_FIRST = t("Rate all responses first, then rank them.");
export const RANK_FIRST = t("Rank all responses first, then rate them.");
export const RATED_BY_RULE = t("What cannot be judged is rated 1 in this project.");

// What has to be done before responses are ranked, or null. Who has begun with it goes on.
export function beforeRanking(flow, work, ids) {
  return flow === "two_step" && !isRated(work, ids) && isEmpty(work.board) ? RATE_FIRST : null;
}

// What has to be done before responses are rated, or null.
export function beforeRating(flow, work, ids) {
  const isDone = work.cannotRank !== null || judgedOf(work, ids).every((id) => isRanked(work.board, id));
  const hasBegun = judgedOf(work, ids).some((id) => work.items[id].rating !== null);
  return flow === "rank_first" && !isDone && !hasBegun ? RANK_FIRST : null;
}

// Why one response is not rated (yet), or null.
export function whyNotRated(rules, work, ids, id) {
  const isRuled = rules.ratesUnjudged && work.items[id].cannotJudge !== null;
  return isRuled ? RATED_BY_RULE : beforeRating(rules.flow, work, ids);
}
