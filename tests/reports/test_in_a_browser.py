"""In a real browser: nothing sticks out on a phone, and a link to evidence opens it.

Needs Chromium. Without it these tests are skipped, except where CI is set: there they fail.
"""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reports.render import write_page
from tests.reports import samples
from tests.reports.pages import page

pytestmark = [pytest.mark.timeout(180)]  # a cold start of Chromium on a busy machine

_WRAPPER = """<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0 }} iframe {{ border: 0; height: 844px }}</style>
{frames}
<pre id="answer"></pre>
<script>
addEventListener("load", () => {{
  const measured = [...document.querySelectorAll("iframe")].map((frame) => {{
    const page = frame.contentDocument, root = page.documentElement;
    const target = page.querySelector(":target > .proof");
    const opened = target ? target.checkVisibility({{ contentVisibilityAuto: true }}) && target.offsetHeight > 0 : null;
    const top = page.querySelector(".answer h2").getBoundingClientRect().bottom;
    const matrix = page.getElementById("matrix").getBoundingClientRect().top;
    page.querySelectorAll("details").forEach((entry) => {{ entry.open = true; }});
    page.querySelectorAll(".seed").forEach((entry) => {{ entry.style.contentVisibility = "visible"; }});
    const wide = [...page.body.querySelectorAll("*")].filter((one) => {{
      const box = one.getBoundingClientRect();
      return !one.closest(".scroll, .unseen, thead") && box.width > 0 && box.right > root.clientWidth + 0.5;
    }}).map((one) => one.outerHTML.slice(0, 120));
    const spilling = [...page.querySelectorAll("td, th, .group, .cell")].filter(
      (one) => one.clientWidth > 0 && one.scrollWidth > one.clientWidth
        && !one.closest(".unseen") && !(one.closest("thead") && root.clientWidth <= 680)
    ).map((one) => one.outerHTML.slice(0, 200));
    return {{ spilling: spilling.slice(0, 5), matrix,
      client: root.clientWidth, scroll: root.scrollWidth, wide: wide.slice(0, 5), opened, top }};
  }});
  document.getElementById("answer").textContent = JSON.stringify(measured);
}});
</script>
"""


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail("Chromium is not installed, and in CI nothing is skipped")
    pytest.skip("Chromium is not installed (Debian: apt install chromium)")


def measure(chromium: str, folder: Path, frames: list[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """Load pages in frames of a given width and measure them there. `frames`: file name, width, fragment."""
    inner = "\n".join(
        f'<iframe src="{name}{fragment}" style="width:{width}px"></iframe>' for name, width, fragment in frames
    )
    wrapper = folder / "wrapper.html"
    wrapper.write_text(_WRAPPER.format(frames=inner), "utf-8")
    done = subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
            *(
                "--allow-file-access-from-files",
                "--virtual-time-budget=10000",
                "--window-size=1400,900",
                "--hide-scrollbars",
            ),
            f"--user-data-dir={folder / 'profile'}",
            "--dump-dom",
            wrapper.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer, done.stderr[-2000:]
    measured: list[dict[str, Any]] = json.loads(html.unescape(answer[1]))
    return measured


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample pages on disk."""
    made = tmp_path_factory.mktemp("pages")
    write_page(made / "every.html", page(samples.every_verdict(), "de"))
    write_page(made / "routes.html", page(samples.several_routes(), "de"))
    write_page(made / "hostile.html", page(samples.hostile(), "en"))
    write_page(made / "wide.html", page(samples.wide(30, 9), "de"))
    return made


def test_nothing_sticks_out(chromium: str, folder: Path) -> None:
    """With everything opened, no page scrolls sideways: on a small phone, a phone, a tablet and a desk."""
    names = ("every.html", "routes.html", "hostile.html", "wide.html")
    frames = [(name, width, "") for name in names for width in (320, 390, 700, 1280)]
    for (name, width, _), found in zip(frames, measure(chromium, folder, frames), strict=True):
        assert found["client"] == width
        assert found["scroll"] <= width, (name, width, found["wide"])
        assert not found["wide"], (name, width)


def test_nothing_spills_out_of_its_cell(chromium: str, folder: Path) -> None:
    """Addresses of a hundred characters, case numbers, a megabyte without a space: each stays in its own cell."""
    names = ("routes.html", "every.html", "hostile.html")
    frames = [(name, width, "") for name in names for width in (390, 700, 1000, 1280)]
    for (name, width, _), found in zip(frames, measure(chromium, folder, frames), strict=True):
        assert not found["spilling"], (name, width)


def test_the_table_is_two_screens_down(chromium: str, folder: Path) -> None:
    """Seven kinds of trouble stand above it, and still do not bury it."""
    (found,) = measure(chromium, folder, [("routes.html", 1280, "")])
    assert 0 < found["matrix"] < 2 * 1080


def test_a_link_to_evidence_opens_it(chromium: str, folder: Path) -> None:
    """Whoever follows a cell sees the proof at once, though the entry was folded."""
    (found,) = measure(chromium, folder, [("every.html", 1280, "#seed-5")])
    assert found["opened"] is True


def test_the_answer_is_on_the_first_screen_of_a_phone(chromium: str, folder: Path) -> None:
    """At 390 by 844 nobody scrolls for the answer."""
    (found,) = measure(chromium, folder, [("every.html", 390, "")])
    assert 0 < found["top"] < 500
