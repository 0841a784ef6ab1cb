"""UniDet: names of its checkpoints, tiny ones, a second slow implementation, and what they show."""
