// Show the values of a point under the pointer and at the focus of the keyboard; Escape hides them.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
tip.setAttribute("role", "tooltip");
let tipOf = null; // the mark that it is shown for
const hideTip = () => { tip.hidden = true; };
const placeTip = () => {
  const box = tipOf.getBoundingClientRect();
  const left = Math.min(Math.max(4, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 4);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
};
const showTip = (text, mark) => {
  if (!tip.isConnected) document.body.append(tip);
  tip.textContent = text;
  tip.hidden = false;
  tipOf = mark;
  placeTip();
};
for (const mark of document.querySelectorAll(".tip")) {
  const show = () => showTip(mark.getAttribute("aria-label"), mark);
  mark.querySelector("title")?.remove(); // the browser's own would cover this one
  mark.addEventListener("pointerenter", show);
  mark.addEventListener("pointerleave", hideTip);
  mark.addEventListener("focus", show);
  mark.addEventListener("blur", hideTip);
}
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
// The focus scrolls the page to where it goes: its tip goes along.
const atFocus = () => document.activeElement !== document.body && document.activeElement?.contains(tipOf);
addEventListener("scroll", () => { if (tip.hidden) return; if (atFocus()) placeTip(); else hideTip(); }, { passive: true });
