"""The page in a real browser, where one is installed: it is laid out, draws its figures, and asks
for nothing.
"""

import shutil
import subprocess
from pathlib import Path

import pytest
from s5_experiments import report_documents as known

from multikernel.report.page.export import as_html

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox")


@pytest.fixture
def browser() -> str:
    """The first that is on PATH."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no headless browser on PATH (looked for {', '.join(BROWSERS)})")
    return found


def run(browser: str, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Headless, with a profile of its own, and no way out: its proxy is a port nobody listens
    on.
    """
    if "firefox" in browser:
        command = [browser, "--headless", "--no-remote", "--profile", str(tmp_path / "profile")]
        (tmp_path / "profile").mkdir(exist_ok=True)
    else:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run",
            "--proxy-server=127.0.0.1:9", "--enable-logging=stderr", "--log-level=0",
            f"--user-data-dir={tmp_path / 'profile'}",
        ]  # fmt: skip
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("size", [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_a_browser_shows_the_report(browser: str, tmp_path: Path, size: tuple[int, int]) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(as_html([*known.every(), known.hostile()]))
    picture = tmp_path / "report.png"
    window = f"{size[0]},{size[1]}"
    if "firefox" in browser:
        done = run(
            browser, tmp_path, "--window-size", window, "--screenshot", str(picture), file.as_uri()
        )
    else:
        done = run(
            browser, tmp_path, f"--window-size={window}", f"--screenshot={picture}", file.as_uri()
        )
    assert picture.is_file(), done.stderr[-2000:]
    # A page that is all one colour compresses to almost nothing.
    assert picture.stat().st_size > 20_000
    # The console would say that the page asked for what its own policy forbids.
    assert "CONSOLE" not in done.stderr


def test_a_browser_reads_the_page_as_it_was_meant(browser: str, tmp_path: Path) -> None:
    if "firefox" in browser:
        pytest.skip("firefox cannot print a page's elements headless")
    file = tmp_path / "report.html"
    file.write_bytes(as_html([*known.every(), known.hostile()]))
    done = run(browser, tmp_path, "--dump-dom", file.as_uri())
    assert done.stdout.count("<svg") > 10
    assert "<script" not in done.stdout
    assert "onerror=alert(1)&gt;" in done.stdout
