"""Date and time of mail headers (RFC 5322, sections 3.3 and 4.3), with what servers really write."""

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
# Hours east of UTC. RFC 5322, section 4.3 for the American ones; the European ones are what servers write.
_ZONES = {
    zone: hours
    for hours, zones in {
        0: "ut utc gmt z wet",
        1: "bst west cet met mez",
        2: "cest mest mesz eet",
        3: "eest",
        -4: "edt",
        -5: "est cdt",
        -6: "cst mdt",
        -7: "mst pdt",
        -8: "pst",
    }.items()
    for zone in zones.split()
}
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
_ZONE = r"\s{0,9}\(?(?P<zone>[+-]\d{4}|[A-Za-z]{1,5})?"
_RFC = re.compile(
    r"(?:[A-Za-z]{2,9}\.?,?\s{0,9})?(?P<day>\d{1,2})[\s-]{1,9}(?P<month>[A-Za-z]{3})[A-Za-z]{0,6}\.?[\s-]{1,9}"
    r"(?P<year>\d{4}|\d{2})\s{1,9}" + _TIME + _ZONE
)
_CTIME = re.compile(
    r"(?:[A-Za-z]{2,9},?\s{1,9})?(?P<month>[A-Za-z]{3})[A-Za-z]{0,6}\s{1,9}(?P<day>\d{1,2})\s{1,9}"
    + _TIME
    + r"(?:\s{1,9}(?P<zone>[+-]\d{4}|[A-Z]{1,5}))?\s{1,9}(?P<year>\d{4})"
)


def parse_date(text: str) -> datetime | None:
    """An aware date and time, with the zone as written; None where it is not one, or says no zone.

    "-0000" is UTC. An unknown alphabetic zone is no zone: better no time than a wrong one.
    """
    text = text[:200].strip()
    match = _RFC.match(text) or _CTIME.match(text)
    if match is None:
        return None
    zone = _zone(match["zone"] or "")
    month = _MONTHS.get(match["month"].lower())
    if zone is None or month is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += 2000 if year < 50 else 1900
    if not 1970 <= year <= 9998:  # so that no zone leaves what datetime can say
        return None
    micro = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    try:
        return datetime(
            year,
            month,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"] or 0), 59),  # a leap second
            micro,
            tzinfo=zone,
        )
    except ValueError:
        return None


def _zone(text: str) -> timezone | None:
    if text[:1] in ("+", "-"):
        minutes = int(text[1:3]) * 60 + int(text[3:5])
        if minutes >= 24 * 60:
            return None
        return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes)) if minutes else UTC
    hours = _ZONES.get(text.lower())
    if hours is None:
        return None
    return timezone(timedelta(hours=hours)) if hours else UTC
