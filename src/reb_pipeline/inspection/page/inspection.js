const POSITIONS = 1000; // of the slider
const hasDoubt = data.doubtful_threshold !== null;
const VERDICTS = ["all", "defective", ...(hasDoubt ? ["doubtful"] : []), "undecided", "good", "unreadable"];
const MARK_OF = { defective: "false alarm", good: "missed" }; // of the verdict that it corrects
const calibrated = data.threshold ?? Infinity;
const canFlag = Number.isFinite(calibrated);
const viewsOf = new Map(); // of each part that several images show
for (const image of data.images) if (image.part) viewsOf.set(image.part, [...(viewsOf.get(image.part) ?? []), image]);
const units = [...viewsOf.values(), ...data.images.filter((image) => !image.part).map((image) => [image])];
const scoresOf = (images) => images.filter((image) => image.score !== null).map((image) => image.score);
const inspected = units.map(scoresOf).filter((scores) => scores.length).map((scores) => Math.max(...scores)).sort((a, b) => a - b);
const [lowest, highest] = range(data.calibration, inspected);
const marked = new Map(data.marks.map((mark) => [mark.image_sha256, mark])); // by the hash of the image
let threshold = calibrated, doubtful = data.doubtful_threshold, unsaved = false;

// Never good without a threshold of the model: another one may be tried, but says nothing about a part.
function verdictOf(image, limit, lower) {
  if (image.error) return "unreadable";
  if (image.score === null || !canFlag) return "undecided";
  if (!(image.score <= limit)) return "defective";
  return lower === null || image.score <= lower ? "good" : "doubtful";
}
/** True if two images are one view, by name or file, so that another view is missing. */
const isTwice = (images) => [(image) => image.path.replace(/\.[^./]*$/, ""), (image) => image.sha256 || image.path]
  .some((key) => new Set(images.map(key)).size < images.length);
/** Verdict on the part that an image shows, as `verdicts_on_parts` of calibration/parts.py. */
function verdictAt(image, limit, lower) {
  if (!data.views) return verdictOf(image, limit, lower);
  if (!image.part) return ["unreadable", "defective"].find((one) => one === verdictOf(image, limit, lower)) ?? "undecided";
  const found = viewsOf.get(image.part).map((view) => verdictOf(view, limit, lower));
  if (found.length > data.views) return "undecided";
  if (found.includes("defective")) return "defective";
  if (found.length === data.views && found.every((one) => one === "unreadable")) return "unreadable";
  if (found.length < data.views || found.includes("unreadable") || found.includes("undecided") || isTwice(viewsOf.get(image.part))) return "undecided";
  return found.includes("doubtful") ? "doubtful" : "good";
}
const verdict = (image) => verdictAt(image, threshold, doubtful);
const verdictGiven = (image) => verdictAt(image, calibrated, data.doubtful_threshold);
const markOf = (image) => marked.get(image.sha256)?.mark ?? "";

/** Share of good parts that a threshold may flag, as `rate_of` of calibration/conformal.py. */
const rateOf = (limit) => (1 + above(data.calibration, limit)) / (data.calibration.length + 1);

function drawThreshold() {
  const flagged = above(inspected, threshold);
  const percent = (limit) => 100 * rateOf(limit), rounded = (share) => share.toFixed(share < 10 ? 1 : 0);
  const expected = percent(threshold), finite = Number.isFinite(threshold);
  const moved = threshold !== calibrated || doubtful !== data.doubtful_threshold;
  byId("counts").textContent =
    `${thousands(flagged)} of ${thousands(inspected.length)} ${data.views ? "parts " : ""}would be flagged` +
    (hasDoubt ? ` and ${thousands(above(inspected, doubtful) - flagged)} be doubtful; ` : "; ") +
    (finite
      ? `of 100 good parts at most about ${rounded(expected)} are expected to be ` +
        (hasDoubt ? `flagged and about ${rounded(percent(doubtful))} to be doubtful or flagged ` : "")
      : "without a threshold no part can be ") + `(${thousands(data.calibration.length)} calibration ${data.views ? "parts" : "images"}).` +
    (!canFlag ? " The model has no threshold of its own, so every part that can be read is undecided."
      : moved ? " Verdicts below follow this threshold, not the calibrated one." : "");
  byId("calibrated").hidden = !moved;
  byId("save-threshold").disabled = !finite || expected >= 100 || (hasDoubt && percent(doubtful) >= 100);
  byId("threshold").setAttribute("aria-valuetext", byId("counts").textContent);
  byId("doubtful").setAttribute("aria-valuetext", byId("counts").textContent);
  moveThreshold(threshold, doubtful);
}

