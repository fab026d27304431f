"""The kinds of measures, one in each file; archsim.reproduce.registry finds them."""
