"""What axe-core and a look at the width find wrong with a page."""

from pathlib import Path

from playwright.async_api import Page

AXE = (Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js").read_text()
RUN_AXE = """
async () => {
  await new Promise(requestAnimationFrame);
  const transitions = document.getAnimations().filter((one) => one instanceof CSSTransition);
  await Promise.allSettled(transitions.map((one) => one.finished));
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const rules = { "target-size": { enabled: true } };
  const { violations } = await axe.run({ runOnly: tags, rules, resultTypes: ["violations"] });
  // What the bar covers in part is seen whole after scrolling.
  const isCovered = ({ id }, node) => id === "target-size"
    && node.failureSummary.includes("partially obscured");
  const shown = (found) => found.nodes.filter((node) => !isCovered(found, node));
  return violations.flatMap((found) => shown(found).map((node) =>
    `${found.id}: ${node.html.slice(0, 200)} ${node.failureSummary.replace(/\\s+/g, " ")}`));
}
"""


async def faults(page: Page) -> list[str]:
    """What is wrong with the page as it stands."""
    found = await page.evaluate(RUN_AXE)
    sideways = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [*found, *([f"{sideways} pixels too wide"] if sideways else [])]
