"""How much of what is sent arrives: path loss, line of sight, shadowing, sites and hand-over."""
