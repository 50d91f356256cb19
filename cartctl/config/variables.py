"""The values that `CARTCTL_SECTION__KEY` variables give. Imported only where there are any: its library loads slowly."""

from typing import Any, cast

from pydantic import create_model
from pydantic_settings import BaseSettings, EnvSettingsSource

from cartctl.config.keys import keys_of
from cartctl.config.model.environment import Environment


class _Variables(EnvSettingsSource):
    """`CARTCTL_SECTION__KEY`; a value that is not JSON stays text, for the model to check."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """A list or table is written as JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def read_variables(prefix: str, delimiter: str) -> dict[str, Any]:
    """The tree of values by the environment's keys; names begin with `prefix`, sections end with `delimiter`."""
    keys = keys_of(Environment)
    fields: dict[str, Any] = {
        key: (held, None) for key, held in keys.items()
    }  # by key: an alias gets no prefix
    source = _Variables(
        cast("type[BaseSettings]", create_model("Variables", **fields)),  # only its fields are read
        env_prefix=prefix,
        env_nested_delimiter=delimiter,
        case_sensitive=False,
    )
    return {key: value for key, value in source().items() if key in keys}