function saveThreshold() {
  const content = { format: "reb-pipeline threshold", format_version: 1, model_id: data.model_id, image_threshold: threshold, false_alarm_rate: rateOf(threshold), ...(hasDoubt ? { doubtful_threshold: doubtful } : {}) };
  download("threshold.json", "application/json", `${JSON.stringify(content, null, 1)}\n`);
  say(`Saved: reb inspect --threshold threshold.json takes it (false-alarm rate ${score(100 * rateOf(threshold))} %).`);
}

/** A cell that spreadsheets take for no formula, as `csv_of` of inspection/folder.py. */
function cell(value) {
  const text = typeof value === "string" && /^\s*[=+\-@＝＋－＠]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveTable() {
  const limit = Number.isFinite(threshold) ? threshold : "";
  const head = ["path", ...(data.views ? ["part"] : []), "image_score", "global_score", "p_value", "verdict", "image_threshold", ...(hasDoubt ? ["doubtful_threshold"] : []), "defect_area", "zone", "pose_degrees", "pose_right", "pose_down", "mark", "error", "reason", "overlay", "time", "sha256"];
  const rows = data.images.map((image) => [image.path, ...(data.views ? [image.part] : []), image.score, image.global, image.p, verdict(image), limit, ...(hasDoubt ? [doubtful] : []), image.area, image.zone, ...image.pose, markOf(image), image.error, image.reason, image.overlay, image.time, image.sha256]);
  download("inspections.csv", "text/csv", [head, ...rows].map((row) => `${row.map(cell).join(",")}\n`).join(""));
  say("Saved: the table with the verdicts at this threshold and the marks.");
}

function saveMarks() {
  download("marks.json", "application/json", `${JSON.stringify({ format: "reb-pipeline marks", format_version: 1, marks: [...marked.values()] }, null, 1)}\n`);
  unsaved = false;
  say(`Saved: ${thousands(marked.size)} marks. In the output folder, marks.json is read when the report is written again.`);
}

async function loadMarks(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    const content = JSON.parse(await file.text());
    if (content.format !== "reb-pipeline marks" || content.format_version !== 1) throw new Error("it is no file of marks");
    for (const { image_sha256, verdict: corrected, mark, when } of content.marks) {
      if (MARK_OF[corrected] !== mark) throw new Error(`'${mark}' is no mark of a part that is ${corrected}`);
      marked.set(image_sha256, { image_sha256, verdict: corrected, mark, when });
    }
    say(`${thousands(content.marks.length)} marks are loaded.`);
  } catch (error) {
    say(`${file.name} cannot be used: ${error.message}.`);
  }
  drawMarks();
}

/** Marks the image, or takes its mark away; a mark is on the verdict of the inspection, which the table has. */
function toggleMark(image) {
  const given = verdictGiven(image), mark = MARK_OF[given];
  if (!mark || !image.sha256) return;
  if (!marked.delete(image.sha256))
    marked.set(image.sha256, { image_sha256: image.sha256, verdict: given, mark, when: new Date().toISOString() });
  unsaved = true;
  drawMarks();
}

function drawMarks() {
  byId("save-marks").disabled = !marked.size && !unsaved;
  byId("save-marks").textContent = `Save the marks (${thousands(marked.size)})`;
  shown.draw();
  if (byId("detail").open) shown.drawDetail();
}

function say(text) {
  byId("said").textContent = text;
}

function markButton(image) {
  const mark = MARK_OF[verdictGiven(image)];
  if (!mark || !image.sha256) return [];
  const button = element("button", { type: "button", id: "mark", textContent: mark === "missed" ? "Missed: this part is defective (X)" : "False alarm: this part is good (X)", onclick: () => toggleMark(image) });
  button.setAttribute("aria-pressed", String(marked.has(image.sha256)));
  return [element("p", {}, button)];
}

