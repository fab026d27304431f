"""Published experiments run again: each figure of a paper beside the one that archsim gets."""
