const PER_PAGE = 60;
const VIEWS = ["overlay", "image", "map"];
const names = new Intl.Collator("en", { numeric: true });
const byName = (a, b) => names.compare(a.path, b.path);
const byScore = (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity) || byName(a, b);
const byArea = (a, b) => b.area - a.area || byName(a, b);

/** Cards of images with filters, orders, pages and a detail view.
 *
 *  report.filters         names of the filters, the first for all images
 *  report.belongs         (image, filter) -> whether the image is shown
 *  report.orders          name -> [label, comparison]; the first is used at the start
 *  report.badge           image -> [class, text]
 *  report.tags            image -> further elements below the picture
 *  report.details         image -> elements of the detail view
 *  report.keys            key -> action in the detail view
 *  returns { draw, drawDetail, opened }  redraw after a change; the image in the detail view */
function gallery(report) {
  const images = data.images;
  // `list` is what filter and order leave; `open` is the place in it that the detail view shows.
  const state = { filter: report.filters[0], order: Object.keys(report.orders)[0], show: "overlay", page: 0, list: [], open: 0, all: false };

  function card(image, place) {
    const [kind, text] = report.badge(image);
    return element("button", { type: "button", className: `card ${kind}`, title: image.path, onclick: () => showDetail(place) },
      picture(image, state.show, ""),
      element("span", { className: "name", textContent: image.path }),
      element("span", {}, element("span", { className: `badge ${kind}`, textContent: text }), ...report.tags(image)));
  }

  function draw() {
    state.list = images.filter((image) => report.belongs(image, state.filter)).sort(report.orders[state.order][1]);
    const perPage = state.all ? Infinity : PER_PAGE;
    const pages = Math.max(1, Math.ceil(state.list.length / perPage));
    state.page = Math.min(state.page, pages - 1);
    const first = state.all ? 0 : state.page * PER_PAGE;
    const cards = state.list.slice(first, first + perPage).map((image, place) => card(image, first + place));
    byId("gallery").replaceChildren(...(cards.length ? cards : [element("p", { textContent: "No image is of this kind." })]));
    byId("page").textContent = `Page ${state.page + 1} of ${pages}`;
    byId("previous-page").disabled = state.page === 0;
    byId("next-page").disabled = state.page === pages - 1;
    drawCounts();
  }

  function drawCounts() {
    for (const button of byId("filters").children) {
      const count = images.reduce((sum, image) => sum + report.belongs(image, button.value), 0);
      button.textContent = `${button.value} (${thousands(count)})`;
    }
  }

  function drawDetail() {
    const image = state.list[state.open];
    byId("detail-name").textContent = image.path;
    const shown = picture(image, state.show, `${state.show} of ${image.path}`, true);
    // As wide as the column, but never higher than the window.
    if (image.view) shown.style.maxWidth = `calc(66vh * ${proportion(image.view)})`;
    byId("detail-picture").replaceChildren(shown);
    byId("detail-facts").replaceChildren(...report.details(image));
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
    draw();
    if (byId("detail").open) drawDetail();
  }

  function setFilter(name) {
    state.filter = name;
    state.page = 0;
    pressFilter(name);
    draw();
  }

  function turnPage(by) {
    state.page += by;
    draw();
    byId("gallery").scrollIntoView();
  }

  function zoom() {
    const isZoomed = byId("detail-picture").classList.toggle("zoomed");
    byId("zoom").setAttribute("aria-pressed", String(isZoomed));
    byId("detail-picture").tabIndex = isZoomed ? 0 : -1; // arrow keys scroll where it has the focus
    if (isZoomed) byId("detail-picture").focus();
  }

  const keys = {
    ArrowLeft: () => showDetail(state.open - 1), ArrowRight: () => showDetail(state.open + 1),
    i: () => setView("image"), m: () => setView("map"), o: () => setView("overlay"), z: zoom, ...report.keys,
  };
  // On the document: a button that was pressed last may be disabled by now, and gets no keys.
  document.addEventListener("keydown", (event) => {
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    const scrolls = event.target.id === "detail-picture" && event.key.startsWith("Arrow");
    if (action && byId("detail").open && !scrolls) {
      event.preventDefault();
      action();
    }
  });
  byId("detail").addEventListener("click", (event) => event.target === byId("detail") && byId("detail").close());
  byId("detail").addEventListener("close", () => {
    state.page = Math.floor(state.open / PER_PAGE);
    draw();
    byId("gallery").children[state.open % PER_PAGE]?.focus();
  });
  byId("close").onclick = () => byId("detail").close();
  byId("previous").onclick = keys.ArrowLeft;
  byId("next").onclick = keys.ArrowRight;
  byId("zoom").onclick = zoom;
  byId("previous-page").onclick = () => turnPage(-1);
  byId("next-page").onclick = () => turnPage(1);
  byId("sort").replaceChildren(...Object.entries(report.orders).map(([value, [textContent]]) => element("option", { value, textContent })));
  byId("sort").onchange = (event) => {
    state.order = event.target.value;
    state.page = 0;
    draw();
  };
  // On paper there are no pages of the gallery to turn.
  for (const [moment, all] of [["beforeprint", true], ["afterprint", false]])
    window.addEventListener(moment, () => {
      state.all = all;
      draw();
    });
  const pressFilter = choice(byId("filters"), report.filters, setFilter);
  const pressView = choice(byId("views"), VIEWS, setView);
  const pressDetailView = choice(byId("detail-views"), VIEWS, setView);
  drawColours(byId("colours"));
  pressFilter(state.filter);
  setView(state.show);
  return { draw, drawCounts, drawDetail, opened: () => state.list[state.open] };
}
