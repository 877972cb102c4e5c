"""The pages of the sample runs, made as the command line makes them."""

from zoneinfo import ZoneInfo

from reports.placement import PlacementView, placement_view
from reports.render import render_placement
from reports.words import Lang
from tests.reports import samples
from toolkit.model.placement import ProbeReport

BERLIN = ZoneInfo("Europe/Berlin")


def view(report: ProbeReport, lang: Lang = "de", rules: frozenset[str] = samples.RULES_INBOXES) -> PlacementView:
    """What there is to show of a run, for Salon Belmont in Berlin."""
    return placement_view(
        report,
        sender_name="Salon Belmont",
        timezone=BERLIN,
        lang=lang,
        generated_at=samples.GENERATED,
        rules_inboxes=rules,
    )


def page(report: ProbeReport, lang: Lang = "de") -> str:
    """The page of a run."""
    return render_placement(view(report, lang))
