const data = JSON.parse(byId("data").textContent);
byId("data").remove();

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const score = (value) => String(Number(value.toPrecision(4)));
const thousands = (value) => value.toLocaleString("en");
/** A score beside a threshold, such as ` (2.4 × the threshold)`; empty where that means nothing. */
const times = (value, threshold) => (Number.isFinite(threshold) && threshold > 0 ? ` (${Number((value / threshold).toPrecision(3))} × the threshold)` : "");

/** Of a model with a global branch: the part of a score that the whole image adds, as rows of facts. */
const globalPart = (image) => (data.global_part ? [["global part", `${score(image.global)} of the image score`]] : []);

function photo(type, file, alt) {
  return element("img", { src: `data:image/${type};base64,${file}`, alt, loading: "lazy", decoding: "async" });
}

/** Whether two boxes of x, y, width and height have a point in common. */
const overlap = ([x, y, width, height], [left, top, across, down]) =>
  x < left + across && left < x + width && y < top + down && top < y + height;

/** The worst patch of an explained part is shown where no marked region has it. */
const hasDashedBox = (view) => Boolean(view.worst_box && view.worst && !view.defects.some((defect) => overlap(view.worst_box, defect)));

/** Outlines of the marked pixels and boxes of the defects, in pixels of the image; dashed the region of interest, the annotation and the worst patch. */
function marks(view) {
  const drawing = shape("svg", { viewBox: `0 0 ${view.width} ${view.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const points of view.region ?? []) drawing.append(shape("polygon", { class: "region", points: points.join(" ") }));
  for (const points of view.annotated ?? []) drawing.append(shape("polygon", { class: "annotated", points: points.join(" ") }));
  for (const points of view.outlines) drawing.append(shape("polygon", { points: points.join(" ") }));
  for (const [x, y, width, height] of view.defects) drawing.append(shape("rect", { x, y, width, height }));
  if (hasDashedBox(view)) {
    const [x, y, width, height] = view.worst_box;
    drawing.append(shape("rect", { class: "worst", x, y, width, height }));
  }
  return drawing;
}

/** Width over height of what is shown: a strip is compressed to three times its width, as `shown` of images/shown.py does. */
const proportion = (view) => Math.min(3, Math.max(1 / 3, view.width / view.height));

/** An image as itself, as its map, or both; `alt` is empty where a caption says what it is. */
function picture(image, show, alt, large = false) {
  const view = image.view;
  if (!view) return element("span", { className: "nothing", textContent: image.error || (image.score === null ? image.reason : "too many images for a picture of each") });
  const frame = element("span", { className: `picture ${show}` });
  frame.style.aspectRatio = String(proportion(view));
  if (show !== "map" || !view.heat) frame.append(photo("jpeg", (large && image.large) || view.thumbnail, alt));
  if (show !== "image" && view.heat) frame.append(Object.assign(photo("png", view.heat, show === "map" ? alt : ""), { className: "heat" }));
  if (show === "overlay") frame.append(marks(view));
  return frame;
}

/** Buttons of which one is pressed; returns a function that presses one. */
function choice(group, names, chosen) {
  const buttons = names.map((name) =>
    element("button", { type: "button", textContent: name, value: name, onclick: () => chosen(name) }));
  group.replaceChildren(...buttons);
  return (name) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.value === name)));
}

/** Terms with their values, which are texts or elements. */
function definitions(rows) {
  return element("dl", {}, ...rows.flatMap(([term, value]) => [element("dt", { textContent: term }), element("dd", {}, value)]));
}

/** The marked regions of an image as a table; nothing without one. */
function boxes(view) {
  if (!view?.defects.length) return [];
  const row = (kind, cells) => element("tr", {}, ...cells.map((cell) => element(kind, { textContent: cell })));
  const head = row("th", ["x", "y", "width", "height", "area", "peak score"]);
  const body = view.defects.map((defect) => row("td", [...defect.slice(0, 5), score(defect[5])]));
  return [element("h3", { textContent: `Marked regions (${body.length}), in pixels` }), element("div", { className: "scroll" }, element("table", {}, head, ...body))];
}

/** Why a flagged part shows no mark, or a part that is not flagged shows one; nothing where verdict and marks agree. */
function disagreement(view, isFlagged) {
  if (!view || isFlagged === view.defects.length > 0 || data.pixel_threshold === null) return [];
  const text = isFlagged
    ? `No region is marked, although the image score is above its threshold: regions have a threshold of their own (${score(data.pixel_threshold)}), ` +
      "and no pixel of the smoothed map is above it. " +
      (hasDashedBox(view) ? "The dashed box is the patch with the highest score." : "The map shows where the highest values are.")
    : `A region is marked, although the image score is not above its threshold: regions have a threshold of their own (${score(data.pixel_threshold)}). The image score decides.`;
  return [element("p", { className: "note", textContent: text })];
}

/** Offers a text as a file. */
function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Filter that makes a map as clear over an image as its values are low: from the luminance of its colours, which rises with them. */
function clearness() {
  const alpha = `1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 ${data.luminance.join(" ")} 0 0`;
  return shape("filter", { id: "clear", "color-interpolation-filters": "sRGB", x: 0, y: 0, width: 1, height: 1 },
    shape("feColorMatrix", { values: alpha }),
    shape("feComponentTransfer", {}, shape("feFuncA", { type: "table", tableValues: data.opacity.join(" ") })));
}

/** Legend of the maps: their colours, from half of which on pixels are above the threshold. */
function drawColours(figure) {
  const stops = data.colours.map((colour, at) => shape("stop", { offset: at / (data.colours.length - 1), "stop-color": colour }));
  const bar = shape("svg", { viewBox: "0 0 400 30", role: "img", "aria-label": "Colours of the maps" },
    clearness(), shape("linearGradient", { id: "map-colours" }, ...stops), shape("rect", { x: 10, width: 380, height: 12, fill: "url(#map-colours)" }));
  const { threshold, span } = data.scale;
  const level = (value) => 0.5 + (value <= threshold ? value - threshold : (value - threshold) / 3) / (2 * span);
  for (const multiple of threshold > 0 ? [0, 0.5, 1, 2, 3, 4] : [1]) {
    const x = 10 + 380 * level(multiple * threshold);
    bar.append(shape("line", { x1: x, x2: x, y1: 12, y2: 16 }), shape("text", { x, y: 27, "text-anchor": "middle" }, threshold > 0 ? `${multiple} ×` : "threshold"));
  }
  const of = data.pixel_threshold === null ? "the highest pixel of a good part" : `the threshold of pixels (${score(threshold)})`;
  figure.replaceChildren(bar, element("figcaption", { textContent: `Anomaly map, in multiples of ${of}: what is marked is above 1 ×.` }));
}
