"""The page in a real browser: nothing complains, and nothing is wider than a phone."""

import re
import shutil
import subprocess

import example_runs as example
import pytest

from reports import write_reports

WRAPPER = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe src="report.html" style="width:{width}px;height:800px;border:0"></iframe><output></output>
<script>
document.querySelector("iframe").addEventListener("load", (event) => {{
  const page = event.target.contentDocument;
  for (const details of page.querySelectorAll("details")) details.open = true;
  const title = page.querySelector("table.points th:nth-child(4) button");
  const column = () => [...page.querySelectorAll("table.points tbody tr")]
    .map((row) => Number(row.cells[3].dataset.key));
  title?.click();
  const sorted = column().every((value, i, all) => i === 0 || all[i - 1] <= value);
  const tip = () => page.querySelector("#tip");
  const said = [];
  for (const mark of page.querySelectorAll(".tip")) {{
    mark.dispatchEvent(new PointerEvent("pointerenter"));
    const hovered = !tip().hidden && tip().textContent === mark.getAttribute("aria-label");
    mark.dispatchEvent(new PointerEvent("pointerleave"));
    const left = tip().hidden;
    mark.focus();
    const focused = !tip().hidden && tip().textContent.length > 5 && page.activeElement === mark;
    event.target.contentWindow.dispatchEvent(new KeyboardEvent("keydown", {{ key: "Escape" }}));
    said.push(hovered && left && focused && tip().hidden && tip().getBoundingClientRect().right <= {width});
  }}
  const words = `width=${{page.documentElement.scrollWidth}} sorted=${{sorted}}`;
  document.querySelector("output").textContent = `${{words}} tips=${{said.length}} right=${{said.every(Boolean)}}`;
}});
</script>"""
FLAGS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --allow-file-access-from-files --enable-logging=stderr
    --virtual-time-budget=5000 --window-size=1280,900 --dump-dom
""".split()  # noqa: SIM905  (as one would type them)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["sweep", "grid", "one_point", "ugly"])
def test_the_page_fits_and_the_console_is_empty(name, width, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser, "install chromium: the end-to-end tests look at the page in it"
    write_reports(tmp_path, example.EXAMPLES[name]())
    (tmp_path / "wrapper.html").write_text(WRAPPER.format(width=width))
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path / 'wrapper.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r"<output>width=(\d+) sorted=(\w+) tips=(\d+) right=(\w+)</output>", done.stdout)
    assert found, done.stdout[-500:]
    assert int(found[1]) <= width
    assert found[2] == "true"
    assert int(found[3]) > 2  # values under the pointer, and at the focus of the keyboard
    assert found[4] == "true"
    assert "CONSOLE" not in done.stderr, done.stderr[-2000:]
