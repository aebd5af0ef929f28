"use strict";
// The sheet of labels: a digit presses the button of that number, unless a field has the focus.
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const button = document.querySelector(`.choices button[data-key="${CSS.escape(event.key)}"]`);
  if (button) button.click();
});
