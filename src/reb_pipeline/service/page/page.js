"use strict";

const KEPT = 200; // results in the history: each holds an image
const RETRIES = 5; // of a request while all places of the service are taken
const VIEWS = { overlay: "Overlay", map: "Map", image: "Image" };
const LEGENDS = {
  overlay: "White outlines and boxes: pixels above the threshold of the map. Dashed box: the patch with the highest score, of a part that is not good, where no other box has it.",
  map: "Anomaly map: black is far below the threshold of the map, from red on it is above; the same colours for all images of the model.",
  image: "",
};
const VERDICTS = ["good", "doubtful", "defective", "undecided", "unreadable"];
const MARKS = { defective: "false alarm", good: "missed" };

const state = { model: null, results: [], open: null, follows: true, waiting: [], busy: false, view: "overlay", done: 0, total: 0, unsaved: false };
const marks = new Map(); // by the SHA-256 of the image

function say(sentence) {
  byId("problem").textContent = sentence;
  byId("problem").hidden = !sentence;
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Ask the service; a refusal is an error with its sentence and status. */
async function ask(path, options = {}) {
  const headers = { ...options.headers, ...(byId("key").value ? { "X-API-Key": byId("key").value } : {}) };
  for (let attempt = 0; ; attempt += 1) {
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      throw new Error(`The service does not answer (${error.message}): it may have stopped, or the file is larger than it takes.`);
    }
    if (response.status === 429 && attempt < RETRIES) {
      await pause(Number(response.headers.get("Retry-After")) || 1);
      continue;
    }
    const found = response.status === 204 ? null : await response.json().catch(() => ({ detail: `The answer is no JSON (status ${response.status}).` }));
    if (response.ok) return found;
    throw Object.assign(new Error(found.detail), { status: response.status });
  }
}

const ofModel = (path) => `v1/models/${encodeURIComponent(state.model.name)}/${path}`;

async function loadModel() {
  if (state.model) return;
  const { models: [model] } = await ask("v1/models");
  state.model = model;
  byId("model").textContent = `: ${model.name}`;
  document.title = `Inspection: ${model.name}`;
  const written = model.written ? ` of ${model.written.slice(0, 16).replace("T", " ")} UTC` : "";
  byId("facts").textContent = `Model ${model.model_id.slice(0, 12)}${written}. ` + (model.can_flag
    ? `A part is defective if its score is above ${number(model.image_threshold)}, for a false-alarm rate of ${percent(model.false_alarm_rate)}.` +
      (model.doubtful_threshold == null ? "" : ` Between ${number(model.doubtful_threshold)} and it a part is doubtful: ${percent(model.doubtful_rate)} of good parts may be doubtful or defective.`)
    : "It has no threshold: every part is undecided.");
  byId("promise").textContent = model.calibration;
  if (model.stores_marks)
    for (const mark of (await ask(ofModel("marks"))).marks) marks.set(mark.image_sha256, mark);
}

/** Load the model; where the service wants a key, ask for it. */
async function begin() {
  try {
    await loadModel();
    say("");
  } catch (error) {
    refused(error);
    return;
  }
  inspectWaiting();
}

function refused(error) {
  if (error.status === 401) {
    byId("access").hidden = false;
    byId("key").focus();
    say(byId("key").value ? "The API key is not that of the service." : "The service needs its API key (X-API-Key).");
  } else {
    say(error.message);
  }
}

function send(files) {
  if (!state.waiting.length && !state.busy) state.done = state.total = 0;
  state.waiting.push(...files);
  state.total += files.length;
  state.follows = true;
  begin();
}

/** One image after the other, so that other clients get their turn. */
async function inspectWaiting() {
  if (state.busy || !state.model) return;
  state.busy = true;
  try {
    while (state.waiting.length) {
      byId("progress").textContent = `Inspecting ${state.done + 1} of ${state.total} …`;
      try {
        keep(await inspect(state.waiting[0]));
      } catch (error) {
        if (error.status === 401) throw error;
        keep({ source: state.waiting[0], verdict: "unreadable", sentence: error.message });
      }
      state.waiting.shift();
      state.done += 1;
    }
    byId("progress").textContent = state.total > 1 ? `${state.done} images inspected.` : "";
  } catch (error) {
    byId("progress").textContent = "";
    refused(error);
  } finally {
    state.busy = false;
  }
}

async function inspect(source) {
  const body = new FormData();
  body.append("image", source);
  const found = await ask(ofModel("inspect?overlay=true&explain=true"), { method: "POST", body });
  return { source, verdict: found.verdict, sentence: found.reason ?? "", found };
}

