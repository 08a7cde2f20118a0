"""Watch a served router: a share of its requests is judged against the whole panel, and a bad one is demoted."""
