// What the project asks of a ranking, from its settings and from the flags on the cards.

export function rulesOf(settings, root) {
  const card = root.querySelector("[data-response]");
  const keys = (selector) => [...new Set([...card.querySelectorAll(selector)].map((input) => input.value || input.dataset.flag))];
  return {
    flow: settings.flow,
    needsRating: settings.require_rating,
    needsRank: settings.require_rank,
    ratesUnjudged: settings.rate_unjudged,
    allowsTies: settings.allow_ties,
    forcedFlags: settings.flags_mode === "forced_yes_no" ? keys("[data-flag]") : [],
    noteFlags: keys("[data-needs-note]"),
  };
}
