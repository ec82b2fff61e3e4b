const PER_PAGE = 60;
const POSITIONS = 1000; // of the slider
const VIEWS = ["overlay", "image", "map"];
const VERDICTS = ["all", "defective", "undecided", "good", "unreadable"];
const names = new Intl.Collator("en", { numeric: true });
const ORDERS = {
  score: (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity) || names.compare(a.path, b.path),
  path: (a, b) => names.compare(a.path, b.path),
  area: (a, b) => b.area - a.area || names.compare(a.path, b.path),
  seconds: (a, b) => (b.seconds ?? 0) - (a.seconds ?? 0) || names.compare(a.path, b.path),
};
const calibrated = data.threshold ?? Infinity;
const canFlag = Number.isFinite(calibrated);
const inspected = data.images.filter((image) => image.score !== null).map((image) => image.score).sort((a, b) => a - b);
const every = [...data.calibration, ...inspected];
if (!every.length) every.push(0);
const lowest = every.reduce((a, b) => Math.min(a, b), Infinity);
const highest = Math.max(every.reduce((a, b) => Math.max(a, b), -Infinity), lowest + 1e-6);
// `list` is what filter and order leave; `open` is the place in it that the detail view shows.
const state = { filter: "all", order: "score", show: "overlay", page: 0, threshold: calibrated, list: [], open: 0 };

// Never good without a threshold of the model: another one may be tried, but says nothing about a part.
function verdict(image) {
  if (image.error) return "unreadable";
  if (image.score === null || !canFlag) return "undecided";
  return image.score <= state.threshold ? "good" : "defective";
}

function badge(image) {
  const kind = verdict(image);
  return element("span", { className: `badge ${kind}`, textContent: kind });
}

function card(image, place) {
  return element("button", { type: "button", className: `card ${verdict(image)}`, title: image.path, onclick: () => showDetail(place) },
    picture(image, state.show, ""),
    element("span", { className: "name", textContent: image.path }),
    element("span", {}, badge(image), image.score === null ? "" : `  score ${score(image.score)}`));
}

function drawGallery() {
  state.list = data.images.filter((image) => state.filter === "all" || verdict(image) === state.filter).sort(ORDERS[state.order]);
  const pages = Math.max(1, Math.ceil(state.list.length / PER_PAGE));
  state.page = Math.min(state.page, pages - 1);
  const first = state.page * PER_PAGE;
  const cards = state.list.slice(first, first + PER_PAGE).map((image, place) => card(image, first + place));
  byId("gallery").replaceChildren(...(cards.length ? cards : [element("p", { textContent: "No image has this verdict." })]));
  byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
  byId("previous-page").disabled = state.page === 0;
  byId("next-page").disabled = state.page === pages - 1;
}

function drawCounts() {
  const flagged = above(inspected, state.threshold);
  const counts = Object.fromEntries(VERDICTS.map((name) => [name, 0]));
  for (const image of data.images) counts[verdict(image)] += 1;
  counts.all = data.images.length;
  for (const button of byId("filters").children) button.textContent = `${button.value} (${thousands(counts[button.value])})`;
  const n = data.calibration.length;
  const expected = (100 * (1 + above(data.calibration, state.threshold))) / (n + 1);
  const moved = state.threshold !== calibrated;
  const images = `(${thousands(n)} calibration images).`;
  byId("counts").textContent =
    `${thousands(flagged)} of ${thousands(inspected.length)} would be flagged; ` +
    (Number.isFinite(state.threshold)
      ? `of 100 good parts at most about ${expected.toFixed(expected < 10 ? 1 : 0)} are expected to be ${images}`
      : `without a threshold no part can be ${images}`) +
    (!canFlag ? " The model has no threshold of its own, so every part that can be read is undecided."
      : moved ? " Verdicts below follow this threshold, not the calibrated one." : "");
  byId("calibrated").hidden = !moved;
  byId("threshold").setAttribute("aria-valuetext", byId("counts").textContent);
  moveThreshold(state.threshold);
}

function setThreshold(value) {
  state.threshold = value;
  drawCounts();
}

function facts(image) {
  const rows = [["verdict", badge(image)]];
  if (image.error || image.reason) rows.push(["reason", image.error || image.reason]);
  if (image.score !== null)
    rows.push(
      ["image score", `${score(image.score)} (threshold ${Number.isFinite(state.threshold) ? score(state.threshold) : "none"})`],
      ["p-value", `${score(image.p)}: a good part scores as high with at most this probability`],
      ["defect area", `${thousands(image.area)} pixels`],
      ["inspected", `${image.time.slice(0, 19).replace("T", " ")} UTC, in ${score(image.seconds)} s`],
      ["overlay", image.overlay]);
  return element("dl", {}, ...rows.flatMap(([term, value]) => [element("dt", { textContent: term }), element("dd", {}, value)]));
}

