// On paper nothing can be opened, so everything is.
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("details:not([open], .keys)")) {
    each.open = true;
    each.dataset.openedToPrint = "";
  }
});
addEventListener("afterprint", () => {
  for (const each of document.querySelectorAll("[data-opened-to-print]")) {
    each.open = false;
    delete each.dataset.openedToPrint;
  }
});
