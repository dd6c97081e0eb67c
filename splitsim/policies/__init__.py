"""Policies: plain classes that pick an option from what a device can know."""
