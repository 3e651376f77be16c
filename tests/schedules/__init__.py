"""Random schedules over the real machines: what holds whatever happens."""
