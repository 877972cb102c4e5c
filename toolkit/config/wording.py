"""What pydantic found, in sentences that say what is expected and what to do.

Only the place and the kind of a finding are taken from pydantic. The value that was written is not: it may be a
secret in the wrong place.
"""

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from toolkit.config.fault import Fault, place_of
from toolkit.config.forms import quoted, suggestion
from toolkit.config.settings import Settings

Keys = tuple[int | str, ...]

_WRONG_TYPE = {
    "string_type": 'must be text in quotes, such as "…"',
    "tuple_type": 'must be a list in square brackets, such as ["…", "…"]',
    "dict_type": "must be a table, such as { key = … }",
    "bool_type": "must be true or false",
    "path_type": 'must be a path in quotes, such as "folder/file"',
}
_ENTRIES = ("stream", "route", "inbox", "collect")


def describe(error: ValidationError, raw: dict[str, Any]) -> list[tuple[Keys, Fault]]:
    """Each finding as the keys that lead to it and the fault. `raw` is the file as it was parsed."""
    return [_fault(details, raw) for details in error.errors(include_url=False, include_input=False)]


def _fault(details: ErrorDetails, raw: dict[str, Any]) -> tuple[Keys, Fault]:
    keys: Keys = details["loc"]
    if details["type"] == "extra_forbidden":  # what stands in the file, even where it is called "[key]"
        return keys, Fault(place_of(raw, keys[:-1]), _unknown(keys))
    if keys[-1:] == ("[key]",):  # pydantic's mark for a fault of a key, not of its value
        keys = keys[:-1]
    if details["type"] == "literal_error":
        return keys, _not_allowed(keys, details, raw)
    return keys, Fault(place_of(raw, keys), _sentence(keys, details))


def _sentence(keys: Keys, details: ErrorDetails) -> str:
    match details["type"]:
        case "missing":
            return f"missing: {_description(keys)}"
        case "value_error":
            return str(details["ctx"]["error"])
        case "model_type":
            return _not_a_table(keys)
        case "tuple_type" if keys[0] in _ENTRIES and len(keys) == 1:
            return f"is a list: write each entry under [[{keys[0]}]], with two brackets"
    return _WRONG_TYPE.get(details["type"], details["msg"])


def _not_a_table(keys: Keys) -> str:
    if len(keys) == 1:
        return f"is a section: write [{keys[0]}], with its settings below"
    return "must be a table, such as { " + ", ".join(f"{key} = …" for key in _known(keys)) + " }"


def _unknown(keys: Keys) -> str:
    key, known = str(keys[-1]), _known(keys[:-1])
    meant = suggestion(key, known)
    if len(keys) == 1:
        shown = {name: f"[[{name}]]" if name in _ENTRIES else f"[{name}]" for name in known}
        hint = f"did you mean {shown[meant]}?" if meant else f"the sections are {', '.join(shown.values())}"
        return f"unknown section {quoted(key)}: {hint}"
    hint = f"did you mean `{meant}`?" if meant else f"known here are {', '.join(known)}"
    return f"unknown key `{quoted(key)[1:-1]}`: {hint}"


def _not_allowed(keys: Keys, details: ErrorDetails, raw: dict[str, Any]) -> Fault:
    allowed: tuple[str, ...] = tuple(str(details["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", "))
    is_key = details["loc"][-1] == "[key]"
    written = keys[-1] if is_key else _written(raw, keys)
    if len(allowed) == 1:
        choice = f'the only value is "{allowed[0]}"'
    else:
        choice = "write " + ", ".join(f'"{word}"' for word in allowed[:-1]) + f' or "{allowed[-1]}"'
    meant = suggestion(written, allowed) if isinstance(written, str) else None
    if is_key:
        hint = f"did you mean `{meant}`?" if meant else f"known here are {', '.join(allowed)}"
        return Fault(place_of(raw, keys[:-1]), f"unknown key `{quoted(written)[1:-1]}`: {hint}")
    return Fault(place_of(raw, keys), choice + (f' (did you mean "{meant}"?)' if meant else ""))


def _written(raw: Any, keys: Keys) -> Any:
    for key in keys:
        try:
            raw = raw[key]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _model(keys: Keys) -> type[BaseModel] | None:
    """The model that the table at `keys` is read into; None for a free table or a value."""
    model: type[BaseModel] = Settings
    for key in keys:
        if isinstance(key, int):
            continue
        field = next((field for name, field in model.model_fields.items() if key in (name, field.alias)), None)
        below = _models(field.annotation) if field else []
        if not below:
            return None
        model = below[0]
    return model


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _known(keys: Keys) -> list[str]:
    model = _model(keys)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _description(keys: Keys) -> str:
    model = _model(keys[:-1])
    for name, field in model.model_fields.items() if model else ():
        if keys[-1] in (name, field.alias) and field.description:
            return field.description
    return "it has no default"
