"""One file for each kind of array, with the same verbs in each: forward, vjp."""
