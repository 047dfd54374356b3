"""When and with what: Dagster assets, checks, partitions, schedules and resources; no rule about money."""
