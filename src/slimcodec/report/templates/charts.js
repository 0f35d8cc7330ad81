// Entries of a legend hide and show their curve in every chart beside it, and point it out.
for (const figure of document.querySelectorAll("[data-charts]")) {
  const entries = [...figure.querySelectorAll(".legend [data-curve]")];
  const curves = [...figure.querySelectorAll(".curve[data-curve]")];
  const pointOut = (number) => {
    for (const each of [...curves, ...entries]) {
      each.classList.toggle("dim", number !== null && each.dataset.curve !== number);
    }
  };
  for (const entry of entries) {
    const button = entry.querySelector("button");
    entry.addEventListener("pointerenter", () => pointOut(entry.dataset.curve));
    entry.addEventListener("pointerleave", () => pointOut(null));
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", isShown);
      for (const curve of curves) {
        if (curve.dataset.curve === entry.dataset.curve) curve.classList.toggle("off", !isShown);
      }
      figure.querySelectorAll("[data-roving]").forEach(keepStop);
    });
  }
}
