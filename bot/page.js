// Copy buttons, a searched query to change, the first line of a new answer in view, folded parts opened for printing. No other script is ours.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy, label = button.textContent;
  try { await navigator.clipboard.writeText(text); }
  catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
  }
  button.textContent = button.dataset.done;
  setTimeout(() => { button.textContent = label; }, 1500);
});
// "Change it" puts the searched words into the box; "search only what I typed" sends them.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-edit], [data-ask]");
  if (!button) return;
  const box = document.querySelector("#kf-ask textarea, #kf-ask input");
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, button.dataset.edit || button.dataset.ask);
  box.dispatchEvent(new Event("input", { bubbles: true }));
  if (button.dataset.edit) { box.focus(); return; }
  setTimeout(() => document.querySelector("#kf-ask button")?.click(), 50);
});
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));
let shown = 0;
new MutationObserver(() => {
  const replies = document.querySelectorAll(".kf-reply");
  if (replies.length > shown) {
    const rows = document.querySelectorAll("#kf-chat .user-row, #kf-chat .user");
    const target = rows[rows.length - 1] || replies[replies.length - 1];
    target.style.scrollMarginTop = "6rem";  // below the line that never scrolls away
    target.scrollIntoView({ block: "start" });
  }
  shown = replies.length;
}).observe(document.documentElement, { childList: true, subtree: true });
