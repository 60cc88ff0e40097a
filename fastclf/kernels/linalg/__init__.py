"""Line search, limited-memory pairs, and solves with small or structured matrices."""
