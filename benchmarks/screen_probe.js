// Tells when something was painted: a message that is posted in a frame arrives after that frame was drawn.
const afterPaint = () => new Promise((resolve) => {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now());
    channel.port2.postMessage(null);
  });
});

// Looks when something in the page changed: asking in each frame would have the browser draw frames for it.
const until = (isSo) => new Promise((resolve) => {
  const observer = new MutationObserver(() => {
    if (isSo()) {
      observer.disconnect();
      resolve();
    }
  });
  observer.observe(document, { childList: true, attributes: true, subtree: true });
});

const form = () => document.querySelector("[data-labeling]");
const hasBoard = () => document.querySelectorAll(".chip").length > 0;

window.probe = {
  // Milliseconds from the start of the navigation until the filled board was painted.
  ready: until(hasBoard).then(afterPaint),
  // Milliseconds from the next key press until the frame after it was painted.
  expectPaint() {
    probe.painted = new Promise((resolve) => {
      document.addEventListener("keydown", (event) => {
        if (event.key !== "Shift" && event.key !== "Control") {
          afterPaint().then((at) => resolve(at - event.timeStamp));
        }
      }, { capture: true });
    });
  },
  // Milliseconds from the key that submits until another task was painted.
  expectTask() {
    const task = form().dataset.task;
    probe.shown = new Promise((resolve) => {
      document.addEventListener("keydown", (event) => {
        if (event.key === "Enter") {
          until(() => form().dataset.task !== task && hasBoard()).then(afterPaint).then((at) => resolve(at - event.timeStamp));
        }
      }, { capture: true });
    });
  },
};
