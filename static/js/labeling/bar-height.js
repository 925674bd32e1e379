// Tells the style sheet how high the bar is at the moment: it grows with messages, and nothing may lie behind it.

export function watchBar(bar) {
  const root = document.documentElement;
  const told = () => getComputedStyle(root).getPropertyValue("--bar-height");
  new ResizeObserver(() => {
    const height = `${bar.offsetHeight}px`;
    if (height !== told()) { // The style of everything would be found anew.
      root.style.setProperty("--bar-height", height);
    }
  }).observe(bar);
}
