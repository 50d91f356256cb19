"""What every table of the configuration file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the file: frozen, and strict about its keys."""

    # A table is validated as a part of the environment: building a validator for each alone delays every start.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)
