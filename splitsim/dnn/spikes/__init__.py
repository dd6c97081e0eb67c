"""Spiking networks: units, conversion of a network, counting of spikes, energy of operations."""
