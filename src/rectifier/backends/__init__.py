"""One file for each kind of array, with the same verbs in each: check_rng, draw_key, forward, vjp."""