function boxes(view) {
  const row = (kind, cells) => element("tr", {}, ...cells.map((cell) => element(kind, { textContent: cell })));
  const head = row("th", ["x", "y", "width", "height", "area", "peak score"]);
  const body = view.defects.map((defect) => row("td", [...defect.slice(0, 5), score(defect[5])]));
  return [element("h3", { textContent: `Marked regions (${body.length}), in pixels` }), element("div", { className: "scroll" }, element("table", {}, head, ...body))];
}

function explanation(view) {
  const figure = (file, ...caption) => element("figure", {}, photo("jpeg", file, ""), element("figcaption", {}, ...caption));
  return [
    element("h3", { textContent: "The worst patch with its surroundings, and the nearest good ones" }),
    element("div", { className: "crops" }, figure(view.worst, "this image"),
      ...view.nearest.map((good) => figure(good.crop, good.name, element("br"), `distance ${score(good.distance)}`)))];
}

function drawDetail() {
  const image = state.list[state.open];
  byId("detail-name").textContent = image.path;
  const shown = picture(image, state.show, `${state.show} of ${image.path}`, true);
  // As wide as the column, but never higher than the window.
  if (image.view) shown.style.maxWidth = `calc(66vh * ${proportion(image.view)})`;
  byId("detail-picture").replaceChildren(shown);
  const parts = [facts(image)];
  if (image.view?.defects.length) parts.push(...boxes(image.view));
  if (image.view?.nearest.length) parts.push(...explanation(image.view));
  byId("detail-facts").replaceChildren(...parts);
  byId("previous").disabled = state.open === 0;
  byId("next").disabled = state.open === state.list.length - 1;
}

function showDetail(place) {
  state.open = Math.max(0, Math.min(place, state.list.length - 1));
  drawDetail();
  if (!byId("detail").open) byId("detail").showModal();
}

function setView(name) {
  state.show = name;
  pressView(name);
  pressDetailView(name);
  drawGallery();
  if (byId("detail").open) drawDetail();
}

function setFilter(name) {
  state.filter = name;
  state.page = 0;
  pressFilter(name);
  drawGallery();
}

function turnPage(by) {
  state.page += by;
  drawGallery();
  byId("gallery").scrollIntoView();
}

const KEYS = { ArrowLeft: () => showDetail(state.open - 1), ArrowRight: () => showDetail(state.open + 1), i: () => setView("image"), m: () => setView("map"), o: () => setView("overlay") };

// On the document: a button that was pressed last may be disabled by now, and gets no keys.
document.addEventListener("keydown", (event) => {
  const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
  if (action && byId("detail").open) {
    event.preventDefault();
    action();
  }
});
byId("detail").addEventListener("click", (event) => event.target === byId("detail") && byId("detail").close());
byId("detail").addEventListener("close", () => {
  state.page = Math.floor(state.open / PER_PAGE);
  drawGallery();
  byId("gallery").children[state.open % PER_PAGE]?.focus();
});
byId("close").onclick = () => byId("detail").close();
byId("previous").onclick = KEYS.ArrowLeft;
byId("next").onclick = KEYS.ArrowRight;
byId("previous-page").onclick = () => turnPage(-1);
byId("next-page").onclick = () => turnPage(1);
byId("sort").onchange = (event) => {
  state.order = event.target.value;
  state.page = 0;
  drawGallery();
};

const slider = byId("threshold");
const span = highest - lowest;
const handle = () => Math.round((POSITIONS * (Math.min(calibrated, highest) - lowest)) / span);
Object.assign(slider, { min: 0, max: POSITIONS, value: handle() });
// At its right end nothing is flagged.
slider.oninput = () => setThreshold(slider.valueAsNumber === POSITIONS ? Math.max(highest, calibrated) : lowest + (span * slider.valueAsNumber) / POSITIONS);
slider.onchange = drawGallery; // once the handle is let go
byId("calibrated").onclick = () => {
  slider.value = handle();
  setThreshold(calibrated);
  drawGallery();
};

const moveThreshold = histogram(byId("histogram"), data.calibration, inspected, lowest, highest, calibrated);
const pressFilter = choice(byId("filters"), VERDICTS, setFilter);
const pressView = choice(byId("views"), VIEWS, setView);
const pressDetailView = choice(byId("detail-views"), VIEWS, setView);
drawCounts();
pressFilter(state.filter);
setView(state.show);
