"""Bottlenecks: methods of making a network narrow at a cut; each is a small file."""
