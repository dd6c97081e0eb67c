"""The report: figures from rows, and the page that holds them."""
