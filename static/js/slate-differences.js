// Marks what differs in two texts as they are read, where a page lists it word by word for those without scripts.
import { markDifferences } from "./labeling/difference-marks.js";
import { setMath } from "./set-math.js";

const KINDS = { del: "deleted", ins: "inserted", mark: "moved" };

const listed = document.querySelector("[data-differences]");
const button = document.querySelector("[data-mark-differences]");
const message = document.querySelector("[data-differences-message]");
const found = [...listed.querySelectorAll(".differences")].map((side) => [...side.childNodes].map(segment));
const texts = [...document.querySelectorAll("[data-compared]")];
let unmarked = null;

function segment(node) {
  const number = node.nodeType === Node.ELEMENT_NODE ? node.querySelector("sup")?.textContent ?? "" : "";
  return { kind: KINDS[node.localName] ?? "same", text: node.textContent.slice(number.length), number: number || null };
}

function toggle() {
  if (unmarked) {
    texts.forEach((text, index) => text.replaceChildren(...unmarked[index]));
    unmarked = null;
    message.textContent = "";
  } else {
    unmarked = texts.map((text) => [...text.cloneNode(true).childNodes]);
    message.textContent = markDifferences({ left: texts[0], right: texts[1] }, { left: found[0], right: found[1] });
  }
  button.setAttribute("aria-pressed", String(unmarked !== null));
}

await Promise.all(texts.map(setMath)); // A formula is marked as a whole.
listed.hidden = true;
button.hidden = false;
button.addEventListener("click", toggle);
