"""Where members differ, who wins, whether the judge can be trusted: figures from the log, free of any page."""
