"""The report in a real browser: hover, zoom, hidden lines, keyboard, phone, dark, contrast, and without JavaScript."""

import csv
import io
import re
from pathlib import Path
from urllib.parse import unquote

import example_runs as example
import pytest
from chromium import browser
from live_run import running_trial

from harness.cli.live.live_page import watched
from harness.run.events import RunStarted, TrialEnded
from reports import write_reports

pytestmark = pytest.mark.timeout(300)  # a busy machine draws the reports slowly

ALL = "(what) => [...document.querySelectorAll(what)]"
OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
ROOT = Path(__file__).parents[2]
CONTRAST = (ROOT / "tests/examples/contrast.js").read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    for name in ("sweep", "knobs", "ugly"):
        (folder / name).mkdir()
        write_reports(folder / name, getattr(example, name)())
    return {path.name: f"file://{path / 'report.html'}" for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def without_complaints(page):
    page.complaints.clear()
    page.resize(1280)
    page.prefer("light")
    yield
    assert page.complaints == []


def tip(page):
    return page.run(
        "(() => { const t = document.getElementById('tip'); return t && !t.hidden ? t.textContent : ''; })()"
    )


def middle(box):
    left, top, width, height = box
    return left + width / 2, top + height / 2


def test_values_are_under_the_pointer_and_at_the_keyboard(page, reports):
    page.open(reports["sweep"])
    for mark in ("#curves .tip", "#distributions .tip"):
        x, y = middle(page.box(mark))
        page.mouse("Moved", x, y)
        assert tip(page) == page.run(f"document.elementFromPoint({x}, {y}).closest('.tip').ariaLabel") != ""
    page.mouse("Moved", 2, 2)
    assert tip(page) == ""
    page.run("document.querySelector('#distributions .tip').focus()")
    assert tip(page).startswith("p50: ")
    page.key("Escape")
    assert tip(page) == ""


def test_histograms_maps_and_timelines_are_read_with_arrow_keys(page, reports):
    page.open(reports["sweep"])
    page.run(OPEN_ALL)
    for drawing, words in (
        ("svg[data-counts]", r"^[\d.]+–[\d.]+ ms: \d+ responses? \([\d.]+ %\)$"),
        ("svg[data-rows]", r"^-?[\d.]+–[\d.]+ s, [\d.]+–[\d.]+ ms: \d+ responses?$"),
        (".panel svg", r"^-?[\d.]+ s: good responses [\d.]+"),
    ):
        page.mouse("Moved", *middle(page.box(drawing)))
        assert page.run(f"new RegExp({words!r}).test(document.getElementById('tip').textContent)"), tip(page)
        page.mouse("Moved", 2, 2)
        page.run(f"document.querySelector({drawing!r}).focus({{ focusVisible: true }})")
        first = tip(page)
        page.key("ArrowRight")
        assert tip(page) not in (first, "")
    page.key("Tab")
    assert page.run("document.querySelectorAll('.cursor').length") <= 1


def test_the_histogram_names_the_count_that_was_measured(page, reports):
    page.open(reports["sweep"])
    counts = example.sweep().result.points[0].spread.counts
    page.run("document.querySelector('svg[data-counts]').focus({ focusVisible: true })")
    assert f": {max(counts)} responses" in tip(page)  # it begins at the highest bar


def test_a_chart_is_zoomed_by_dragging_buttons_and_keys_and_shown_whole_again(page, reports):
    page.open(reports["sweep"])
    places = f"({ALL})('#curves svg use').map((mark) => Number(mark.getAttribute('x')).toFixed(2)).join()"
    shown = "document.querySelectorAll('#curves figure:first-child .tip:not(.out)').length"
    whole, points = page.run(places), page.run(shown)
    left, top, width, height = page.box("#curves figure svg")
    page.drag((left + 0.1 * width, top + 0.3 * height), (left + 0.5 * width, top + 0.9 * height))
    assert page.run(places) != whole
    assert 0 < page.run(shown) < points
    numbers = "#curves figure:first-child :is(.axis-tick:not(.out), .new-tick) text"
    names = page.run(f"({ALL})({numbers!r}).length")
    assert names >= 4  # both axes still have numbers
    page.click(left + 0.5 * width, top + 0.5 * height, times=2)
    assert page.run(places) == whole
    page.run("document.querySelector('#curves .tools button').click()")
    zoomed = page.run(places)
    assert zoomed != whole
    page.run("document.querySelector('#curves .tools button').focus()")
    page.key("ArrowRight")
    assert page.run(places) not in (zoomed, whole)
    page.key("0")
    assert page.run(places) == whole


def test_a_stretch_of_a_timeline_is_zoomed(page, reports):
    page.open(reports["sweep"])
    page.run("document.querySelector('details.timeline').open = true")
    left, top, width, height = page.box(".panel svg")
    page.drag((left + 0.25 * width, top + 5), (left + 0.5 * width, top + height - 5))
    views = page.run("[...document.querySelectorAll('.panels')][0].querySelectorAll('svg').length")
    first = "details.timeline .trial:first-of-type svg"
    changed = f"({ALL})({first!r}).filter((svg) => svg.viewBox.baseVal.width < 100).length"
    assert page.run(changed) == views > 1  # all panels of the trial together
    assert page.run("getComputedStyle(document.querySelector('details.timeline svg')).overflow") == "hidden"
    page.click(left + 0.5 * width, top + 0.5 * height, times=2)
    assert page.run(changed) == 0


def test_a_line_is_hidden_by_its_name_in_the_legend(page, reports):
    page.open(reports["sweep"])
    drawn = "[...document.querySelectorAll('svg [data-line=\"1\"]')].filter((e) => e.getClientRects().length).length"
    before = page.run(drawn)
    page.run("document.querySelector('[data-toggle=\"1\"] button').focus()")
    page.key("Enter")
    assert before > 0 == page.run(drawn)
    assert page.run("document.querySelector('[data-toggle=\"1\"] button').ariaPressed") == "false"
    page.run("document.querySelector('[data-toggle=\"1\"] button').click()")
    assert page.run(drawn) == before


def test_tables_are_sorted_by_a_click(page, reports):
    page.open(reports["sweep"])
    page.run("document.querySelector('table.points th:nth-child(4) button').click()")
    keys = page.run(
        "[...document.querySelectorAll('table.points tbody tr')].map((row) => Number(row.cells[3].dataset.key))"
    )
    assert keys == sorted(keys)


def test_a_link_leads_to_its_point_and_the_data_can_be_read(page, reports):
    page.open(reports["sweep"] + "#%zz")  # leads nowhere, and harms nothing
    page.run("location.hash = '#timeline-5'")
    page.wait("document.getElementById('timeline-5').open")
    page.run("document.querySelector('#point-5 a').click()")
    page.wait("location.hash === '#distribution-5'")
    address = page.run("document.querySelector('a[download=\"points.csv\"]').href")
    rows = [*csv.DictReader(io.StringIO(unquote(address.split(",", 1)[1])))]
    assert len(rows) == 16
    assert float(rows[0]["throughput_rps"]) > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sweep", "knobs"])
def test_every_text_stands_out(page, reports, name, scheme):
    page.prefer(scheme)
    page.open(reports[name])
    page.run(OPEN_ALL)
    seen, poor = page.run(CONTRAST)
    assert seen > 500
    assert poor == []
    dark = page.run("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(14, 19, 25)") is (scheme == "dark")


@pytest.mark.parametrize("name", ["sweep", "knobs", "ugly"])
def test_a_phone_shows_the_page_without_scrolling_sideways(page, reports, name):
    page.resize(390, 844, mobile=True)
    page.open(reports[name])
    page.run(OPEN_ALL)
    assert page.run("document.documentElement.scrollWidth") <= 390
    ends = page.run(f"({ALL})('section, header, h1').map((each) => each.getBoundingClientRect().right)")
    assert max(ends) <= 390
    page.run("document.querySelector('.tip')?.focus()")
    assert page.run("(document.getElementById('tip')?.getBoundingClientRect().right ?? 0) <= 390")


def test_without_javascript_all_is_still_there(page, reports):
    what = (
        "[...document.querySelectorAll('svg.chart path, svg.chart polyline, td, .tip, a[download]')]"
        ".filter((e) => !e.closest('.tools, #tip')).length"
    )
    page.open(reports["knobs"])
    with_scripts = page.run(what)
    page.javascript(on=False)
    try:
        page.open(reports["knobs"])
        assert page.run("document.querySelectorAll('.tools, #tip, .legend button').length") == 0
        assert page.run(what) == with_scripts
        assert page.run("document.querySelectorAll('.tip > title').length") > 20  # the browser's own tips
    finally:
        page.javascript(on=True)


def trial(number, *doubts):
    """A trial that has ended."""
    name = f"batch_size={number}, 8 users"
    return TrialEnded(
        name, f"{number}00 req/s, p99 5 ms", left_s=119.7, rate_rps=100.0 * number, p99_ms=5.0, doubts=doubts
    )


def test_a_run_is_watched_as_it_grows_until_it_is_interrupted(page, tmp_path, capsys):
    dots = "document.querySelectorAll('#curve circle').length"
    text = "document.getElementById({0!r}).textContent"

    def watch():
        with watched(tmp_path, lambda _: None) as listener:
            listener(RunStarted(3))
            running_trial(tmp_path)
            page.open(re.search(r"live: (\S+)", capsys.readouterr().err)[1])
            listener(trial(1))
            page.wait(f"{dots} === 1")
            page.run("document.querySelector('#curve circle').focus()")
            listener(trial(2, "The load generator was busy"))
            page.wait(f"{dots} === 2")
            assert page.run(text.format("place")) == "2 of 3 trials, 2:00 left"
            assert float(page.run(text.format("rate"))) > 0
            found = page.run(text.format("lines"))
            assert "200 req/s, p99 5 ms. The load generator was busy" in found
            page.run("document.querySelector('#curve circle').focus()")
            assert tip(page) == "batch_size=1, 8 users: 100 req/s, p99 5 ms"
            page.picture(tmp_path / "live.png")
            _, poor = page.run(CONTRAST)
            assert poor == []
            page.resize(390, 844, mobile=True)
            assert page.run("document.documentElement.scrollWidth") <= 390
            page.wait(f"{text.format('place')}.includes('2 of 3')")  # it has just asked, and is heard once more
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch()
    page.wait(f"/interrupted|run has ended/.test({text.format('name')} + {text.format('place')})")


def test_a_live_page_that_got_no_response_asks_again(page, tmp_path, capsys):
    place = "document.getElementById('place').textContent"
    with watched(tmp_path, lambda _: None) as listener:
        listener(RunStarted(3))
        page.open(re.search(r"live: (\S+)", capsys.readouterr().err)[1])
        page.wait(f"{place} === '0 of 3 trials'")
        page.run(
            "{ const real = fetch; let lost = 1; fetch = (at) => lost-- > 0 ? Promise.reject('lost') : real(at); }"
        )
        page.wait(f"{place}.includes('does not respond')")
        page.wait(f"{place} === '0 of 3 trials'")
