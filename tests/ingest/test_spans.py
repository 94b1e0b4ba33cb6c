"""The tree of a trace: whatever is missing, doubled or circular, each span stands in it once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.ingest.spans import Meaning, Span, Tree, Usage, filled
from tests.ingest.spans import MS, span

IDS = st.sampled_from("abcdef")
SPANS = st.lists(
    st.builds(
        span,
        IDS,
        st.none() | st.sampled_from("abcdefxyz"),
        st.integers(0, 5),
        st.integers(-2, 5),
    ),
    max_size=12,
)


def test_spans_stand_in_the_order_of_their_beginnings() -> None:
    tree = Tree([span("c", "a", 20), span("a", None, 0), span("b", "a", 10)])
    assert list(tree.spans) == ["a", "b", "c"]
    assert list(tree.roots) == ["a"]
    assert list(tree.children("a")) == ["b", "c"]
    assert tree.down() == ["a", "b", "c"]
    assert list(tree.above("c")) == ["a"]


def test_a_span_whose_parent_is_missing_is_a_root() -> None:
    tree = Tree([span("a", "gone"), span("b", "a")])
    assert list(tree.roots) == ["a"]
    assert tree.parent("a") is None


def test_a_circle_is_opened_at_its_earliest_span() -> None:
    tree = Tree([span("a", "c", 2), span("b", "a", 1), span("c", "b", 3), span("d", "c", 0)])
    assert list(tree.roots) == ["b"]
    assert tree.down() == ["b", "c", "d", "a"]
    assert list(Tree([span("a", "a")]).roots) == ["a"]


def test_of_several_readings_the_one_that_ends_last_stands() -> None:
    short, whole = span("a", ms=1), span("a", ms=5, name="whole")
    assert Tree([whole, short]).spans["a"].name == "whole"
    assert Tree([short, whole]).readings == {"a": 2}
    richer = replace(whole, name="richer", attributes={"k": 1})
    assert Tree([richer, whole]).spans["a"].name == "richer"
    last = replace(whole, name="last")
    assert Tree([whole, last]).spans["a"].name == "last"


def test_a_tree_of_twenty_thousand_levels() -> None:
    spans = [span(str(i), str(i - 1) if i else None, i) for i in range(20_000)]
    assert len(Tree(reversed(spans)).down()) == 20_000


@settings(deadline=None)
@given(SPANS)
def test_every_span_is_reached_once_and_the_order_of_reading_does_not_matter(
    spans: list[Span],
) -> None:
    tree = Tree(spans)
    down = tree.down()
    assert sorted(down) == sorted({one.id for one in spans})
    assert sum(tree.readings.values()) == len(spans)
    for id_ in down:
        above = list(tree.above(id_))
        assert id_ not in above
        assert down.index(id_) > max((down.index(one) for one in above), default=-1)
    unique = list({one.id: one for one in spans}.values())
    assert Tree(unique).down() == Tree(reversed(unique)).down()


def test_a_duration_is_none_where_it_is_not_known() -> None:
    one = span("a", ms=5)
    assert one.duration_ms == 5
    assert replace(one, end_ns=None).duration_ms is None
    assert replace(one, end_ns=one.start_ns - MS).duration_ms is None


def test_filled_keeps_what_is_said() -> None:
    meaning = filled(Meaning("llm", model="a", documents=[]), Meaning("chain", model="b", app="c"))
    assert (meaning.kind, meaning.model, meaning.app, meaning.documents) == ("llm", "a", "c", [])
    assert filled(Meaning(), Meaning("tool", rest={"k": 1})) == Meaning("tool")


def test_more_in_the_cache_than_sent_is_counted_apart() -> None:
    assert Usage(100, cached=60, written=60).exclusive
    assert not Usage(120, cached=60, written=60).exclusive
    assert not Usage(None, cached=60).exclusive
