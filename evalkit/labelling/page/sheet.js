
// Fills in a sheet: which row is shown, what was said about it, and the file that goes back. Asks nothing of anyone.
"use strict";
(() => {
  const head = JSON.parse(document.body.dataset.head);
  const rows = [...document.querySelectorAll("article")];
  const keys = rows.map((row) => JSON.parse(row.dataset.key));
  const place = "evalkit-labels-" + head.sheet.id;
  const by = document.getElementById("by");
  const buttons = [...document.querySelectorAll("[data-verdict]")];
  const dialog = document.getElementById("saved");
  let said = rows.map(() => ({ verdict: null, comment: "", at: null }));
  let here = 0;

  // A page from a file may have no storage; then progress lasts as long as the page is open.
  const remember = () => {
    try { localStorage.setItem(place, JSON.stringify({ by: by.value, here, said })); } catch { /* goes on without */ }
  };
  const recall = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(place));
      if (!kept || !Array.isArray(kept.said) || kept.said.length !== rows.length) return;
      said = kept.said.map((one) => ({
        verdict: ["yes", "no", "unsure"].includes(one.verdict) ? one.verdict : null,
        comment: String(one.comment || ""),
        at: one.at || null,
      }));
      by.value = String(kept.by || by.value);
      here = Math.min(Math.max(Number(kept.here) || 0, 0), rows.length - 1);
    } catch { /* begins anew */ }
  };

  const answered = () => said.filter((one) => one.verdict !== null).length;
  const show = (moved) => {
    rows.forEach((row, k) => row.classList.toggle("here", k === here));
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.verdict === said[here].verdict)));
    document.getElementById("back").disabled = here === 0;
    document.getElementById("next").disabled = here === rows.length - 1;
    document.getElementById("count").textContent = answered() + " of " + rows.length + " judged";
    document.getElementById("done").style.width = (100 * answered()) / rows.length + "%";
    if (moved) {
      window.scrollTo(0, here === 0 ? 0 : rows[here].offsetTop - 8);
      rows[here].querySelector(".said").scrollTop = 0;
    }
  };
  const go = (to) => {
    if (to < 0 || to >= rows.length) return;
    here = to;
    remember();
    show(true);
  };
  const judge = (verdict) => {
    const one = said[here];
    one.verdict = one.verdict === verdict ? null : verdict;
    one.at = one.verdict === null ? null : new Date().toISOString();
    remember();
    if (one.verdict === null || here === rows.length - 1) show(false); else go(here + 1);
    if (one.verdict !== null && answered() === rows.length) save();
  };

  const save = () => {
    if (!by.value.trim()) {
      by.classList.add("missing");
      window.scrollTo(0, 0);
      by.focus();
      document.getElementById("count").textContent = "Write your name first";
      return;
    }
    const verdicts = keys.map((key, k) => ({ ...key, ...said[k], comment: said[k].comment.trim() || null }));
    // A comment without a verdict is kept in the page, and not sent: it answers nothing yet.
    verdicts.forEach((one) => { if (one.verdict === null) one.comment = null; });
    const text = JSON.stringify({ ...head, by: by.value.trim(), verdicts }, null, 1);
    const slug = by.value.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "someone";
    const name = "labels-" + head.sheet.metric.replace(/[^a-z0-9_]+/gi, "-") + "-" + head.sheet.id.slice(0, 6) + "-" + slug + ".json";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    const open = rows.length - answered();
    document.getElementById("saved-head").textContent = open ? open + " of " + rows.length + " are still open" : "All " + rows.length + " judged";
    document.getElementById("saved-say").textContent =
      "Saved as " + name + ", where your browser puts downloads. Send it back" +
      (open ? "; you can go on later and save again." : ".") + " It is read with: evalkit labels import " + name;
    document.getElementById("copy").value = text;
    dialog.showModal();
  };

  const verbs = {
    y: () => judge("yes"), n: () => judge("no"), u: () => judge("unsure"),
    j: () => go(here + 1), ArrowRight: () => go(here + 1), k: () => go(here - 1), ArrowLeft: () => go(here - 1),
    s: save, c: () => rows[here].querySelector("textarea").focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const typing = event.target.matches("input, textarea");
    if (typing) {
      if (event.key === "Escape" || (event.key === "Enter" && event.target === by)) event.target.blur();
      return;
    }
    const verb = verbs[event.key] || verbs[event.key.toLowerCase()];
    if (verb) {
      event.preventDefault();
      verb();
    }
  });
  buttons.forEach((button) => button.addEventListener("click", () => judge(button.dataset.verdict)));
  document.getElementById("back").addEventListener("click", () => go(here - 1));
  document.getElementById("next").addEventListener("click", () => go(here + 1));
  document.getElementById("save").addEventListener("click", save);
  document.getElementById("close").addEventListener("click", () => dialog.close());
  by.addEventListener("input", () => { by.classList.remove("missing"); remember(); show(false); });

  recall();
  rows.forEach((row, k) => {
    const box = row.querySelector("textarea");
    box.value = said[k].comment;
    box.addEventListener("input", () => { said[k].comment = box.value; remember(); });
  });
  document.documentElement.classList.add("js");
  show(false);
})();
