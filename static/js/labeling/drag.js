// Dragging chips between rows, gaps and the tray. SortableJS moves the element; what it means is reported,
// and the next rendering puts everything where the work says.
import { afterFrame } from "./after-frame.js";
import { loadSortable } from "../sortable.js";

const SLOP_PX = 6;
const TOUCH_DELAY_MS = 250;
const IS_FIREFOX = navigator.userAgent.includes("Firefox"); // It does not drag buttons natively.

// SortableJS is asked for behind the frame with the task, and hears of a board with the first press on it: who works
// with keys waits for neither. Returned is how to end it.
export function enableDrag(root, { onStart, onEnd }) {
  const containers = [...root.querySelectorAll(".row-chips, .tray-chips, .gap")];
  let sortables = [];
  const create = (container) => window.Sortable.create(container, {
    group: "board",
    draggable: ".chip",
    sort: false,
    animation: 0,
    forceFallback: IS_FIREFOX,
    supportPointer: false, // With pointer events, a scroll that began on a chip would keep the next press from dragging.
    fallbackTolerance: SLOP_PX,
    delay: TOUCH_DELAY_MS,
    delayOnTouchOnly: true,
    onStart: (event) => onStart(Number(event.item.dataset.chip)),
    onEnd(event) {
      ignoreClick(root);
      onEnd(Number(event.item.dataset.chip), targetOf(event.to));
    },
  });
  // Before the press reaches the containers as a mouse's or a finger's.
  const begin = () => {
    if (window.Sortable) {
      root.removeEventListener("pointerdown", begin, { capture: true });
      sortables = containers.map(create);
    } else {
      loadSortable();
    }
  };
  root.addEventListener("pointerdown", begin, { capture: true });
  afterFrame(loadSortable);
  return () => {
    root.removeEventListener("pointerdown", begin, { capture: true });
    afterFrame(() => sortables.forEach((sortable) => sortable.destroy()));
  };
}

// Where dragging is not native, the release is a click as well, and would pick the chip up again.
function ignoreClick(root) {
  const ignoring = new AbortController();
  root.addEventListener("click", (event) => event.stopPropagation(), { capture: true, signal: ignoring.signal });
  setTimeout(() => ignoring.abort());
}

function targetOf(container) {
  const gap = container.closest("[data-gap]");
  if (gap) {
    return ["placeBetween", Number(gap.dataset.gap)];
  }
  const row = container.closest("[data-row]");
  return row ? ["place", Number(row.dataset.row)] : ["unrank"];
}
