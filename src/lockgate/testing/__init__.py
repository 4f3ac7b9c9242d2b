"""The kit: explore every reachable place, drive an engine against the model, check an adapter."""
