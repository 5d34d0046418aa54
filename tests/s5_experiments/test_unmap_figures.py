"""Figures of unmap documents: over transports, trees and numbers of cores."""

import pytest
from s5_experiments import report_documents as known
from s5_experiments.figure_structure import drawn, figures, said, texts

from multikernel.report.figures import registry
from multikernel.report.figures.figure import Block, Figure

PAPERS = 3
"""Curves of the paper's figure 7."""


def of_the_paper(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """Its curves, by name."""
    return {name: line for name, line in drawn(figure).lines.items() if "the paper" in name}


def told(blocks: list[Block]) -> list[tuple[object, ...]]:
    return [said(block) for block in blocks]


def test_unmap_is_grouped_by_how_the_others_are_notified() -> None:
    completion, own, program, side, lives, sustained = figures(known.unmap())
    found = drawn(completion)
    assert found.groups == (
        "Notified by poll", "Notified by signal", "Notified by interrupt", "Nobody notified",
        "The paper's figure 7 at 2 cores (8×4 AMD 8350, 2.0 GHz)",
    )  # fmt: skip
    medians = (4700, 5200, 4400, 36_000, 28_000, 6700)
    assert found.bars == pytest.approx(medians, rel=0.01)
    assert len(found.papers) == 3
    assert max(found.papers) == 10_300
    assert "≈ 10 300 cycles · 5 150 ns" in texts(completion)
    assert "Longer is better" in " ".join(own.notes)
    assert (own.title, program.title, side.title) == (
        "Every core unmaps pages of its own at once, 2 cores",
        "What a computing program keeps",
        "What mapping and the first touch cost",
    )
    assert drawn(lives).groups == (
        "Mapped where none was, and removed in the end", "Mapped again where it was",
    )  # fmt: skip
    assert len(drawn(lives).bars) == 2 * 3
    assert drawn(sustained).groups == drawn(lives).groups
    assert drawn(sustained).bars == pytest.approx((70_000, 290_000), rel=0.01)


def test_unmap_at_a_number_of_cores_the_paper_lacks_shows_no_value_of_it() -> None:
    assert not drawn(figures(known.unmap(cores=4))[0]).papers


def test_several_numbers_of_cores_give_the_papers_figure_7() -> None:
    documents = [known.unmap(cores) for cores in (2, 3, 4)]
    (figure,) = registry.draw_together(documents)
    assert isinstance(figure, Figure)
    assert len(drawn(figure).lines) == 6 + PAPERS
    assert sum(map(len, of_the_paper(figure).values())) == 7
    assert len(drawn(figure).intervals) == 6 * 3  # the paper's points have none
    assert "Barrelfish, the paper" in texts(figure)
    assert registry.draw_together(documents[:1]) == []
    assert registry.draw_together([known.unmap(2), known.unmap(2)]) == []


def test_unmaps_by_sockets_stand_apart_and_are_named() -> None:
    completion, *_ = figures(known.by_the_host_too(known.unmap()))
    written = texts(completion)
    assert drawn(completion).groups[:3] == (
        "Notified by poll",
        "Notified by poll, by messages that share no memory",
        "Notified by signal",
    )
    bars = [one for one in written if one.startswith("multikernel")]
    assert bars[:4] == [
        "multikernel · one-phase (polling)",
        "multikernel · two-phase (polling)",
        *(f"multikernel · {p}-phase (polling, by socket)" for p in ("one", "two")),
    ]
    assert len(drawn(completion).bars) == 6 + 2
    assert any("by call lines in shared memory" in note for note in completion.notes)
    assert not any(
        "by call lines in shared memory" in note for note in figures(known.unmap())[0].notes
    )


def test_transports_over_several_numbers_of_cores_are_a_figure_beside_the_papers() -> None:
    plain = [known.unmap(cores) for cores in (2, 3, 4)]
    seventh, transports = registry.draw_together([known.by_the_host_too(one) for one in plain])
    assert isinstance(seventh, Figure)
    assert isinstance(transports, Figure)
    (alone,) = registry.draw_together(plain)
    assert said(seventh) == said(alone)
    assert len(drawn(transports).lines) == 4
    assert not of_the_paper(transports)
    assert transports.description.count("by socket") == 2


def test_one_document_of_several_numbers_of_cores_holds_the_papers_figure_7() -> None:
    completion, seventh, one_phase, two_phase, same, *rest = figures(
        known.by_cores_too(known.unmap(4))
    )
    assert told([completion, *rest]) == told(registry.draw(known.unmap(4)))  # nothing is changed
    written = texts(seventh)
    assert {
        "multikernel · one-phase, tree numa-aware", "multikernel · two-phase, tree numa-aware",
        "shared kernel · mcs, tree numa-aware", "shared kernel · mcs, its line",
        "Linux · mprotect, notified by interrupt",
        "Barrelfish, the paper", "Linux 2.6.26, the paper",
        "Windows Server 2008 R2 beta, the paper",
    } <= set(written)  # fmt: skip
    assert sum(map(len, of_the_paper(seventh).values())) == 7
    # Over two cores the tree that was run stands for its equals; over all, the line and Linux are
    # the usual series.
    lines = drawn(seventh).lines
    for name, values in {
        "multikernel · one-phase, tree numa-aware": [4000, 5000, 6000],
        "shared kernel · mcs, its line": [3800, 5700, 4400],
        "Linux · mprotect, notified by interrupt": [28_000, 42_000, 28_000],
    }.items():
        assert [cores for cores, _ in lines[name]] == [2, 3, 4]
        assert [value for _, value in lines[name]] == pytest.approx(values, rel=0.01)
    assert seventh.paper
    for figure, protocol in ((one_phase, "one-phase"), (two_phase, "two-phase")):
        assert f"multikernel · {protocol}, sequential" in texts(figure)
        assert f"multikernel · {protocol}, numa-aware" in texts(figure)
        assert not of_the_paper(figure)
    assert drawn(same).groups == (
        "Along the tree sequential, cluster",
        "Along the tree numa-aware",
        "By the shared kernel's line",
    )
    assert len(drawn(same).bars) == 3 + 3 + 1


def test_two_cores_show_the_one_tree_in_both_kernels() -> None:
    completion, same, *rest = figures(known.by_cores_too(known.unmap(2)))
    assert told([completion, *rest]) == told(registry.draw(known.unmap(2)))
    assert len(drawn(same).bars) == 3 + 1
    assert (
        "Along the tree sequential, cluster, numa-aware: multikernel · one-phase"
        in same.description
    )


def test_documents_together_hold_only_what_all_their_cores_did() -> None:
    plain = [known.unmap(cores) for cores in (2, 3, 4)]
    together = registry.draw_together([known.by_cores_too(one) for one in plain])
    assert told(together) == told(registry.draw_together(plain))