function keep(result) {
  state.results.unshift(result);
  state.results.length = Math.min(state.results.length, KEPT);
  if (state.follows) state.open = result;
  drawHistory();
  if (state.open === result) drawResult();
}

function drawHistory() {
  const counts = VERDICTS.map((verdict) => [state.results.filter((one) => one.verdict === verdict).length, verdict])
    .filter(([n]) => n).map(([n, verdict]) => `${n} ${verdict}`);
  const most = state.results.length === KEPT ? ` The last ${KEPT} are kept.` : "";
  byId("counts").textContent = `${state.results.length} ${state.results.length === 1 ? "image" : "images"}: ${counts.join(", ")}.${most}`;
  byId("history").replaceChildren(...state.results.map((one) => element("li", {}, card(one))));
  byId("session").hidden = false;
  drawSave();
}

function card(one) {
  const made = element("button", { type: "button", onclick: () => choose(one) });
  if (one.found) made.append(element("img", { src: file("jpeg", one.found.overlay_jpeg), alt: "", loading: "lazy" }));
  made.append(element("span", { className: `badge ${one.verdict}`, textContent: one.verdict }));
  if (one.found) made.append(element("span", { className: "hint", textContent: multiple(one.found) }));
  made.append(element("span", { className: "name", textContent: one.source.name }));
  const mark = one.found && marks.get(one.found.image_sha256);
  if (mark) made.append(element("span", { className: "hint", textContent: `marked: ${mark.mark}` }));
  if (one === state.open) made.setAttribute("aria-current", "true");
  return made;
}

/** Open a result; the focus stays on its card. */
function choose(one) {
  state.open = one;
  state.follows = false;
  const hadFocus = byId("history").contains(document.activeElement);
  drawHistory();
  drawResult();
  if (hadFocus) byId("history").children[state.results.indexOf(one)]?.firstChild.focus();
}

function drawResult() {
  const { source, verdict, sentence, found } = state.open;
  byId("verdict").textContent = verdict;
  byId("verdict").className = `badge ${verdict}`;
  byId("name").textContent = source.name;
  byId("reason").textContent = sentence;
  byId("result").hidden = false;
  byId("detail").hidden = byId("views").hidden = !found;
  if (!found) return;
  byId("numbers").replaceChildren(...lines(
    ["score", multiple(found)],
    ["image score", `${number(found.image_score)}, threshold ${found.image_threshold === null ? "none" : number(found.image_threshold)}${found.doubtful_threshold == null ? "" : `, doubtful above ${number(found.doubtful_threshold)}`}`],
    ...(found.global_score ? [["global part", `${number(found.global_score)} of the image score`]] : []),
    ...(found.zone ? [["zone", `${found.zone}: the most suspicious place lies in it`]] : []),
    ["p-value", `${number(found.p_value)}: a good part scores as high with at most this probability`],
    ...(found.pose ? [["pose", poseText(found.pose.degrees, found.pose.right, found.pose.down)]] : []),
    ["size", `${found.width} × ${found.height} pixels`],
    ["time", `${Math.round(1000 * found.seconds)} ms`],
  ));
  const boxes = found.defects.map((defect) => [...defect.box, defect.area, number(defect.peak)]);
  byId("defects").replaceChildren(boxes.length
    ? element("div", { className: "scroll" }, table(["x", "y", "width", "height", "area", "peak"], boxes))
    : element("p", { textContent: verdict === "defective" ? "No marked region: the score of the whole image is above its threshold, no pixel above that of the map; the dashed box of the overlay is its most suspicious place." : "No marked region." }));
  byId("explanation").hidden = !found.nearest_good.length;
  byId("nearest").replaceChildren(...found.nearest_good.map((good) => element("figure", {},
    element("img", { src: file("png", good.crop_png), alt: `patch of ${good.image_id}` }),
    element("figcaption", { textContent: `${good.image_id}, distance ${number(good.distance)}` }))));
  drawView();
  drawMark();
}

function drawView() {
  const { source, found } = state.open;
  const shown = byId("shown");
  for (const button of byId("views").children) button.setAttribute("aria-pressed", String(button.value === state.view));
  URL.revokeObjectURL(shown.src);
  shown.className = state.view;
  shown.alt = `${VIEWS[state.view]} of ${source.name}`;
  shown.style.aspectRatio = state.view === "map" ? `${found.width} / ${found.height}` : "";
  shown.style.objectFit = state.view === "map" ? "fill" : ""; // the map is square, whatever the image is
  shown.src = { overlay: () => file("jpeg", found.overlay_jpeg), map: () => file("png", found.anomaly_map_png), image: () => URL.createObjectURL(source) }[state.view]();
  byId("legend").textContent = LEGENDS[state.view];
}

