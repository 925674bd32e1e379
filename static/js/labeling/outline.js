// The headings of a long response as a list in its footer; each unfolds the text and goes there. Two are no outline.
import { t } from "../words.js";

const HEADINGS = "[data-body] :is(h4, h5, h6)";
const LEAST = 3;

export function enableOutlines(cards) {
  for (const card of cards.values()) {
    const headings = [...card.querySelectorAll(HEADINGS)];
    if (headings.length >= LEAST) {
      card.querySelector("[data-flags]").before(outlineOf(card, headings));
    }
  }
}

function outlineOf(card, headings) {
  const outline = document.createElement("details");
  const summary = document.createElement("summary");
  const list = document.createElement("ol");
  const highest = Math.min(...headings.map(levelOf));
  outline.className = "outline";
  summary.textContent = t("Outline");
  list.append(...headings.map((heading) => itemOf(card, heading, levelOf(heading) - highest)));
  outline.append(summary, list);
  return outline;
}

function itemOf(card, heading, depth) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  item.style.setProperty("--depth", depth);
  button.type = "button";
  button.className = "quiet";
  button.dir = "auto";
  button.textContent = heading.textContent;
  button.addEventListener("click", () => {
    if (card.classList.contains("is-collapsed")) {
      card.querySelector("[data-show-all]").click();
    }
    heading.tabIndex = -1;
    heading.focus();
    heading.scrollIntoView();
  });
  item.append(button);
  return item;
}

function levelOf(heading) {
  return Number(heading.localName[1]);
}
