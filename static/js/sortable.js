// Brings SortableJS, once; without it (the network is away) everything but dragging works, and the next press asks again.
let isComing = false;

export async function loadSortable() {
  if (!window.Sortable && !isComing) {
    isComing = true;
    try {
      await import("../vendor/sortablejs-1.15.7/Sortable.min.js"); // It puts itself on the window.
    } catch {
      isComing = false;
    }
  }
}
