// How the viewer shows its state. Each method below becomes one of Viewer's.
const drawing = {
  show() {
    const { mode } = this.state;
    this.stage.dataset.mode = mode;
    this.sizeStage();
    this.showPictures();
    this.showMap();
    this.showDivider();
    this.showChips();
    this.showTools();
    this.showFigures();
  },

  // As high as the image is when it fits, so that it has no empty bands; on a phone as style has it.
  sizeStage() {
    const [, , , height] = this.image.shots[0].stored;
    const room = { width: this.stage.clientWidth, height: Math.min(736, 0.74 * innerHeight) };
    const fitted = height * fitZoom(this.image.shots[0].stored, room);
    this.stage.style.height = matchMedia("(max-width: 40rem)").matches ? "" : `${Math.round(fitted)}px`;
  },

  showPictures() {
    const { mode } = this.state;
    const [box, pane, view] = [this.box, this.pane, this.view];
    for (const which of ["a", "b"]) {
      const { shot, original } = this.layers[which];
      this.putPicture(shot, this.shot(this.state[which]), box, view, pane);
      this.putPicture(original, this.image.shots[0], box, view, pane);
      shot.style.visibility = this.isHeld || (which === "b" && mode in MAPS) ? "hidden" : "inherit";
      original.style.visibility = this.isHeld ? "inherit" : "hidden";
    }
    const isHidden = mode in MAPS || (mode === "flip" && !this.isFlipped);
    this.panes.a.style.visibility = isHidden ? "hidden" : "inherit";
    this.stage.classList.toggle("pixelated", view.zoom >= 1);
    this.stage.classList.toggle("pans", canPan(view, box, pane));
  },

  putPicture(layer, shot, box, view, pane) {
    if (layer.dataset.id !== shot.id) {
      layer.dataset.id = shot.id;
      layer.src = document.getElementById(shot.id).src;
    }
    placeLayer(layer, shot.stored, box, view, pane);
  },

  showMap() {
    const { mode, a, b } = this.state;
    const isMap = mode in MAPS;
    this.root.querySelector(".ramp").hidden = !isMap;
    this.map.hidden = !isMap;
    if (!isMap) return;
    this.map.style.visibility = this.isHeld ? "hidden" : "inherit";
    placeLayer(this.map, this.box, this.box, this.view, this.pane);
    const drawn = JSON.stringify([this.state.image, mode, a, b]);
    if (this.map.dataset.drawn !== drawn) this.drawMap(drawn);
  },

  // Takes a moment for a large picture, so it begins when the browser has drawn the rest.
  async drawMap(drawn) {
    this.map.dataset.drawn = drawn;
    this.map.dataset.ready = "";
    const { mode } = this.state;
    const box = this.box;
    const pictures = await Promise.all(["a", "b"].map((which) => this.pixels(this.shot(this.state[which]), box)));
    if (this.map.dataset.drawn !== drawn) return; // another was asked for meanwhile
    const { values, pixels } = MAPS[mode].draw(...pictures);
    [this.map.width, this.map.height] = [box[2], box[3]];
    this.map.getContext("2d").putImageData(new ImageData(pixels, box[2], box[3]), 0, 0);
    this.map.dataset.ready = drawn;
    this.showRamp(MAPS[mode], values);
  },

  async pixels(shot, box) {
    const picture = document.getElementById(shot.id);
    await picture.decode();
    const canvas = new OffscreenCanvas(box[2], box[3]);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, shot.stored[0] - box[0], shot.stored[1] - box[1]);
    return context.getImageData(0, 0, box[2], box[3]).data;
  },

  showRamp(map, values) {
    const ramp = this.root.querySelector(".ramp");
    const colours = map.white ? ["#000", "#fff"] : RAMP.map((colour) => `rgb(${colour})`);
    ramp.querySelector(".ramp-name").textContent = map.white ? `${map.name}, × ${LUMA_GAIN}` : map.name;
    ramp.querySelector(".ramp-colours").style.background = `linear-gradient(to right, ${colours})`;
    ramp.querySelector(".ramp-ticks").replaceChildren(...map.ticks.map((tick) => newElement("span", { textContent: tick })));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const most = values.reduce((top, value) => Math.max(top, value), 0);
    ramp.querySelector(".ramp-found").textContent = `mean ${mean.toFixed(2)}, largest ${most.toFixed(1)} ${map.unit}`;
  },

  showDivider() {
    const { mode, split } = this.state;
    this.divider.hidden = mode !== "slider";
    this.divider.style.left = `${split}%`;
    this.divider.setAttribute("aria-valuenow", Math.round(split));
    this.panes.a.style.clipPath = mode === "slider" ? `inset(0 ${100 - split}% 0 0)` : "none";
  },

  showChips() {
    const { mode, a, b } = this.state;
    const isMap = mode in MAPS;
    const both = mode === "slider" || mode === "side";
    const chip = (which, words, isShown) => {
      const element = this.root.querySelector(`.chip-${which}`);
      element.hidden = !isShown;
      element.replaceChildren(...words);
    };
    const how = mode === "flip" ? " · a click flips" : "";
    const name = (which, shot) => [colourDot(shot), `${which} · ${shotWords(shot)}${how}`];
    const original = [colourDot(this.image.shots[0]), "Original"];
    const [first, second] = [this.shot(a), this.shot(b)];
    const map = [`${shotWords(first)} against ${shotWords(second)}`];
    chip("a", this.isHeld ? original : isMap ? map : name("A", first), this.isHeld || isMap || both || this.isFlipped);
    chip("b", name("B", second), !this.isHeld && !isMap && (both || !this.isFlipped));
    const { zoom } = this.view;
    chip("zoom", [zoom < 1 ? `${Math.round(100 * zoom)} %` : `${Number(zoom.toFixed(2))}×`], true);
  },

  showTools() {
    const { mode, zoom, image } = this.state;
    for (const button of this.root.querySelectorAll("button[data-mode]")) {
      button.setAttribute("aria-pressed", button.dataset.mode === mode);
    }
    for (const button of this.root.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", button.dataset.zoom === (zoom === null ? "fit" : String(zoom)));
    }
    for (const select of this.root.querySelectorAll("[data-pick]")) this.showChoice(select);
    [...this.film.children].forEach((button, number) => {
      button.tabIndex = number === image ? 0 : -1;
      button.setAttribute("aria-pressed", number === image);
    });
    this.showInFilm(this.film.children[image]);
  },

  // Not scrollIntoView, which would move the page as well.
  showInFilm(button) {
    const { scrollLeft, clientWidth } = this.film;
    const [start, end] = [button.offsetLeft, button.offsetLeft + button.offsetWidth];
    if (start < scrollLeft) this.film.scrollLeft = start - 8;
    else if (end > scrollLeft + clientWidth) this.film.scrollLeft = end - clientWidth + 8;
  },

  showChoice(select) {
    if (select.dataset.image !== this.image.image) {
      select.dataset.image = this.image.image;
      const labels = [...new Set(this.image.shots.map((shot) => shot.label))];
      select.replaceChildren(...labels.map((label) => this.choiceOf(label)));
    }
    select.value = this.state[select.dataset.pick];
  },

  choiceOf(label) {
    const shots = this.image.shots.filter((shot) => shot.label === label);
    const isWhole = !this.image.shots[0].isCrop;
    const options = shots.map((shot) => newElement("option", {
      value: shot.name,
      textContent: shotWords(shot) + (isWhole && shot.isCrop ? ", crop" : ""),
    }));
    if (options.length === 1) return options[0];
    const group = newElement("optgroup", { label });
    group.append(...options);
    return group;
  },

  showFigures() {
    const shots = [this.shot(this.state.a), this.shot(this.state.b)];
    const names = [...new Set(shots.flatMap((shot) => shot.figures.map(([name]) => name)))];
    const heads = [this.image.image, ...names].map((name, n) => newElement("th", { scope: "col", textContent: name, className: n ? "num" : "" }));
    this.root.querySelector(".pair thead tr").replaceChildren(...heads);
    this.root.querySelector(".pair tbody").replaceChildren(...shots.map((shot, n) => {
      const row = document.createElement("tr");
      const head = newElement("th", { scope: "row" });
      head.append(`${"AB"[n]} `, colourDot(shot), ` ${shotWords(shot)}`);
      const values = Object.fromEntries(shot.figures);
      row.append(head, ...names.map((name) => newElement("td", { className: "num", textContent: values[name] ?? "–" })));
      return row;
    }));
  },

  makeFilm() {
    this.film = this.root.querySelector(".film");
    this.film.hidden = this.images.length === 1;
    this.film.append(...this.images.map((each, number) => {
      const button = newElement("button", { type: "button" });
      button.append(
        newElement("img", { src: document.getElementById(each.shots[0].id).src, alt: "", draggable: false }),
        newElement("span", { textContent: each.image }),
        newElement("small", { textContent: each.score }),
      );
      button.addEventListener("click", () => this.goTo(number));
      return button;
    }));
  },
};

function newElement(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function colourDot(shot) {
  const dot = newElement("i", { className: shot.style === null ? "dot-of-original" : `s${shot.style}` });
  dot.setAttribute("aria-hidden", "true");
  return dot;
}

function shotWords(shot) {
  return shot.detail ? `${shot.label}, ${shot.detail}` : shot.label;
}