function facts(image) {
  const kind = verdict(image);
  const rows = [["verdict", element("span", { className: `badge ${kind}`, textContent: kind })]];
  if (data.views) rows.push(["part", image.part || "none: the name tells no part"]);
  const reason = image.error || (verdict(image) === verdictGiven(image) ? image.reason : "");
  if (reason) rows.push(["reason", reason]);
  if (image.score !== null)
    rows.push(
      ["image score", `${score(image.score)}${times(image.score, threshold)}; threshold ${Number.isFinite(threshold) ? score(threshold) : "none"}${hasDoubt ? `, doubtful above ${score(doubtful)}` : ""}`],
      ...globalPart(image),
      ["p-value", `${score(image.p)}: a good part scores as high with at most this probability`],
      ["defect area", `${thousands(image.area)} pixels`],
      ...(image.pose[0] === null ? [] : [["pose", poseText(...image.pose)]]),
      ...(image.zone ? [["zone", `${image.zone}: the most suspicious place lies in it`]] : []),
      ["inspected", `${image.time.slice(0, 19).replace("T", " ")} UTC, in ${score(image.seconds)} s`],
      ["overlay", image.overlay]);
  return definitions(rows);
}

function explanation(view) {
  if (!view?.nearest.length) return [];
  const figure = (file, ...caption) => element("figure", {}, photo("jpeg", file, ""), element("figcaption", {}, ...caption));
  return [
    element("h3", { textContent: "The worst patch with its surroundings, and the nearest good ones" }),
    element("div", { className: "crops" }, figure(view.worst, hasDashedBox(view) ? "this image, at the dashed box" : "this image"),
      ...view.nearest.map((good) => figure(good.crop, good.name, element("br"), `distance ${score(good.distance)}`)))];
}

const moveThreshold = histogram(byId("histogram"), data.calibration, [inspected], lowest, highest, calibrated);
const shown = gallery({
  filters: [...VERDICTS, "marked"],
  belongs: (image, filter) => filter === "all" || (filter === "marked" ? markOf(image) !== "" : verdict(image) === filter),
  orders: {
    score: ["score, highest first", byScore],
    path: ["name", byName],
    area: ["defect area, largest first", byArea],
    seconds: ["inspection time, longest first", (a, b) => (b.seconds ?? 0) - (a.seconds ?? 0) || byName(a, b)],
  },
  badge: (image) => [verdict(image), verdict(image)],
  tags: (image) => [
    image.score === null ? "" : ` score ${score(image.score)}`,
    ...(markOf(image) ? [element("span", { className: "mark", textContent: markOf(image) })] : [])],
  details: (image) => {
    const own = verdictOf(image, threshold, doubtful), decided = own === "defective" || own === "good";
    return [facts(image), ...markButton(image), ...(decided ? disagreement(image.view, own === "defective") : []), ...boxes(image.view), ...explanation(image.view)];
  },
  keys: { x: () => toggleMark(shown.opened()) },
});

function setThresholds(value, lower) {
  [threshold, doubtful] = [value, lower];
  drawThreshold();
  shown.drawCounts();
}

const slider = byId("threshold"), lowerSlider = byId("doubtful"), span = highest - lowest;
const handle = (limit) => Math.round((POSITIONS * (Math.min(limit, highest) - lowest)) / span);
// At its right end nothing is flagged.
const chosen = (moved, given) => (moved.valueAsNumber === POSITIONS ? Math.max(highest, given) : lowest + (span * moved.valueAsNumber) / POSITIONS);
function setHandles() {
  for (const [moved, limit] of [[slider, threshold], [lowerSlider, doubtful ?? threshold]])
    Object.assign(moved, { min: 0, max: POSITIONS, value: handle(limit) });
}
// The lower threshold is never above the other one: the handle that is moved takes the other one along.
slider.oninput = () => {
  const limit = chosen(slider, calibrated), lower = hasDoubt ? Math.min(doubtful, limit) : null;
  if (lower !== doubtful) lowerSlider.value = slider.value;
  setThresholds(limit, lower);
};
lowerSlider.oninput = () => {
  const lower = chosen(lowerSlider, data.doubtful_threshold), limit = Math.max(threshold, lower);
  if (limit !== threshold) slider.value = lowerSlider.value;
  setThresholds(limit, lower);
};
slider.onchange = lowerSlider.onchange = shown.draw; // once the handle is let go
byId("calibrated").onclick = () => {
  setThresholds(calibrated, data.doubtful_threshold);
  setHandles();
  shown.draw();
};
byId("between").hidden = lowerSlider.hidden = !hasDoubt;
setHandles();
byId("save-threshold").onclick = saveThreshold;
byId("save-table").onclick = saveTable;
byId("save-marks").onclick = saveMarks;
byId("load-marks").onchange = loadMarks;
window.addEventListener("beforeunload", (event) => unsaved && event.preventDefault());
drawThreshold();
drawMarks();
