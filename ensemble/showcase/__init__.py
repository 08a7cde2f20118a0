"""From labels to a served router on the simulated three-tier fleet, scored by a truth that no router sees."""