byId("shown").onerror = () => {
  if (state.view === "image") byId("legend").textContent = "This browser does not show images of this kind: see the overlay.";
};

function setView(name) {
  state.view = name;
  if (state.open?.found) drawView();
}

function drawMark() {
  const { verdict, found } = state.open;
  const name = MARKS[verdict];
  const isMarked = Boolean(name) && marks.get(found.image_sha256)?.mark === name;
  byId("mark").hidden = !name;
  byId("mark").textContent = { "false alarm": "False alarm: the part is good", missed: "Missed: the part is defective" }[name];
  byId("mark").setAttribute("aria-pressed", String(isMarked));
  byId("marked").textContent = !isMarked ? "" : state.model.stores_marks ? "Stored by the service." : "Kept on this page: download the marks before you close it.";
}

/** Set or remove the mark of the open result. */
async function toggleMark() {
  const { verdict, found } = state.open;
  if (!found || !MARKS[verdict]) return;
  const hash = found.image_sha256;
  let wanted = marks.get(hash)?.mark === MARKS[verdict] ? null
    : { image_sha256: hash, verdict, mark: MARKS[verdict], when: new Date().toISOString() };
  try {
    if (state.model.stores_marks)
      wanted = await ask(ofModel(`marks/${hash}`) + (wanted ? `?mark=${encodeURIComponent(wanted.mark)}` : ""), { method: wanted ? "PUT" : "DELETE" });
    else state.unsaved = true;
  } catch (error) {
    refused(error);
    return;
  }
  if (wanted) marks.set(hash, wanted);
  else marks.delete(hash);
  say("");
  drawHistory();
  drawMark();
}

function drawSave() {
  byId("save").hidden = !marks.size;
  byId("save").textContent = `Download ${marks.size} ${marks.size === 1 ? "mark" : "marks"}`;
}

byId("save").onclick = () => {
  const content = { format: "reb-pipeline marks", format_version: 1, marks: [...marks.values()] };
  download("marks.json", `${JSON.stringify(content, null, 1)}\n`);
  state.unsaved = false;
};
addEventListener("beforeunload", (event) => state.unsaved && event.preventDefault());

// The camera is the page's only while its picture is shown.
const video = byId("video");
byId("camera").hidden = !navigator.mediaDevices?.getUserMedia;
byId("camera").onclick = async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
    await video.play();
  } catch (error) {
    say(`The camera cannot be used (${error.message}).`);
    return;
  }
  say("");
  byId("viewfinder").hidden = false;
  byId("camera").hidden = true;
  byId("shoot").focus();
};
byId("camera-off").onclick = () => {
  for (const track of video.srcObject.getTracks()) track.stop();
  video.srcObject = null;
  byId("viewfinder").hidden = true;
  byId("camera").hidden = false;
  byId("camera").focus();
};
byId("shoot").onclick = () => {
  const canvas = element("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const name = `camera ${new Date().toTimeString().slice(0, 8)}.png`;
  canvas.toBlob((blob) => send([new File([blob], name, { type: "image/png" })]), "image/png");
};

const step = (by) => {
  const next = state.results[state.results.indexOf(state.open) + by];
  if (next) choose(next);
};
const KEYS = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), o: () => setView("overlay"), m: () => setView("map"), i: () => setView("image"), x: toggleMark };
document.addEventListener("keydown", (event) => {
  const isTyping = event.target === byId("key") || event.ctrlKey || event.metaKey || event.altKey;
  if (isTyping || !state.open || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

byId("views").append(...Object.entries(VIEWS).map(([name, text]) =>
  element("button", { type: "button", value: name, textContent: text, onclick: () => setView(name) })));
byId("mark").onclick = toggleMark;
byId("key").onchange = begin;
byId("file").onclick = (event) => { event.target.value = ""; }; // so that the same file can follow itself
byId("file").onchange = (event) => send([...event.target.files]);
for (const kind of ["dragenter", "dragover"])
  addEventListener(kind, (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
for (const kind of ["dragleave", "drop"])
  addEventListener(kind, (event) => { event.preventDefault(); byId("drop").classList.remove("over"); });
addEventListener("drop", (event) => event.dataTransfer.files.length && send([...event.dataTransfer.files]));

begin();
