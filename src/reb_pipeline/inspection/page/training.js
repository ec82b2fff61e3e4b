const threshold = data.threshold ?? Infinity;
const canFlag = Number.isFinite(threshold);
const lower = data.doubtful_threshold;
const KINDS = { missed: "missed", doubtful: "doubtful", "false alarm": "false-alarm", found: "found", good: "good", defective: "found", undecided: "undecided" };
const isFlagged = (image) => !(image.score <= threshold);
const isDoubtful = (image) => lower !== null && !isFlagged(image) && !(image.score <= lower);
let type = ""; // of the defects that are shown; empty for all images

/** What the threshold made of an image; without one, what the image is. */
function outcome(image) {
  if (image.reason) return "undecided";
  if (!canFlag) return image.label ? "defective" : "good";
  if (isDoubtful(image)) return "doubtful";
  if (image.label) return isFlagged(image) ? "found" : "missed";
  return isFlagged(image) ? "false alarm" : "good";
}

/** By how much an image is on the wrong side of the threshold. */
const wrongness = (image) => (image.reason ? -Infinity : (image.label ? -1 : 1) * (image.score - (canFlag ? threshold : 0)));

function details(image) {
  const rows = [
    ["outcome", element("span", { className: `badge ${KINDS[outcome(image)]}`, textContent: outcome(image) })],
    ["label", image.label ? image.type : "good"]];
  if (image.reason) return [definitions([...rows, ["reason", image.reason]])];
  rows.push(
    ["image score", `${score(image.score)}${times(image.score, threshold)}; threshold ${canFlag ? score(threshold) : "none"}${lower === null ? "" : `, doubtful above ${score(lower)}`}`],
    ...globalPart(image),
    ["defect area", `${thousands(image.area)} pixels are marked`]);
  if (image.view?.annotated) rows.push(["annotation", image.view.annotated.length ? "dashed green outline" : "none"]);
  return [definitions(rows), ...(canFlag && !isDoubtful(image) ? disagreement(image.view, isFlagged(image)) : []), ...boxes(image.view)];
}

const types = [...new Set(data.images.filter((image) => image.label).map((image) => image.type))].sort(names.compare);
if (types.length > 1) {
  byId("kinds").hidden = false;
  const chosen = byId("kinds").querySelector("select");
  chosen.append(...["", ...types].map((value) => element("option", { value, textContent: value || "all" })));
  chosen.onchange = () => {
    type = chosen.value;
    shown.draw();
  };
}
const of = (label) => data.images.filter((image) => image.label === label && !image.reason).map((image) => image.score);
const [lowest, highest] = range(data.calibration, of(0), of(1));
histogram(byId("histogram"), data.calibration, [of(0), of(1)], lowest, highest, threshold)(threshold, lower);
const hasUndecided = data.images.some((image) => image.reason);
const shown = gallery({
  filters: [...(canFlag ? ["all", "missed", "false alarm", ...(lower === null ? [] : ["doubtful"]), "found", "good"] : ["all", "defective", "good"]), ...(hasUndecided ? ["undecided"] : [])],
  belongs: (image, filter) => (filter === "all" || outcome(image) === filter) && (!type || image.type === type),
  orders: {
    hardest: ["hardest first", (a, b) => wrongness(b) - wrongness(a) || byName(a, b)],
    score: ["score, highest first", byScore],
    path: ["name", byName],
    area: ["marked area, largest first", byArea],
  },
  badge: (image) => [KINDS[outcome(image)], outcome(image)],
  tags: (image) => [image.reason ? "" : ` score ${score(image.score)}`, ...(image.label ? [element("span", { className: "name", textContent: ` ${image.type}` })] : [])],
  details,
  keys: {},
});
