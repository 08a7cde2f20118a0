"""What a service tells others of by itself: signed events, sent until they are taken."""
