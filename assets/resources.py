"""What assets are given: the home, as a plain object that has never heard of Dagster."""

from pathlib import Path

import dagster as dg

from contracts_io.home import Home


class HomeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The home whose tables the assets keep; ``path`` comes from the environment variable ``ADLEDGER_HOME``."""

    path: str

    def open(self) -> Home:
        """The home; HomeError where there is none."""
        return Home.open(Path(self.path))
