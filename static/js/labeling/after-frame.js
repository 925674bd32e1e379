// Does what nobody waits for behind the frame with the latest changes, and behind what that frame has started.
const FRAME_MS = 16;

export function afterFrame(work) {
  requestAnimationFrame(() => setTimeout(work, FRAME_MS));
}
