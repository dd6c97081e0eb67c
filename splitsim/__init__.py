"""splitsim: a discrete-event simulator of split computing."""
