"""From labels to routers: tables of labels, splits, metrics, evaluation."""
