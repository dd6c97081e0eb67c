"""The exogenous world: functions of (seed, entity, time or task), met alike by every policy."""
