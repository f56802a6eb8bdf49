"""Methods of searching a grid, each an `engine.research.search.Sampler`."""
