// Tells the style sheet how high the bar is at the moment: it grows with messages, and nothing may lie behind it.

export function watchBar(bar) {
  const root = document.documentElement;
  new ResizeObserver(() => root.style.setProperty("--bar-height", `${bar.offsetHeight}px`)).observe(bar);
}
