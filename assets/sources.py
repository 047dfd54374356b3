"""What comes from outside: the landing folders that upstream systems fill, and the contracts that people agree on.

Nothing here is computed; the assets stand for what the others are made from, so that lineage begins where the data does.
"""

import dagster as dg

from assets.describe import OWNERS, column_schema
from assets.partitions import daily
from contracts_io.feeds.columns import FEEDS, Feed
from contracts_io.store.contract_tables import contract_version


def _delivered_columns(feed: Feed) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name, column.kind.value, constraints=dg.TableColumnConstraints(nullable=not column.required)
            )
            for column in feed.columns
        ]
    )


def _agreed_columns() -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                str(column.type).lower(),
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
            )
            for column in contract_version.columns
        ]
    )


SOURCES = [
    *(
        dg.AssetSpec(
            f"landing_{feed.name}",
            group_name="landing",
            owners=OWNERS,
            kinds={"file"},
            partitions_def=daily,
            description=(
                f"Files that upstream systems drop under landing/{feed.name}/<delivery day>/; adledger never writes there."
            ),
            metadata={"dagster/column_schema": _delivered_columns(feed)},
        )
        for feed in FEEDS.values()
    ),
    dg.AssetSpec(
        "landing_fx_rates",
        group_name="landing",
        owners=OWNERS,
        kinds={"file"},
        description="Exchange rates by date, dropped as landing/fx_rates/*.csv.",
        metadata={"dagster/column_schema": column_schema("fx_rates")},
    ),
    dg.AssetSpec(
        "contracts",
        group_name="contracts",
        owners=OWNERS,
        kinds={"sqlalchemy"},
        description="Contract versions in the books: imported, approved by a second person, audited.",
        metadata={"dagster/column_schema": _agreed_columns()},
    ),
]
"""The assets that no run makes."""
