// The charts are whole without this: points carry their words as titles.
(() => {
  for (const figure of document.querySelectorAll("[data-charts]")) {
    const items = [...figure.querySelectorAll(".legend [data-curve]")];
    let held = null;
    const show = (number) => {
      for (const curve of figure.querySelectorAll(".curve, .legend [data-curve]")) {
        curve.classList.toggle("dim", number !== null && curve.dataset.curve !== number);
      }
    };
    for (const item of items) {
      const number = item.dataset.curve;
      item.addEventListener("pointerenter", () => show(number));
      item.addEventListener("pointerleave", () => show(held));
      item.firstElementChild.addEventListener("click", () => {
        held = held === number ? null : number;
        for (const each of items) {
          each.firstElementChild.setAttribute("aria-pressed", each.dataset.curve === held);
        }
        show(held);
      });
    }
  }
})();
