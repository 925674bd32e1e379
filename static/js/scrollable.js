// Makes texts, code, tables and formulas that are too wide for their place reachable with Tab, so that arrow keys
// scroll them; those that fit are no stop on the way.

const WIDE = ".prose, .prose :is(pre, table, .math.display)";
const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) {
      target.tabIndex = 0;
    } else {
      target.removeAttribute("tabindex");
    }
  }
});

export function watchScrollable(root) {
  root.querySelectorAll(WIDE).forEach((element) => observer.observe(element));
}
