// Sets the chosen theme before the first paint. A classic blocking script: a module would run too late.
(() => {
  try {
    const choice = localStorage.getItem("podium.theme");
    if (choice === "light" || choice === "dark") {
      document.documentElement.dataset.theme = choice;
    }
  } catch {
    // Storage is blocked: the system's theme is used.
  }
})();
