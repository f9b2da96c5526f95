"""Your Server's REST API (IF2): what a rider's app talks to."""
