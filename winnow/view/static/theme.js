// Before the page is drawn: the theme that was chosen here before. Without one, the system's.
(() => {
  try {
    const theme = localStorage.getItem("winnow-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* no storage: the system's */ }
})();
