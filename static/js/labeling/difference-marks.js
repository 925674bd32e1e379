// Marks what differs between two responses, as the server found it, in the texts as they are read: underlined what only
// one has, a small number on sentences that stand elsewhere in the other. Never by color alone.
import { removeSameAddresses, showAddresses } from "./addresses.js";
import { differencePlaces } from "./difference-places.js";
import { t } from "../words.js";

const ELEMENTS = { deleted: "del", inserted: "ins", moved: "mark" };

// Marks both texts; returns the sentence that says what the marks mean.
export function markDifferences(texts, found) {
  const sides = ["left", "right"].map((side) => {
    showAddresses(texts[side]);
    const units = unitsOf(texts[side]);
    return { units, segments: found[side], places: differencePlaces(units.map(shownText), found[side]) };
  });
  const isShown = sides.every(({ places }) => places !== null);
  if (isShown) {
    sides.forEach(mark);
  }
  Object.values(texts).forEach(removeSameAddresses);
  if (!isShown) {
    return t("The differences cannot be shown.");
  }
  return sides.every(({ places }) => places.length === 0)
    ? t("The words are the same.") : t("Underlined: only here. Numbers: the same sentence elsewhere.");
}

// The text nodes in order; a formula that is set is one unit.
function unitsOf(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, (node) => {
    if (node.parentElement.closest(".math.is-set")) {
      return NodeFilter.FILTER_REJECT;
    }
    return node.nodeType === Node.TEXT_NODE || node.matches(".math.is-set") ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP;
  });
  const units = [];
  while (walker.nextNode()) {
    units.push(walker.currentNode);
  }
  return units;
}

function shownText(unit) {
  return unit.nodeType === Node.TEXT_NODE ? unit.data : unit.dataset.source;
}

// From the end on: what is cut off there does not move what is before it.
function mark({ units, segments, places }) {
  const isFirst = new Map(places.toReversed().map((place) => [place.segment, place]));
  for (const place of places.toReversed()) {
    const { kind, number } = segments[place.segment];
    const element = document.createElement(ELEMENTS[kind]);
    element.className = "difference";
    const range = document.createRange();
    const unit = units[place.unit];
    if (unit.nodeType === Node.TEXT_NODE) {
      range.setStart(unit, place.from);
      range.setEnd(unit, place.to);
    } else {
      range.selectNode(unit);
    }
    range.surroundContents(element);
    if (number !== null && isFirst.get(place.segment) === place) {
      element.prepend(Object.assign(document.createElement("sup"), { textContent: number }));
    }
  }
}
