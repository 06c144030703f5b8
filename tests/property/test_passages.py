from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lexmax.passages import PassagePlan, split, split_all

PLANS = st.integers(1, 40).flatmap(
    lambda window: st.builds(PassagePlan, st.just(window), st.integers(1, window))
)
# Ends of sentences, small and capital letters, scripts without spaces, marks that join.
MARKS = ["\u0301", "\u2026", "\u00e9", "\U0001f408", "\u00a0", "\u3000", "\uff1f", "\u0939\u093f"]
WORDS = ["...", ". ", "\n\n", "e.g. ", "word ", "Next", "\u6f22", "\u5b57\u3002", "x" * 30]
PIECES = st.sampled_from([*"aB1 .!?\n\t,;)\"'", *MARKS, *WORDS])
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=120).map("".join))


@given(text=TEXTS, plan=PLANS)
def test_every_character_of_a_word_is_in_a_passage(text: str, plan: PassagePlan) -> None:
    held = bytearray(len(text))
    for start, stop in split(text, plan):
        held[start:stop] = b"\x01" * (stop - start)
    assert all(held[i] for i, character in enumerate(text) if not character.isspace())


@given(text=TEXTS, plan=PLANS)
def test_passages_are_in_order_inside_the_text_and_none_is_part_of_another(
    text: str, plan: PassagePlan
) -> None:
    spans = split(text, plan)
    assert spans
    assert all(0 <= start <= stop <= len(text) for start, stop in spans)
    if text.strip():
        assert all(text[start:stop] == text[start:stop].strip() != "" for start, stop in spans)
    else:
        assert spans == [(0, 0)]
    for (start, stop), (next_start, next_stop) in pairwise(spans):
        assert start < next_start
        assert stop < next_stop
        # Nothing but white space is between them.
        assert not text[stop:next_start].strip()


@given(text=TEXTS, plan=PLANS)
def test_no_passage_is_longer_than_the_window(text: str, plan: PassagePlan) -> None:
    passages = [text[start:stop] for start, stop in split(text, plan)]
    for passage in passages:
        assert len(split(passage, plan)) == 1
    fits = len(split(text, PassagePlan(plan.window, plan.window))) == 1
    assert fits == (len(passages) == 1)


@given(text=TEXTS, plan=PLANS)
def test_a_passage_begins_no_further_on_than_the_stride(text: str, plan: PassagePlan) -> None:
    for (start, _), (following, _) in pairwise(split(text, plan)):
        between = text[start:following].strip()
        assert len(split(between, PassagePlan(plan.stride, plan.stride))) == 1


@given(texts=st.lists(TEXTS, max_size=5), plan=PLANS)
def test_all_texts_at_once_are_split_as_each_alone(texts: list[str], plan: PassagePlan) -> None:
    counts, spans = split_all(iter(texts), plan)
    each = [split(text, plan) for text in texts]
    assert counts.tolist() == [len(one) for one in each]
    assert [tuple(span) for span in spans.tolist()] == [span for one in each for span in one]
    assert spans.shape == (int(counts.sum()), 2)
