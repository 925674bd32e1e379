// Sets the formulas that the server found in texts, with KaTeX, which is loaded for the first of them. What KaTeX does
// not understand, or what is too much for it, stays as it was written.
import { texOf } from "./math-source.js";

const FOLDER = "../vendor/katex-0.19.1/";
const MAX_DEPTH = 150; // twenty fractions in each other; at a hundred and fifty of them Chromium crashes
const SLICE_MS = 12; // then the page gets a turn
const OPTIONS = { throwOnError: true, trust: distrust, strict: "ignore", maxSize: 10, maxExpand: 500 };
let loading;

function load() {
  loading ??= Promise.all([import(`${FOLDER}katex.min.js`), style()]).then(() => globalThis.katex);
  return loading;
}

function style() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(`${FOLDER}katex.min.css`, import.meta.url);
  return new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = reject;
    document.head.append(link);
  });
}

// Links, pictures and classes: KaTeX would leave out what they are put around.
function distrust() {
  throw new Error("not in texts");
}

// Some parts of KaTeX write a style attribute, which our Content-Security-Policy blocks; the same in a script is allowed.
function withStylesSet(part, depth = 0) {
  if (depth > MAX_DEPTH) {
    throw new Error("too deep");
  }
  const style = part.attributes?.style;
  if (style) {
    const make = part.toNode.bind(part);
    delete part.attributes.style;
    part.toNode = () => {
      const node = make();
      node.style.cssText += style;
      return node;
    };
  }
  part.children?.forEach((child) => withStylesSet(child, depth + 1));
  return part;
}

function set(katex, element) {
  const { tex, displayMode } = texOf(element.textContent) ?? {};
  if (!tex || element.classList.contains("is-set")) {
    return;
  }
  try {
    const tree = withStylesSet(katex.__renderToDomTree(tex, { ...OPTIONS, displayMode }));
    element.dataset.source = element.textContent;
    element.replaceChildren(tree.toNode());
    element.title = tex;
    element.classList.add("is-set");
  } catch {
    // Not TeX, or too much of it: the source stays.
  }
}

/** Set all formulas below `root`; resolves when they are, and rejects when KaTeX cannot be loaded. */
export async function renderMath(root) {
  const elements = [...root.querySelectorAll(".math:not(.is-set)")];
  if (elements.length === 0) {
    return;
  }
  const katex = await load();
  let begin = performance.now();
  for (const element of elements) {
    if (performance.now() - begin > SLICE_MS) {
      await new Promise((resolve) => setTimeout(resolve));
      begin = performance.now();
    }
    set(katex, element);
  }
}
