// How the viewer is handled: buttons, keys, pointers, wheel. Each method becomes one of Viewer's.
const hands = {
  listen() {
    for (const button of this.root.querySelectorAll("button[data-mode]")) {
      button.addEventListener("click", () => this.setMode(button.dataset.mode));
    }
    for (const button of this.root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.setZoom(button.dataset.zoom === "fit" ? null : Number(button.dataset.zoom)));
    }
    for (const select of this.root.querySelectorAll("[data-pick]")) {
      select.addEventListener("change", () => this.change({ [select.dataset.pick]: select.value }));
    }
    const deeds = { swap: () => this.swap(), spot: () => this.goToSpot(), link: () => this.copyLink() };
    for (const [name, deed] of Object.entries(deeds)) {
      this.root.querySelector(`[data-do="${name}"]`).addEventListener("click", deed);
    }
    this.listenToHolding(this.root.querySelector('[data-do="original"]'));
    this.listenToFilm();
    this.listenToStage();
    this.stage.addEventListener("keydown", (event) => this.onKey(event));
    this.stage.addEventListener("keyup", (event) => event.key.toLowerCase() === "o" && this.hold(false));
    this.divider.addEventListener("keydown", (event) => this.onDividerKey(event));
    new ResizeObserver(() => this.show()).observe(this.stage);
    addEventListener("hashchange", () => {
      if (!this.restore(location.hash)) return;
      this.show();
      this.root.scrollIntoView();
      this.stage.focus({ preventScroll: true });
    });
  },

  listenToHolding(button) {
    button.addEventListener("pointerdown", () => this.hold(true));
    for (const name of ["pointerup", "pointercancel", "pointerleave", "blur", "keyup"]) {
      button.addEventListener(name, () => this.hold(false));
    }
    button.addEventListener("keydown", (event) => [" ", "Enter"].includes(event.key) && this.hold(true));
    button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch
  },

  listenToFilm() {
    this.film.addEventListener("keydown", (event) => {
      if (!(event.key in ALONG)) return;
      event.preventDefault();
      this.goTo(this.state.image + ALONG[event.key]);
      this.film.children[this.state.image].focus();
    });
  },

  listenToStage() {
    watchPointers(this.stage, {
      onStart: (event) => this.kindOfDrag(event),
      onDrag: (kind, dx, dy, event) => (kind === "split" ? this.splitAt(event) : this.pan(dx, dy)),
      onPinch: (factor, at) => this.setZoom(this.view.zoom * factor, this.placeIn(at)),
      onClick: () => this.state.mode === "flip" && this.flip(),
    });
    this.stage.addEventListener("wheel", (event) => {
      // A page that scrolls past must not be caught: the wheel zooms where the reader has clicked.
      if (!this.stage.contains(document.activeElement) && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const place = this.placeIn({ x: event.clientX, y: event.clientY });
      this.setZoom(this.view.zoom * Math.exp(-event.deltaY / 400), place);
    }, { passive: false });
    this.stage.addEventListener("dblclick", (event) => {
      if (this.state.mode === "flip") return;
      this.setZoom(Math.max(1, Math.round(2 * this.view.zoom)), this.placeIn({ x: event.clientX, y: event.clientY }));
    });
  },

  // Where there is nothing to pan, any drag moves the divider.
  kindOfDrag(event) {
    const isSlider = this.state.mode === "slider";
    if (isSlider && (this.divider.contains(event.target) || !this.stage.classList.contains("pans"))) {
      if (event.pointerType !== "touch") this.splitAt(event);
      return "split";
    }
    return "pan";
  },

  splitAt(event) {
    const box = this.stage.getBoundingClientRect();
    this.setSplit((100 * (event.clientX - box.left)) / box.width);
  },

  // A place of the window in the pane that it is over.
  placeIn({ x, y }) {
    const over = Object.values(this.panes).map((pane) => pane.getBoundingClientRect());
    const box = over.find((each) => x >= each.left && x < each.right && y >= each.top && y < each.bottom) ?? over[1];
    return { x: x - box.left, y: y - box.top };
  },

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const step = PAN_SHARE * this.pane.width;
    const pans = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    const deeds = {
      "+": () => this.stepZoom(1), "=": () => this.stepZoom(1), "-": () => this.stepZoom(-1), 0: () => this.setZoom(null),
      " ": () => this.state.mode === "flip" && this.flip(), o: () => this.hold(true), x: () => this.swap(),
      j: () => this.goToSpot(), n: () => this.goTo(this.state.image + 1), p: () => this.goTo(this.state.image - 1),
      l: () => this.copyLink(),
    };
    if (key in pans) this.pan(...pans[key]);
    else if ("1248".includes(key)) this.setZoom(Number(key));
    else if (key in MODES) this.setMode(MODES[key]);
    else if (key in deeds) deeds[key]();
    else return;
    event.preventDefault();
  },

  onDividerKey(event) {
    const steps = { ArrowLeft: -2, ArrowRight: 2, PageUp: 10, PageDown: -10, Home: -100, End: 100 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation(); // or the picture would pan as well
    this.setSplit(this.state.split + steps[event.key]);
  },
};
