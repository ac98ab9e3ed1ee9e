// Hide and show the lines of charts by the names in the legend; open what a link leads to.
{
  for (const item of document.querySelectorAll("[data-toggle]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Hide or show this line";
    button.setAttribute("aria-pressed", "true");
    button.append(...item.childNodes);
    item.append(button);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      for (const part of document.querySelectorAll(`svg [data-line="${item.dataset.toggle}"]`)) part.classList.toggle("off", !shown);
    });
  }
  const reveal = () => {
    const place = document.getElementById(location.hash.slice(1)); // our names need no decoding
    for (let at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (place) place.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();
}
