// Where and how a ranking is made, as it is stored beside it.

const PHONE_PX = 768;
const TABLET_PX = 1100;

export function circumstances({ methods, movesAfterFill = 0, boardMs = 0 }) {
  const width = Math.min(window.innerWidth, window.screen.width || window.innerWidth);
  const isTouch = window.matchMedia("(pointer: coarse)").matches;
  const device = width < PHONE_PX ? "phone" : isTouch && width < TABLET_PX ? "tablet" : "desktop";
  return {
    device,
    viewport: [window.innerWidth, window.innerHeight],
    locale: navigator.language.slice(0, 35),
    input_methods: methods,
    moves_after_fill: movesAfterFill,
    board_ms: Math.round(boardMs),
  };
}
