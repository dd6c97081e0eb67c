"""Makers of the tables of ``traces/``; ``analysis/build_tables.py`` collects and writes them."""
