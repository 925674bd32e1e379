// Sets the formulas in a part of a page; without any, nothing more is loaded.

export async function setMath(root) {
  if (root.querySelector(".math")) {
    try {
      const { renderMath } = await import("./math.js");
      await renderMath(root);
    } catch {
      // KaTeX cannot be had: the formulas stay as they were written.
    }
  }
}
