// Sets the formulas of a page, also those that arrive later by htmx; without any, nothing more is loaded.
async function setMath(root) {
  if (root.querySelector(".math")) {
    const { renderMath } = await import("./math.js");
    await renderMath(root);
  }
}

const keepSources = () => {}; // KaTeX cannot be had: the formulas stay as they were written

setMath(document).catch(keepSources);
document.addEventListener("htmx:afterSettle", (event) => setMath(event.target).catch(keepSources));
