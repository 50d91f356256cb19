"""What the keys of the file mean: the model as a map, so that any key path can be checked, including wrong ones."""

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from cartctl.config.key_paths import KeyPath
from cartctl.config.model.environment import Environment
from cartctl.config.values import Secret

NOT_IN_THE_FILE = {"name", "source_file"}  # an environment's name is its table's


def keys_of(model: type[BaseModel]) -> dict[str, Any]:
    """Each key of a table as the file writes it, and what it holds."""
    return {
        field.alias or name: field.annotation
        for name, field in model.model_fields.items()
        if not (model is Environment and name in NOT_IN_THE_FILE)
    }


def bare(annotation: Any) -> Any:
    """A type without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        others = [part for part in get_args(annotation) if part is not type(None)]
        return bare(others[0]) if len(others) == 1 else annotation
    return annotation


def held_at(path: KeyPath, model: type[BaseModel] = Environment) -> Any:
    """The type that a key path of a model holds: a model, a container's value type, a leaf's; None for an unknown key."""
    kind: Any = model
    for key in path:
        if get_origin(kind) is dict:
            kind = bare(get_args(kind)[1])
        elif get_origin(kind) is tuple:
            kind = bare(get_args(kind)[0])
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = bare(keys_of(kind).get(key))
        else:
            return None
    return kind


def is_secret(path: KeyPath, model: type[BaseModel] = Environment) -> bool:
    """Whether the value at or below a key path must never be shown."""
    kinds = (held_at(path[:depth], model) for depth in range(1, len(path) + 1))
    return any(is_reference(kind) or any(map(is_reference, get_args(kind))) for kind in kinds)


def is_reference(kind: Any) -> bool:
    """Whether a type is a secret, or an address that may hold one: a text or a reference."""
    return isinstance(kind, type) and issubclass(kind, Secret)


def known_at(path: KeyPath, model: type[BaseModel] = Environment) -> list[str]:
    """The valid keys of the table at a path; empty for a table with free keys."""
    kind = held_at(path, model)
    return list(keys_of(kind)) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.55) -> str:
    """The known name that was probably meant, or an empty text; `cutoff` is how alike they must be, from 0 to 1."""
    names = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), names, n=1, cutoff=cutoff)
    return names[matches[0]] if matches else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """How a message about an unknown name ends: with the known one that was probably meant, or with a full stop."""
    known_name = nearest(name, known)
    return f"; did you mean '{known_name}'?" if known_name else "."


def did_you_mean_id(name: str, known: Iterable[str]) -> str:
    """As `did_you_mean`, for ids of runs and snapshots, which all look alike: at most two or three characters may differ."""
    known_id = nearest(name, known, cutoff=0.87)
    return f"; did you mean {known_id}?" if known_id else "."


def leaves(section: BaseModel, above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of a validated section by its key path, in the model's order."""
    for name, field in type(section).model_fields.items():
        if isinstance(section, Environment) and name in NOT_IN_THE_FILE:
            continue
        value, path = getattr(section, name), (*above, field.alias or name)
        if isinstance(value, BaseModel) and not isinstance(value, Secret):
            yield from leaves(value, path)
        else:
            yield path, value
