"""Every figure of an agreement is that of a hand-made example, and no order of rows changes it."""

from __future__ import annotations

from dataclasses import asdict
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.agreement import Agreement, compare, count_spans
from evalkit.stats.classification import auroc_interval

LABELS = [1, 1, 0, 0, 0, 1]
SCORES = [0.9, 0.4, 0.4, 0.2, 0.6, float("nan")]
TASK = ["qa", "qa", "qa", "sum", "sum", "sum"]
SOURCES = ["a", "a", "b", "c", "d", "e"]


def found(**more: object) -> Agreement:
    return compare(SCORES, LABELS, SOURCES, draws=200, **more)  # type: ignore[arg-type]


def test_the_figures_by_hand() -> None:
    group = found(threshold=0.5, lengths=[10, 40, 12, 45, 90, 10]).groups[0]
    assert (group.n, group.positives, group.n_unscored, group.clusters) == (5, 2, 1, 4)
    # Six pairs: 0.9 beats three; 0.4 ties once, wins once, loses once.
    assert group.auroc == pytest.approx(4.5 / 6)
    # Pairs of like length: (10, 12), which is won, and (40, 45), which is won.
    assert (group.matched_auroc, group.matched_pairs) == (1.0, 2)
    # At 0.9 one of one; at 0.4 two of four.
    assert group.auprc == pytest.approx((1 + 0.5) / 2)
    # Called at 0.5: 0.9 (right) and 0.6 (wrong).
    assert (group.precision, group.recall, group.f1) == (0.5, 0.5, 0.5)
    assert group.balanced_accuracy == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert group.kappa == pytest.approx((3 / 5 - 13 / 25) / (1 - 13 / 25))
    errors = [0.1**2, 0.6**2, 0.4**2, 0.2**2, 0.6**2]
    assert group.brier == pytest.approx(sum(errors) / 5)
    assert group.brier_skill == pytest.approx(1 - sum(errors) / 5 / (0.4 * 0.6))
    assert [part.n for part in group.calibration] == [1, 2, 1, 1]
    # |0 - 0.2| + 2 |0.5 - 0.4| + |0 - 0.6| + |1 - 0.9|
    assert group.ece == pytest.approx((0.2 + 0.2 + 0.6 + 0.1) / 5)


