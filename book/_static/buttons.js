/* The theme's buttons, whose handlers are not in the page: see dynloss_book.engine.runner.scripts. */
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element && event.target.closest("[data-dynloss-click]");
  if (!button) return;
  if (button.dataset.dynlossClick === "print") window.print();
  else if (button.dataset.dynlossClick === "fullscreen") window.toggleFullScreen();
});
