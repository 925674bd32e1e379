// Finds a text in the prompt and in all responses at once: marks every place and counts them per response.
import { countsText, placesOf } from "./find-places.js";
import { t } from "../words.js";

const MAX_PLACES = 2000;

// `task()` is the open task; `onLook(id)` leads to a response, `onFind(text)` hears what was looked for.
export function enableFind(panel, { task, onLook, onFind }) {
  const input = panel.querySelector("[data-find-text]");
  const counts = panel.querySelector("[data-find-counts]");
  let places = [];
  let at = -1;

  function find() {
    const { root, store } = task();
    const parts = [
      { name: t("Prompt"), id: null, element: root.querySelector(".prompt") },
      ...store.ids.map((id) => ({
        name: store.letters.get(id), id, element: root.querySelector(`[data-response="${id}"] [data-body]`),
      })),
    ];
    const found = parts.map((part) => ({ ...part, ranges: rangesIn(part.element, input.value) }));
    places = found.flatMap(({ id, ranges }) => ranges.map((range) => ({ id, range }))).slice(0, MAX_PLACES);
    at = -1;
    CSS.highlights.set("found", new Highlight(...places.map(({ range }) => range)));
    CSS.highlights.delete("found-here");
    counts.textContent = countsText(input.value, found.map(({ name, ranges }) => [name, ranges.length]));
  }

  function go(step) {
    if (places.length === 0) {
      return;
    }
    at = (at + step + places.length) % places.length;
    const { id, range } = places[at];
    CSS.highlights.set("found-here", new Highlight(range));
    onLook(id);
    const place = range.startContainer.parentElement;
    place.closest("[hidden]")?.dispatchEvent(new Event("beforematch")); // As the browser's own search does.
    place.scrollIntoView({ block: "center" });
  }

  function close() {
    panel.hidden = true;
    CSS.highlights.delete("found");
    CSS.highlights.delete("found-here");
    places = [];
  }

  input.addEventListener("input", find);
  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      close();
      task().perform(["focusActive"], {});
    } else if (event.key === "Enter") {
      event.preventDefault();
      onFind(input.value);
      go(event.shiftKey ? -1 : 1);
    }
  });
  panel.querySelector("[data-find-next]").addEventListener("click", () => go(1));
  panel.querySelector("[data-find-previous]").addEventListener("click", () => go(-1));
  panel.querySelector("[data-find-close]").addEventListener("click", close);

  return {
    open() {
      panel.hidden = false;
      input.focus();
      input.select();
      find();
    },
    close,
  };
}

function rangesIn(element, text) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) {
    nodes.push(walker.currentNode);
  }
  return placesOf(nodes.map((node) => node.data), text).map(({ from, to }) => {
    const range = document.createRange();
    range.setStart(nodes[from.node], from.offset);
    range.setEnd(nodes[to.node], to.offset);
    return range;
  });
}
