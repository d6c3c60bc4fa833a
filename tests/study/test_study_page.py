"""The page in a real browser. Skipped where there is none."""

import json
import time
from pathlib import Path

import pytest
from made_cells import payload, whole_study, write, write_silver_folder
from test_study_report import HOSTILE

from spacy_xner.study.report import render
from spacy_xner.study.results import read_cells
from spacy_xner.study.silver_sample import sample_silver
from spacy_xner.study.summary import summarise

selenium = pytest.importorskip("selenium", reason="selenium is not installed: pip install .[dev]")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

# Never let selenium look for a browser or a driver: it would download one.
BROWSER, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER.exists() and DRIVER.exists()),
    reason=f"{BROWSER} and {DRIVER} are needed (Debian: chromium, chromium-driver)",
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """One browser for all tests, with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a whole study with silver sentences."""
    folder = tmp_path_factory.mktemp("page")
    cells = read_cells(write(folder / "cells", *whole_study()))
    absent = payload("uniform", seed=9)["cell"]
    silver = sample_silver(write_silver_folder(folder / "silver"))
    page = render(summarise(cells, [absent], samples=500), title="A study", silver=silver)
    (folder / "report.html").write_text(page, encoding="utf8")
    return folder / "report.html"


@pytest.fixture
def page(chromium, report):
    """The page, freshly loaded, on a screen of usual size that prefers light colours."""
    set_screen(chromium, 1280)
    set_scheme(chromium, "light")
    for kind in ("browser", "performance"):
        chromium.get_log(kind)  # what earlier tests left
    chromium.get(report.as_uri())
    return chromium


