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

// The next press of such a key, before the page hears of it.
const pressed = (isSuch) => new Promise((resolve) => {
  document.addEventListener("keydown", function listen(event) {
    if (isSuch(event)) {
      document.removeEventListener("keydown", listen, { capture: true });
      resolve(event);
    }
  }, { capture: true });
});

const form = () => document.querySelector("[data-labeling]");
const hasBoard = () => document.querySelectorAll(".chip").length > 0;

window.probe = {
  // Milliseconds from the start of the navigation until the filled board was painted.
  ready: until(hasBoard).then(afterPaint),
  // Milliseconds from the next key press until the frame after it was painted.
  expectPaint() {
    probe.painted = pressed(({ key }) => key !== "Shift" && key !== "Control")
      .then(async ({ timeStamp }) => await afterPaint() - timeStamp);
  },
  // Milliseconds from the key that submits until another task was painted.
  expectTask() {
    const task = form().dataset.task;
    probe.shown = pressed(({ key }) => key === "Enter").then(async ({ timeStamp }) => {
      await until(() => form().dataset.task !== task && hasBoard());
      return await afterPaint() - timeStamp;
    });
  },
};
