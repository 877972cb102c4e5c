"""Every colour of text can be read on the ground it stands on, in light and in dark."""

import re
from importlib.resources import files

import pytest

CSS = files("reports").joinpath("templates/style.css").read_text("utf-8")

TEXT = [
    *((fore, back) for fore in ("fg", "muted", "link") for back in ("page", "sheet", "raw")),
    *((f"{tone}-fg", f"{tone}-bg") for tone in ("good", "aside", "bad", "unknown", "late")),
]
SHAPES = [
    *((f"{tone}-bar", back) for tone in ("good", "aside", "bad", "unknown") for back in ("sheet", "page")),
    *(("focus", back) for back in ("page", "sheet")),
]


def _schemes() -> dict[str, dict[str, str]]:
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in _roots())
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def _roots() -> list[str]:
    return re.findall(r":root \{([^}]*)\}", CSS)[:2]


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_itself() -> None:
    """Black on white is 21 : 1, and #767676 on white just passes."""
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(scheme: str) -> None:
    """At least 4.5 : 1 for every pair that carries text (WCAG 2.2, 1.4.3)."""
    colours = _schemes()[scheme]
    measured = {(fore, back): _contrast(colours[fore], colours[back]) for fore, back in TEXT}
    assert not {pair: round(ratio, 2) for pair, ratio in measured.items() if ratio < 4.5}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shapes_stand_out(scheme: str) -> None:
    """At least 3 : 1 for bars, dots and the mark of the focus (WCAG 2.2, 1.4.11)."""
    colours = _schemes()[scheme]
    measured = {(fore, back): _contrast(colours[fore], colours[back]) for fore, back in SHAPES}
    assert not {pair: round(ratio, 2) for pair, ratio in measured.items() if ratio < 3}


def test_every_pair_that_the_stylesheet_uses_is_measured() -> None:
    """A new colour does not slip past: each rule that sets ground and text uses a measured pair."""
    for block in re.findall(r"\{([^{}]*)\}", CSS):
        fore = re.search(r"(?:^|[ ;])color: var\(--([a-z-]+)\)", block)
        back = re.search(r"background: var\(--([a-z-]+)\)", block)
        if fore and back:
            assert (fore[1], back[1]) in TEXT
    coloured = {name for _, name in re.findall(r"(?:^|[ ;{])(color): var\(--([a-z-]+)\)", CSS)}
    assert coloured <= {fore for fore, _ in TEXT}
