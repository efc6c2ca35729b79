const [text, family, verdict, shown, pointed] =
  ["text", "family", "verdict", "shown", "pointed"].map(id => document.getElementById(id));
const glance = document.getElementById("glance");
const sections = [...document.querySelectorAll("section")].map(section => ({
  section, name: section.querySelector("h2").textContent,
  rows: [...section.querySelectorAll("tr[data-verdict]")], failures: [...section.querySelectorAll(".failure")],
}));
const idOf = row => row.dataset.id || row.querySelector(".name").textContent;
for (const { rows } of sections)
  for (const row of rows) {
    const says = row.querySelector(".says");
    says.title = statements[idOf(row)];
    says.textContent ||= statements[idOf(row)];
  }
const open = new Map([...document.querySelectorAll(".rows")].map(part => [part, part.open]));

function filter() {
  const wanted = text.value.toLowerCase(), any = Boolean(wanted || family.value || verdict.value);
  let seen = 0, all = 0;
  for (const { section, name, rows, failures } of sections) {
    const told = new Map(failures.flatMap(failure => failure.dataset.ids.split(" ").map(id => [id, failure])));
    const seenIn = new Set();
    let here = 0;
    for (const row of rows) {
      const id = idOf(row), failure = told.get(id);
      const words = () => (name + " " + row.textContent + " " + (failure ? failure.textContent : "")).toLowerCase();
      row.hidden = (family.value && id.split(".")[0] !== family.value) || (verdict.value && row.dataset.verdict !== verdict.value)
        || (wanted && !words().includes(wanted));
      if (failure && !row.hidden) seenIn.add(failure);
      here += !row.hidden;
    }
    for (const failure of failures) failure.hidden = !seenIn.has(failure);
    section.hidden = any && !here;
    for (const part of section.querySelectorAll(".rows")) part.open = any || open.get(part);
    seen += here; all += rows.length;
  }
  shown.textContent = seen + " of " + all;
}

function at(event) {
  const box = glance.getBoundingClientRect(), [width, height] = glance.dataset.cell.split(" ");
  const column = Math.floor((event.clientX - box.left - glance.dataset.left) / width);
  const row = Math.floor((event.clientY - box.top - 40) / height);
  const found = sections[row] && sections[row].rows.find(one => idOf(one) === ids[column]);
  return found && { section: sections[row], row: found };
}

async function copy(button) {
  const words = button.nextElementSibling.textContent;
  try { await navigator.clipboard.writeText(words); }
  catch {
    const area = document.createElement("textarea");
    area.value = words; document.body.append(area); area.select();
    document.execCommand("copy"); area.remove();
  }
  const before = button.textContent;
  button.textContent = "copied";
  setTimeout(() => button.textContent = before, 1500);
}

for (const field of [text, family, verdict]) field.addEventListener("input", filter);
document.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button && button.matches(".copy")) copy(button);
  if (button && button.dataset.choose) {
    verdict.value = verdict.value === button.dataset.choose ? "" : button.dataset.choose;
    filter();
  }
});
glance.addEventListener("pointermove", event => {
  const found = at(event);
  pointed.textContent = found ? found.section.name + ": " + idOf(found.row) + " " + found.row.dataset.verdict.replace("_", " ") : "\u00a0";
});
glance.addEventListener("click", event => {
  const found = at(event);
  if (!found) return;
  const failure = found.section.failures.find(one => one.dataset.ids.split(" ").includes(idOf(found.row)));
  const follows = failure && [...failure.querySelectorAll(".follows")].find(one => one.dataset.id === idOf(found.row));
  const shownThere = follows || failure || found.row;
  if (follows) follows.open = true;
  (failure || found.row.closest("details")).open = true;
  shownThere.scrollIntoView({ block: "center" });
});
filter();
