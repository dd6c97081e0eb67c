"""``python -m splitsim``."""

from splitsim.cli import main

main()
