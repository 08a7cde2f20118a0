"""What several replicas hold in common in one Redis (or Valkey): limits of providers, flights, money of a run."""
