"""One file for each kind of array, with the same verbs in each.

check_rng, draw_key, forward and vjp serve the operator; from_numpy and to_numpy serve the tests that every back-end has
to pass. A module whose library traces programs names the type of its arrays in TRACED: parameters of that type are not
looked into.
"""
