"""How many examples each fuzz test runs, and what it is fed with: few by default; `make fuzz` raises them by CARTCTL_FUZZ."""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("CARTCTL_FUZZ", "40"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,  # a busy machine is slow
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NUMBERS = st.one_of(
    st.integers(),
    st.integers(10**300, 10**320),
    st.floats(),
    st.sampled_from(("NaN", "+Inf", "-1", "1e999", "0")),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def mutated(*texts: str) -> st.SearchStrategy[bytes]:
    """One of some valid texts with pieces cut out, doubled or overwritten, and whole noise."""

    @st.composite
    def mutate(draw: Any) -> bytes:
        content = bytearray(draw(st.sampled_from(texts)).encode())
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(content)))
            end = min(len(content), at + draw(st.integers(0, 12)))
            content[at:end] = draw(st.one_of(st.binary(max_size=8), st.just(bytes(content[at:end]) * 2)))
        return bytes(content)

    return st.one_of(
        mutate(),
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
    )