def test_intervals_are_those_of_whole_sources() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = np.clip(0.3 * labels + rng.uniform(0, 0.7, 80), 0, 1)
    sources = [str(k // 4) for k in range(80)]
    group = compare(scores, labels, sources, draws=200, seed=3).groups[0]
    expected = auroc_interval(labels, scores, groups=sources, draws=200, seed=3)
    assert (group.auroc_lower, group.auroc_upper) == expected
    for figure in ("auroc", "auprc", "f1", "balanced_accuracy", "kappa", "brier_skill"):
        value, lower, upper = (
            getattr(group, figure + ending) for ending in ("", "_lower", "_upper")
        )
        assert lower < value < upper, figure


def test_a_baseline_gets_its_best_cuts_and_the_metric_its_gain_over_it() -> None:
    trivial = [3, 2, 2, 1, 4, 9]
    group = found(baselines={"length": trivial}).groups[0]
    length = group.baselines["length"]
    # 3 wins twice, loses once; 2 ties once, wins once, loses once.
    assert length.auroc == pytest.approx(3.5 / 6)
    # From 2 on: both positives and two of three negatives.
    assert length.f1 == pytest.approx(2 * 2 / (4 + 2))
    assert length.balanced_accuracy == pytest.approx((1 + 1 / 3) / 2)
    assert length.gain == pytest.approx(1 / 6)
    assert length.gain_lower is not None
    assert length.gain_upper is not None
    assert length.gain_lower <= length.gain <= length.gain_upper


def test_a_guess_from_the_group_knows_its_rate_and_nothing_within() -> None:
    everything, qa, summary = found(groups={"task": TASK}).groups
    assert [everything.group, qa.group, summary.group] == ["all", "qa", "sum"]
    guess = everything.baselines["guess from task"]
    # Both positives are in qa, with one of the three negatives.
    assert guess.auroc == pytest.approx((2 + 0.5 * 2 + 2) / 6)
    assert qa.baselines["guess from task"].auroc == 0.5
    assert summary.baselines["guess from task"].auroc is None
    assert (qa.n + summary.n, qa.n_unscored + summary.n_unscored) == (5, 1)


def test_a_value_named_all_is_no_second_whole() -> None:
    names = [group.group for group in found(groups={"task": ["all"] * 3 + ["b"] * 3}).groups]
    assert names == ["all", "task=all", "b"]


def test_what_is_no_probability_is_not_judged_as_one() -> None:
    group = compare([10, 30], [0, 1], ["a", "b"], threshold=None, probability=False).groups[0]
    assert (group.auroc, group.threshold, group.f1, group.ece, group.brier) == (1, *[None] * 4)
    assert group.calibration == ()


def test_rows_without_a_score_are_told_by_their_reason() -> None:
    assert found().unscored == {"no score": 1}
    assert found(status=["ok"] * 5 + ["abstained"]).unscored == {"abstained": 1}


def test_nothing_scored_is_nothing_and_no_error() -> None:
    spans = count_spans(["ab"], [[(0, 1)]], [[]])
    agreement = compare([float("nan")], [1], ["a"], groups={"task": ["qa"]}, spans=spans)
    group = agreement.groups[0]
    assert (group.n, group.n_unscored, group.auroc, group.ece) == (0, 1, None, None)
    assert (group.n_spans, group.spans["character"].recall) == (1, 0.0)


def test_span_figures_are_summed_over_rows_and_parted_by_group() -> None:
    responses = ["abcd efgh", "abcd", "xy", "no", "no", "abcdefgh"]
    labelled = [[(0, 4)], [], [(0, 2)], None, [], [(0, 8)]]
    marked = [[(2, 7)], [(0, 2)], [(0, 2)], [(0, 2)], [], []]
    spans = count_spans(responses, labelled, marked)
    everything, qa, summary = found(groups={"task": TASK}, spans=spans).groups
    # Both: 2 + 0 + 2; marked: 5 + 2 + 2; labelled: 4 + 2 + 8, the last of a row without a score.
    figure = everything.spans["character"]
    assert (figure.precision, figure.recall) == (pytest.approx(4 / 9), pytest.approx(4 / 14))
    assert figure.f1 == pytest.approx(2 * 4 / (9 + 14))
    assert figure.everything_f1 == pytest.approx(2 * 14 / (25 + 14))
    assert (everything.n_spans, qa.n_spans, summary.n_spans) == (5, 3, 2)
    assert qa.spans["response"].precision == pytest.approx(2 / 3)
    assert summary.spans["response"].recall == 0.0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.one_of(st.none(), st.integers(0, 10)),
            st.integers(1, 30),
            st.sampled_from(["qa", "sum"]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_changes_no_figure(
    rows: list[tuple[int, int | None, int, str]], random: Random
) -> None:
    def figures(items: list[tuple[int, int | None, int, str]]) -> dict[str, object]:
        scores = [float("nan") if score is None else score / 10 for _, score, _, _ in items]
        lengths = [length for _, _, length, _ in items]
        agreement = compare(
            scores,
            [label for label, _, _, _ in items],
            # One source: every resample is the whole, and so are the intervals.
            ["a"] * len(items),
            groups={"task": [task for *_, task in items]},
            baselines={"length": lengths},
            lengths=lengths,
            draws=2,
        )
        flat: dict[str, object] = {}

        def put(key: str, value: object) -> None:
            if isinstance(value, dict):
                for name, inner in value.items():
                    put(f"{key}.{name}", inner)
            elif isinstance(value, list | tuple):
                for k, inner in enumerate(value):
                    put(f"{key}.{k}", inner)
            else:
                flat[key] = pytest.approx(value) if isinstance(value, float) else value

        put("", asdict(agreement))
        return flat

    assert figures(random.sample(rows, len(rows))) == {
        key: getattr(value, "expected", value) for key, value in figures(rows).items()
    }


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"clusters": ["a"]}, "clusters: 1 values for 2 scores"),
        ({"groups": {"task": ["qa"]}}, "task: 1 values"),
        ({"baselines": {"length": [1.0]}}, "length: 1 values"),
        ({"lengths": [1.0]}, "lengths: 1 values"),
        ({"labels": [0, 2]}, "0 or 1"),
        ({"scores": [0.5, 2.0]}, "between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(more: dict[str, object], what: str) -> None:
    given_ = {"scores": [0.1, 0.9], "labels": [0, 1], "clusters": ["a", "b"], **more}
    with pytest.raises(ValueError, match=what):
        compare(**given_)  # type: ignore[arg-type]
