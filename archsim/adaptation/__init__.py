"""Adaptation methods: what a new task changes on a chip, and what that costs."""