def set_screen(driver, width):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def set_scheme(driver, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def one(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def every(driver, selector):
    return driver.find_elements(By.CSS_SELECTOR, selector)


def press(driver, element):
    """Press a button by keyboard."""
    driver.execute_script("arguments[0].focus()", element)
    element.send_keys(Keys.ENTER)


def column(driver, number):
    """The first line of each cell of the results in a column."""
    selector = f".results tbody tr > :nth-child({number})"
    return [cell.text.split("\n")[0] for cell in every(driver, selector)]


def head(driver, text):
    (button,) = [b for b in every(driver, ".results thead button") if b.text.startswith(text)]
    return button


def errors(driver):
    return [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def requests(driver):
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


def test_no_error_and_no_request(page, report):
    time.sleep(0.5)
    assert errors(page) == []
    assert set(requests(page)) == {report.as_uri()}
    assert page.title == "A study"
    assert len(every(page, "svg .line")) >= 4


def test_the_policy_keeps_the_page_off_the_network(page):
    """Even a script that came into the page could send nothing."""
    blocked = page.execute_async_script(
        "const done = arguments[0];"
        "fetch('http://127.0.0.1:9/').then(() => done('sent'), () => done('refused'));"
    )
    assert blocked == "refused"
    told = " ".join(entry["message"] for entry in page.get_log("browser"))
    assert "Content Security Policy" in told


def test_each_column_sorts_both_ways(page):
    press(page, head(page, "Average"))
    falling = [float(text.split()[0]) for text in column(page, 5)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > falling[-1]
    press(page, head(page, "Average"))
    assert [float(text.split()[0]) for text in column(page, 5)] == falling[::-1]
    press(page, head(page, "System"))
    names = column(page, 1)
    assert names == sorted(names, key=str.lower)
    marked = every(page, ".results th[aria-sort]")
    assert [th.get_attribute("aria-sort") for th in marked] == ["ascending"]


def test_missing_figures_stay_at_the_end(page):
    for _ in range(2):
        press(page, head(page, "vs uniform"))
        known = [text in ("", "–") for text in column(page, 7)]
        assert known == sorted(known)


def test_the_filter(page):
    everything = len(every(page, ".results tbody tr"))
    one(page, ".filter").send_keys("weighted FAMILY")
    rows = every(page, ".results tbody tr")
    assert 0 < len(rows) < everything
    assert all("family" in row.text and "weighted" in row.text for row in rows)
    assert one(page, "[role=status]").text == f"{len(rows)} row" + "s" * (len(rows) > 1)
    one(page, ".filter").send_keys(" nothing")
    assert every(page, ".results tbody tr") == []


def test_rows_of_some_sources(page):
    before = len(every(page, ".results tbody tr"))
    button = one(page, ".partial")
    press(page, button)
    assert button.get_attribute("aria-pressed") == "true"
    assert len(every(page, ".results tbody tr")) > before


def test_systems_can_be_chosen(page):
    chips = every(page, "#slices-0 .chip")
    before = len(every(page, "#slices-0 tbody tr"))
    pressed = [chip for chip in chips if chip.get_attribute("aria-pressed") == "true"]
    press(page, pressed[0])
    assert pressed[0].get_attribute("aria-pressed") == "false"
    assert len(every(page, "#slices-0 tbody tr")) < before


def test_slices_tell_what_a_student_gains_on_direct_transfer(page):
    table = one(page, "#slices-0 table")
    heads = [head.text for head in table.find_elements(By.CSS_SELECTOR, "thead th")]
    rows = [
        [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
        for row in table.find_elements(By.CSS_SELECTOR, "tbody tr")
    ]
    gains = [place for place, text in enumerate(heads) if text == "F1 − direct"]
    (direct,) = [row for row in rows if "all sources" in row[0]]
    (student,) = [row for row in rows if row[0].startswith("Student, weighted")]
    assert [direct[place] for place in gains] == [""] * len(gains)
    expected = float(student[gains[0] - 1]) - float(direct[gains[0] - 1])
    assert expected > 5
    assert float(student[gains[0]]) == pytest.approx(expected, abs=0.11)


def test_tab_reaches_the_silver_browser_and_arrows_move_in_it(page):
    page.execute_script("document.querySelector('#silver select').focus()")

    def focused():
        return page.switch_to.active_element

    for _ in range(4):
        focused().send_keys(Keys.TAB)
        if "span" in (focused().get_attribute("class") or "").split():
            break
    assert focused().text.startswith("Amina Odhiambo")
    panel = one(page, ".panel")
    assert "PER with 0.93" in panel.text
    assert [row.text for row in every(page, ".panel tbody tr")] == [
        "en PER 0.93 0.75",
        "es nothing 0.25",
    ]
    focused().send_keys(Keys.ARROW_RIGHT)
    assert focused().text.startswith("Kisumu")
    assert "es LOC 0.55 0.25" in panel.text.replace("\n", " ")
    focused().send_keys(Keys.ARROW_DOWN)
    assert focused().text.startswith("Baraka Ltd")
    focused().send_keys(Keys.ARROW_UP)
    assert focused().text.startswith("Amina")
    focused().send_keys(Keys.END)
    # Only a teacher sees an entity there.
    assert focused().text.startswith("March")
    assert "The ensemble: nothing" in panel.text
    focused().send_keys(Keys.ARROW_DOWN)
    assert focused().text.startswith("March")
    focused().send_keys(Keys.HOME)
    assert focused().text.startswith("Amina")
    assert len(every(page, ".span[tabindex='0']")) == 1


def test_a_focused_button_has_a_ring(page):
    page.execute_script("document.querySelector('.skip').focus()")
    # To whatever has the focus: a browser may still take the link for hidden.
    webdriver.ActionChains(page).send_keys(Keys.TAB).perform()
    width = page.switch_to.active_element.value_of_css_property("outline-width")
    assert width == "3px"


def background(driver):
    return one(driver, "body").value_of_css_property("background-color")


def test_dark_by_preference_and_by_button(page):
    light, button = background(page), one(page, "#theme")
    assert button.get_attribute("aria-pressed") == "false"
    press(page, button)
    dark = background(page)
    assert dark != light
    assert button.get_attribute("aria-pressed") == "true"
    press(page, button)
    assert background(page) == light
    set_scheme(page, "dark")
    page.refresh()
    assert background(page) == dark
    press(page, one(page, "#theme"))
    assert background(page) == light


def test_a_phone_scrolls_tables_and_not_the_page(page):
    set_screen(page, 390)
    page.refresh()
    for details in every(page, "details"):
        page.execute_script("arguments[0].open = true", details)
    width, inner = page.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert width <= inner == 390
    scrolls = page.execute_script(
        "const box = document.querySelector('.results').parentElement;"
        "return box.scrollWidth > box.clientWidth"
    )
    assert scrolls


def test_missing_cells_are_listed(page):
    page.execute_script("document.querySelector('#missing-0 details').open = true")
    assert "rich uniform all en+es+fr+pt → amh+hau+swa seed 9" in one(page, "#missing-0").text


def test_a_target_without_any_entity_says_so(page, tmp_path):
    found = summarise(read_cells(write(tmp_path / "cells", payload("weighted"))), samples=5)
    (tmp_path / "none.html").write_text(render(found, silver={"swa": []}), "utf8")
    page.get((tmp_path / "none.html").as_uri())
    assert one(page, "#silver .sentences").text == "Nobody sees an entity in this text."
    assert errors(page) == []


def test_a_page_of_one_seed_says_so(page, tmp_path):
    cells = [payload("weighted"), payload("uniform", quality=0.3)]
    found = summarise(read_cells(write(tmp_path / "cells", *cells)), samples=50)
    (tmp_path / "one.html").write_text(render(found), "utf8")
    page.get((tmp_path / "one.html").as_uri())
    table = one(page, ".results").text
    assert "(1 seed)" in table and "▲" not in table and "▼" not in table
    assert "No list of the expected cells was given." in one(page, "#missing-0").text


def test_a_hostile_page_runs_nothing(page, tmp_path):
    bad = payload("weighted", study=HOSTILE, setting=HOSTILE, targets=(HOSTILE, "b"))
    bad["provenance"] = {"commit": HOSTILE, "packages": {HOSTILE: HOSTILE}}
    bad["slices"] = {HOSTILE: {HOSTILE: [1, 1, 1]}}
    bad["weights"] = {HOSTILE: {HOSTILE: 0.5}}
    silver = sample_silver(
        write_silver_folder(tmp_path / "silver", [(HOSTILE, [(0, 1, HOSTILE, 0.5)])])
    )
    found = summarise(read_cells(write(tmp_path / "cells", bad)), samples=5)
    (tmp_path / "bad.html").write_text(render(found, title=HOSTILE, silver=silver), "utf8")
    page.get((tmp_path / "bad.html").as_uri())
    # An alert would make any of these calls fail.
    assert one(page, "h1").text.startswith("</script><script>alert(1)")
    assert every(page, "img") == []
    assert len(every(page, "script")) == 2
    assert every(page, "#silver .span")
    assert errors(page) == []
