// Shows what differs between two responses, as the server found it: underlined what only one has, a small number on
// sentences that stand elsewhere in the other. Never by color alone.
import { getDifferences, NetworkError } from "./api.js";
import { t } from "../words.js";

const ELEMENTS = { deleted: "del", inserted: "ins", moved: "mark" };

// The two texts as elements, {left, right}; or {problem} with a sentence.
export async function differencesOf(taskId, left, right) {
  try {
    const { status, body } = await getDifferences(taskId, left, right);
    return status < 300
      ? { left: marked(body.left), right: marked(body.right) }
      : { problem: body.detail ?? t("The differences cannot be shown.") };
  } catch (error) {
    if (!(error instanceof NetworkError)) {
      throw error;
    }
    return { problem: t("The server cannot be reached.") };
  }
}

function marked(segments) {
  const text = document.createElement("div");
  text.className = "differences";
  text.dir = "auto";
  text.append(...segments.map(toNode));
  return text;
}

function toNode({ kind, text, number }) {
  if (kind === "same") {
    return document.createTextNode(text);
  }
  const element = document.createElement(ELEMENTS[kind]);
  element.textContent = text;
  if (number !== null) {
    element.prepend(Object.assign(document.createElement("sup"), { textContent: number }));
  }
  return element;
}
