"""The SimPy processes: devices, cells, servers, and the life of a task through them."""
