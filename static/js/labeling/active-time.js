// Counts the milliseconds in which somebody works here: the window is visible, and the last sign of life
// is not older than it takes to read the page slowly (150 words a minute, at least a minute).

const TICK_MS = 1000;
const MIN_IDLE_MS = 60_000;
const WORDS_PER_MINUTE = 150;

// How many words the prompt and the responses have.
export function wordsToRead(root) {
  const texts = [...root.querySelectorAll(".prose")].map((element) => element.textContent);
  return texts.join(" ").split(/\s+/).filter((word) => word !== "").length;
}

export function countActiveTime(startMs, words) {
  const idleMs = Math.max(MIN_IDLE_MS, (words / WORDS_PER_MINUTE) * 60_000);
  let activeMs = startMs;
  let lastSign = performance.now();
  let lastTick = lastSign;
  for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
    document.addEventListener(name, () => { lastSign = performance.now(); }, { passive: true });
  }
  setInterval(() => {
    const now = performance.now();
    if (!document.hidden && now - lastSign < idleMs) {
      activeMs += Math.min(now - lastTick, 2 * TICK_MS); // A sleeping machine is not at work.
    }
    lastTick = now;
  }, TICK_MS);
  return () => Math.round(activeMs);
}
