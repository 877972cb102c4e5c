"""From a view to a page, and from a page to a file."""

import os
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.placement import PlacementView
from reports.text import css_string, visible


def _finalize(value: object) -> object:
    """What every expression of a template passes before it is escaped: no control character gets by."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def _style() -> Markup:
    """The one stylesheet, for a `style` element: ours, and without anything that would end that element."""
    return Markup(files("reports").joinpath("templates/style.css").read_text("utf-8"))  # noqa: S704 - our own file


def _css_string(text: str) -> Markup:
    return Markup(css_string(text))  # noqa: S704 - letters, digits, spaces and escapes alone


@cache
def environment() -> Environment:
    """The environment of every page: escaping on, an unknown name is an error."""
    made = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalize,
    )
    made.filters["css_string"] = _css_string
    made.globals["style"] = _style()
    return made


def render_placement(view: PlacementView) -> str:
    """The placement page: one HTML document that needs nothing else."""
    return environment().get_template("placement.html.jinja").render(view=view, w=view.words)


def write_page(path: Path, html: str) -> None:
    """Write a page so that a reader meets the old one or the new one, never half of one; only its owner may read it.

    Raises OSError where the folder cannot be written to; a file that stood there is then unharmed.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")  # mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(html)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the rename itself, too, outlives a power cut
    finally:
        os.close(folder)
