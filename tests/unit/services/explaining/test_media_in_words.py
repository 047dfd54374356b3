"""How an explanation names a price step (``services.explaining.media``)."""

from __future__ import annotations

import pytest

from services.explaining.media import span


@pytest.mark.parametrize(
    ("mode", "step", "text"),
    [
        ("graduated", 1, "step 1 (units 1 to 1,000 of the month)"),
        ("graduated", 2, "step 2 (units 1,001 to 5,000 of the month)"),
        ("graduated", 3, "step 3 (units 5,001 and on of the month)"),
        ("volume", 1, "step 1 (all units of a month of 1 to 1,000)"),
        ("volume", 2, "step 2 (all units of a month of 1,001 to 5,000)"),
        ("volume", 3, "step 3 (all units of a month of 5,001 and more)"),
    ],
)
def test_a_step_says_which_units_it_prices(mode: str, step: int, text: str) -> None:
    steps = {number: {"up_to": up_to, "tier_mode": mode} for number, up_to in enumerate((1_000, 5_000, None), start=1)}
    assert span(steps, step) == text
