"""Training: recipes, stages, losses, and the loop that is the same for all of them."""
