"""An experiment of another package: what experiments/README.md teaches, done from outside."""

import re
from pathlib import Path

import pytest
from s6_cli.command import run

from multikernel.results import store

README = Path(__file__).parents[2] / "multikernel" / "experiments" / "README.md"
SMOKE = ("--size", "smoke", "--cores", "2", "--oversubscribe")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The README's example as a package that is installed beside ours."""
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    site = tmp_path / "site"
    (site / "protect-1.dist-info").mkdir(parents=True)
    (site / "protect.py").write_text(source)
    (site / "protect-1.dist-info" / "METADATA").write_text("Name: protect\nVersion: 1\n")
    (site / "protect-1.dist-info" / "entry_points.txt").write_text(
        "[multikernel.experiments]\nprotect = protect:Protect\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    return tmp_path


def test_the_readmes_experiment_is_at_most_40_lines_long() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    assert len([line for line in source.splitlines() if line.strip()]) <= 40


def test_another_packages_experiment_is_listed_run_judged_and_drawn(installed: Path) -> None:
    listed = run("bench", "list", cwd=installed)
    assert "protect" in listed.stdout
    done = run("bench", "run", "protect", *SMOKE, "--output", "here", cwd=installed)
    assert done.returncode == 0, done.stderr
    (found,) = store.read(installed / "here").values()
    (document,) = found
    assert {series.key for series in document.series} >= {"multikernel", "shared"}
    drawn = run("report", "here", "--output", "page.html", cwd=installed)
    assert drawn.returncode == 0, drawn.stderr
    page = (installed / "page.html").read_text()
    assert "<svg" in page
    assert "protect" in page


@pytest.mark.full
def test_its_verdict_is_in_its_own_words(installed: Path) -> None:
    done = run("bench", "run", "protect", *SMOKE[:4], "--output", "here", cwd=installed)
    if "share" in done.stderr or done.returncode:
        pytest.skip("fewer CPUs than cores")
    ((document,),) = store.read(installed / "here").values()
    names = {ratio.name: ratio for ratio in document.ratios}
    assert set(names) == {"shared-over-multikernel", "control-over-multikernel"}
    words = names["shared-over-multikernel"].words
    assert words is not None
    assert run("report", "here", cwd=installed).returncode == 0
    assert words.lead in (installed / "report.html").read_text()


def test_an_entry_point_that_cannot_be_loaded_is_named(installed: Path) -> None:
    (installed / "site" / "protect.py").write_text("1 / 0\n")
    done = run("bench", "run", "protect", *SMOKE, cwd=installed)
    assert done.returncode == 2
    assert "protect" in done.stderr
    assert "Traceback" not in done.stderr
    others = run("bench", "list", cwd=installed)
    assert "unmap" in others.stdout
    assert others.returncode == 0
