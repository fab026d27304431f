"""What an inference costs when set-up, learning and task switches are shared out over inferences.

Every cost is either in joules or in seconds; the arithmetic is the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """Cost of an inference where a task lasts for n of them: each + per_task / n."""

    each: float
    per_task: float

    def at(self, inferences_per_task: float) -> float:
        """Cost per inference; ZeroDivisionError for 0 inferences."""
        return self.each + self.per_task / inferences_per_task


@dataclass(frozen=True)
class Costs:
    """Joules or seconds of a method.

    inference: of one; switch: of one task switch that writes; learning: of one task, on the device;
    once: before the first task.
    """

    inference: float
    switch: float
    learning: float
    once: float

    def line(self, tasks: int) -> Line:
        """Cost over inferences per task where each of `tasks` tasks is switched to once."""
        return Line(self.inference, self.switch + self.learning + self.once / tasks)

    def parts(self, inferences: int, switches: int, tasks: int) -> dict[str, float]:
        """Cost of a whole scenario by its cause.

        inferences: of all tasks; switches: those that write; tasks: each is learnt once.
        """
        return {
            "inference": self.inference * inferences,
            "switch": self.switch * switches,
            "learning": self.learning * tasks,
            "once": self.once,
        }

    def total(self, inferences: int, switches: int, tasks: int) -> float:
        """Cost of a whole scenario: the sum of `parts`."""
        return sum(self.parts(inferences, switches, tasks).values())
