"""Media that several devices share: who gets how much of the time, and when transfers end."""
